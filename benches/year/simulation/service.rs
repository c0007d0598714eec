//! One service, from slot to slot: requests come, people deploy, the core decides every five minutes, and what it
//! decides happens.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use error_budget_monitor::policy::{
    Action, BranchReading, Decision, Evidence, History, Inputs, PastRollback, Phase, Plan,
    Settings, decide, needs_branch, questions, wants_doings,
};
use error_budget_monitor::slo::{LOST_SHARE, Objective, assess_knowing_pods, assess_slices};

use super::branch::{Branch, Commit};
use super::contract;
use super::counts::{Counts, SLOT, moment};
use super::random::Random;
use super::schedule::{
    Cause, DAY, FLAWS, Flaw, HOUR, Incident, MINUTE, Mixture, Rates, Release, incidents, mixtures,
    releases, season,
};
use super::tally::{Caught, Failing, Finding, Innocent, Tally};

/// Requests in five minutes, the mean of a weekday.
pub(crate) const TRAFFIC: [f64; 6] = [20.0, 60.0, 200.0, 400.0, 1_000.0, 10_000.0];

/// Error ratios of a service that nothing is wrong with.
pub(crate) const HEALTHY: [f64; 6] = [0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005];

/// Distance between two passes (s).
const EVERY: i64 = 5 * MINUTE;

/// History before the first pass: the SLO window (s).
const WARM_UP: i64 = 30 * DAY;

/// How long a burn lasts before a pass can be sure of it: `VIOLATION_FOR` and one slice (s).
const SURE_AFTER: i64 = 6 * MINUTE;

/// `ATTRIBUTION_WINDOW` and `COOLDOWN` (s).
const WINDOW: i64 = HOUR;

/// How much a deployment may seem to come after the errors that begin with it (s): the minute that the clocks of
/// committers are granted, and a scrape, because what began just before is counted only with the next one.
const GRACE: i64 = 75;

/// How much of what came before a deployment does not count against it (s): half a minute for the committer's clock.
const NOT_COUNTED: i64 = 30;

/// With fewer failed requests than this before a deployment, as far as they count, nobody can say that it had begun.
const BEGUN_BY: f64 = 3.0;

/// By how much the beginning of something may be seen too late (s).
const BLUR: i64 = 3 * MINUTE;

/// For how long the windows remember what is over (s): the shorter one of the slow burn.
const REMEMBERED: i64 = 30 * MINUTE;

/// Failed requests that must be seen in a revision's life: with one in a hundred allowed and no more than a few hundred
/// requests, fewer prove nothing.
const SHOWN_BY: f64 = 10.0;

/// How long before a deployment something must begin to be told from what began with it (seconds): two slices.
const TOLD_APART: i64 = 120;

/// Tells whether so many requests, so large a share of which failed, show that more than one in a hundred fails:
/// three standard deviations.
fn shows_above_one_percent(requests: f64, ratio: f64) -> bool {
    let (failed, allowed) = (requests * ratio, requests * 0.01);
    failed >= SHOWN_BY && failed - allowed >= 3.0 * allowed.sqrt()
}

/// Most rounds of questions. Source: the program asks no more.
const MAX_ROUNDS: usize = 6;

/// Error ratio up to which nothing burns, the smallest burn factor, 6, times the budget: a pass that finds no more in
/// its last five and thirty minutes does nothing, whatever else it finds.
const CALM: f64 = 0.006;

/// Of the passes that find no more, every how many is decided all the same: the core itself has to say that it does
/// nothing.
const DECIDED_ANYWAY: i64 = 12;

/// Share of rollbacks that make it worse: what is restored does not know the schema that was migrated.
const MADE_WORSE: f64 = 0.04;

/// How long after it began a proof sees that a rollback made it worse (s).
const WORSE_IS_SEEN_AFTER: i64 = 3 * MINUTE;

/// Share of errors' causes that hit several requests at once, as retries make them.
const IN_BURSTS: f64 = 0.3;

/// Further errors of such a burst, on average, beyond the second.
const BURST_BEYOND: f64 = 2.0;

/// Which service for how long, and how eventful.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub seed: u64,
    /// Its number, which says its traffic, its health and its luck.
    pub number: u64,
    /// Days with passes.
    pub days: i64,
    /// How many times as many bad releases and incidents there are as in a usual year.
    pub trouble: u32,
}

impl Subject {
    fn traffic(self) -> usize {
        (self.number % TRAFFIC.len() as u64) as usize
    }

    fn healthy(self) -> usize {
        (self.number / TRAFFIC.len() as u64 % HEALTHY.len() as u64) as usize
    }

    fn rates(self) -> Rates {
        let block = (TRAFFIC.len() * HEALTHY.len()) as u64;
        // Every other block has little trouble, so that its budget is mostly there.
        let (bad, incidents) = if (self.number / block).is_multiple_of(2) {
            (24.0, 60.0)
        } else {
            (6.0, 12.0)
        };
        Rates {
            good: 250.0,
            bad: bad * f64::from(self.trouble),
            incidents: incidents * f64::from(self.trouble),
        }
    }
}

/// Simulates a service and returns what came of it.
pub(crate) fn simulate(subject: Subject) -> Tally {
    let end = WARM_UP + subject.days * DAY;
    let mut service = Service::new(subject, end);
    for slot in 0..end / SLOT {
        service.step(slot * SLOT);
    }
    service.finish()
}

/// What people do because of what happened.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Deploy(Release),
    /// A person ends the errors of a flaw, if it is still there.
    Mend(usize),
    /// A person repairs what a rollback made worse.
    Repair,
    /// A robot commits this content again, if nobody deployed since.
    CommitAgain {
        content: usize,
        over: usize,
    },
}

/// A flaw that was deployed.
#[derive(Debug)]
struct Deployed {
    flaw: Flaw,
    committed_at: i64,
    /// When requests begin to fail.
    starts: i64,
    /// When so many failed that it burns.
    began: Option<i64>,
    over: Option<i64>,
    reasons: BTreeMap<&'static str, u64>,
    /// What the first pass that could have been sure said instead.
    why: String,
}

struct Service {
    subject: Subject,
    objective: Objective,
    settings: Settings,
    random: Random,
    counts: Counts,
    branch: Branch,
    deployed: Vec<Deployed>,
    incidents: Vec<Incident>,
    mixtures: Vec<Mixture>,
    /// From when on the newest rollback makes things worse, and the share of requests that fail then.
    worse: Option<(i64, f64)>,
    /// Incidents that have begun and are not over, as places in the list, and the next one.
    open: (Vec<usize>, usize),
    /// By time, and by number where two fall together.
    deeds: BTreeMap<(i64, usize), Deed>,
    planned: usize,
    history: Vec<PastRollback>,
    /// How many slots in a row were calm since the newest rollback.
    calm: usize,
    /// Whether an incident stopped the traffic in the newest slot.
    is_silent: bool,
    /// Requests until the next error of a healthy service, and errors of a burst that come in the next slot.
    background: (f64, f64),
    tally: Tally,
}

impl Service {
    fn new(subject: Subject, end: i64) -> Self {
        let mut random = Random::new(subject.seed, subject.number);
        let rates = subject.rates();
        let deeds = releases(&mut random, WARM_UP, end, rates);
        let incidents = incidents(&mut random, WARM_UP, end, rates);
        let mixtures = mixtures(&mut random, WARM_UP, end, &deeds);
        let number = |(number, (at, release))| ((at, number), Deed::Deploy(release));
        Self {
            subject,
            planned: deeds.len(),
            objective: contract::objective(),
            settings: contract::settings(),
            counts: Counts::new((end / SLOT) as usize),
            branch: Branch::new(WARM_UP - DAY),
            deployed: Vec::new(),
            incidents,
            mixtures,
            worse: None,
            open: (Vec::new(), 0),
            deeds: deeds.into_iter().enumerate().map(number).collect(),
            history: Vec::new(),
            calm: 0,
            is_silent: false,
            background: (0.0, 0.0),
            tally: Tally::default(),
            random,
        }
    }

    fn step(&mut self, at: i64) {
        while let Some(next) = self.deeds.first_entry() {
            let (due, _) = *next.key();
            if due >= at + SLOT {
                break;
            }
            let deed = next.remove();
            self.perform(due, deed);
        }
        self.count(at);
        let now = at + SLOT;
        if now >= WARM_UP && self.is_pass(now) {
            self.pass(now);
        }
    }

    fn is_pass(&self, now: i64) -> bool {
        // Services are not looked at in the same slot.
        now % EVERY == (self.subject.number % 10) as i64 * SLOT
    }

    fn plan_deed(&mut self, at: i64, deed: Deed) {
        self.planned += 1;
        self.deeds.insert((at, self.planned), deed);
    }

    fn perform(&mut self, at: i64, deed: Deed) {
        let rollout = self.random.seconds(0, 3 * MINUTE);
        match deed {
            Deed::Deploy(release) => {
                let mut flaws = self.branch.flaws().to_vec();
                if let Release::Bad(flaw) = release {
                    flaws.push(self.deployed.len());
                    let starts = at + flaw.delay;
                    let mended = starts + self.random.seconds(45 * MINUTE, 120 * MINUTE);
                    self.plan_deed(mended, Deed::Mend(self.deployed.len()));
                    self.deployed.push(Deployed {
                        flaw,
                        committed_at: at,
                        starts,
                        began: None,
                        over: None,
                        reasons: BTreeMap::new(),
                        why: String::new(),
                    });
                }
                let content = match release {
                    Release::Good | Release::Bad(_) => self.branch.released(flaws),
                    Release::OfOthers(place) => self.branch.changed_by_others(place),
                };
                self.branch.commit(at, content, rollout);
            }
            Deed::Mend(flaw) => {
                if !self.branch.flaws().contains(&flaw) {
                    return;
                }
                let good = |content: usize| {
                    let mut flaws = self.branch.flaws_of(content).iter();
                    !flaws.any(|flaw| self.deployed[*flaw].starts <= at)
                };
                let commits = self.branch.commits.iter().rev().take(8);
                let before = commits.map(|commit| commit.content).find(|it| good(*it));
                let content = match before {
                    Some(content) if self.random.chance(0.5) => {
                        self.branch.with_release_of(content)
                    }
                    Some(_) | None => self.branch.released(Vec::new()),
                };
                self.branch.commit(at, content, rollout);
            }
            Deed::Repair => {
                self.worse = None;
                let content = self.branch.released(Vec::new());
                self.branch.commit(at, content, rollout);
            }
            Deed::CommitAgain { content, over } => {
                if self.branch.commits.len() != over {
                    return;
                }
                let content = self.branch.with_release_of(content);
                self.branch.commit(at, content, rollout);
                self.tally.committed_again += 1;
                let mended = at + self.random.seconds(45 * MINUTE, 120 * MINUTE);
                for flaw in self.branch.flaws().to_vec() {
                    self.plan_deed(mended, Deed::Mend(flaw));
                }
                return;
            }
        }
        self.close_what_is_gone(at, None);
    }

    /// Returns the share of requests that the flaws of what serves make fail, of those that reach a pod, and the share
    /// that reaches none.
    fn released_ratio(&mut self, at: i64) -> (f64, f64) {
        let (mut ratio, mut unserved) = (0.0, 0.0);
        for (content, share) in self.branch.serving(at) {
            let mut good = 1.0;
            let mut crashes = false;
            for flaw in self.branch.flaws_of(content) {
                let deployed = &mut self.deployed[*flaw];
                if at < deployed.starts || share == 0.0 {
                    continue;
                }
                let failing = deployed.flaw.ratio * share;
                let noticed = if deployed.flaw.crashes() {
                    crashes = true;
                    LOST_SHARE
                } else {
                    good *= 1.0 - deployed.flaw.ratio;
                    (0.75 * deployed.flaw.ratio).min(0.01)
                };
                if failing >= noticed && deployed.began.is_none() {
                    deployed.began = Some(at);
                }
            }
            if crashes {
                unserved += share;
            } else {
                ratio += share * (1.0 - good);
            }
        }
        (ratio / (1.0 - unserved).max(f64::EPSILON), unserved)
    }

    /// Returns the share of requests that incidents make fail, and the worst of those that stop the traffic.
    fn incident_ratio(&mut self, at: i64) -> (f64, Option<Cause>) {
        let (open, next) = &mut self.open;
        while self
            .incidents
            .get(*next)
            .is_some_and(|incident| incident.begins <= at)
        {
            open.push(*next);
            *next += 1;
        }
        open.retain(|index| self.incidents[*index].ends > at);
        let (mut good, mut silence) = (1.0, None);
        for index in open.iter() {
            let incident = &self.incidents[*index];
            if incident.cause.is_silent() {
                silence = silence.max(Some(incident.cause));
            }
            let ratio = incident.ratio_at(at);
            if ratio > 0.0 {
                good *= 1.0 - (ratio * self.random.between(0.6, 1.4)).min(1.0);
            }
        }
        (1.0 - good, silence)
    }

    fn count(&mut self, at: i64) {
        let middle = at + SLOT / 2;
        let (released, unserved) = self.released_ratio(middle);
        let (incident, silence) = self.incident_ratio(middle);
        let ready = match silence {
            Some(Cause::PodsGone) => 0.0,
            Some(_) | None => 1.0 - unserved,
        };
        let traffic = TRAFFIC[self.subject.traffic()] / 10.0;
        let total = if silence.is_some() {
            0.0
        } else {
            self.random.poisson(traffic * season(middle) * ready)
        };
        let worse = self.worse.filter(|(since, _)| *since <= middle);
        let worse = worse.map_or(0.0, |(_, ratio)| ratio);
        let ratio = 1.0 - (1.0 - released) * (1.0 - incident) * (1.0 - worse);
        let failed = self.random.binomial(total, ratio);
        let bad = (failed + self.background(total)).min(total);
        self.counts.push(bad, total, ready);
        let is_calm = ratio < 0.005 && ready > 0.5;
        self.calm = if is_calm { self.calm + 1 } else { 0 };
        self.is_silent = silence.is_some();
        self.verify(at + SLOT);
    }

    /// Returns the errors among so many requests of a healthy service. A burst is over within a minute, so a service
    /// with few requests sees few of its errors.
    fn background(&mut self, total: f64) -> f64 {
        let ratio = HEALTHY[self.subject.healthy()];
        let mean = 1.0 + IN_BURSTS * (1.0 + BURST_BEYOND);
        let (until, rest) = &mut self.background;
        let mut bad = std::mem::take(rest);
        *until -= total;
        while ratio > 0.0 && *until < 0.0 {
            let burst = if self.random.chance(IN_BURSTS) {
                2.0 + (self.random.gap() * BURST_BEYOND).round()
            } else {
                1.0
            };
            let later = (burst / 2.0).floor();
            bad += burst - later;
            *rest += later;
            *until += self.random.gap() * mean / ratio;
        }
        bad.min(total)
    }

    /// Proves the newest rollback, as far as the world shows it.
    fn verify(&mut self, now: i64) {
        let Some(newest) = self.history.last_mut() else {
            return;
        };
        if newest.phase != Phase::Verifying {
            return;
        }
        let since = moment(now) - newest.begun_at;
        let is_worse = |(since, _): (i64, f64)| now - since >= WORSE_IS_SEEN_AFTER;
        if self.worse.is_some_and(is_worse) {
            newest.phase = Phase::Ineffective;
            newest.made_it_worse = true;
        } else if since >= TimeDelta::minutes(5) && self.calm >= 5 {
            newest.phase = Phase::Recovered;
        } else if since > TimeDelta::minutes(17) {
            newest.phase = Phase::Ineffective;
        }
    }

    fn pass(&mut self, now: i64) {
        self.tally.passes += 1;
        let is_on = |mixture: &&Mixture| (mixture.begins..mixture.ends).contains(&now);
        let foreign = self.mixtures.iter().find(is_on).map(|mixture| mixture.what);
        let is_spared =
            now / EVERY % DECIDED_ANYWAY != 0 && foreign.is_none() && !self.is_failing(now);
        if is_spared && !self.is_silent && self.counts.is_calm(now, CALM) {
            return;
        }
        let (objective, settings) = (&self.objective, &self.settings);
        let mut measurement = self.counts.measurement(now, objective);
        if let Some(what) = foreign {
            self.tally.foreign(what);
            self.counts.mix_in(&mut measurement, now, what.as_str());
        }
        let slice = std::time::Duration::from_secs(60);
        let mut assessment = assess_slices(&measurement, objective, slice);
        if assessment.fall.is_some() {
            let pods = self.counts.pods();
            assessment = assess_knowing_pods(&measurement, objective, slice, Some(&pods));
        }
        let branch = if needs_branch(&assessment, settings) {
            BranchReading::Known(self.branch.timeline())
        } else {
            BranchReading::NotAsked
        };
        let history = History::new(self.history.clone());
        let nothing = Evidence::default();
        let inputs = Inputs {
            fleet: None,
            now: moment(now),
            objective,
            assessment: &assessment,
            branch: &branch,
            evidence: &nothing,
            history: &history,
            settings,
        };
        let mut evidence = Evidence::default();
        for _ in 0..MAX_ROUNDS {
            let asked = questions(&Inputs {
                evidence: &evidence,
                ..inputs
            });
            if asked.is_empty() {
                break;
            }
            for question in asked {
                evidence.add(self.counts.answer(question, now));
            }
        }
        let wanted = wants_doings(&Inputs {
            evidence: &evidence,
            ..inputs
        });
        if let Some((suspect, target)) = wanted {
            evidence.know(self.branch.doings(suspect, target));
        }
        let decision = decide(&Inputs {
            evidence: &evidence,
            ..inputs
        });
        for index in self.branch.flaws().to_vec() {
            let deployed = &mut self.deployed[index];
            if deployed
                .began
                .is_some_and(|began| now >= began + SURE_AFTER)
            {
                *deployed
                    .reasons
                    .entry(decision.reason.as_str())
                    .or_default() += 1;
                if deployed.why.is_empty() {
                    deployed.why = format!("{}: {}", decision.reason.as_str(), decision.detail);
                }
            }
        }
        if let Action::RollBack(plan) = &decision.action {
            if let Some(what) = foreign {
                self.find(Finding::OnTheUnknown, now, what.as_str(), &decision);
            }
            if self.worse.is_some() {
                self.find(Finding::AfterAWorseOne, now, "", &decision);
            }
            self.roll_back(now, plan, &decision);
        }
    }

    /// Tells whether a flaw that is deployed has begun to fail, so that it is noted why nothing is done.
    fn is_failing(&self, now: i64) -> bool {
        let began = |flaw: &usize| self.deployed[*flaw].began.is_some_and(|began| began <= now);
        self.branch.flaws().iter().any(began)
    }

    fn roll_back(&mut self, now: i64, plan: &Plan, decision: &Decision) {
        let to = self.branch.find(&plan.to).expect("it was in the timeline");
        let suspect = decision
            .attribution
            .as_ref()
            .and_then(|attribution| self.branch.find(&attribution.suspect))
            .map_or(now, |index| self.branch.commits[index].at);
        self.tally.rollbacks += 1;
        if self.branch.newest().is_ours {
            self.find(Finding::OfARollback, now, "", decision);
        }
        if self
            .history
            .last()
            .is_some_and(|past| moment(now) - past.begun_at < self.settings.cooldown)
        {
            self.find(Finding::WithinCooldown, now, "", decision);
        }
        self.undoes_the_innocent(now, plan, decision);
        let restored = self.branch.commits[to].content;
        let replaced = self.branch.newest().content;
        let started = |flaw: &&usize| self.deployed[**flaw].starts <= now;
        let bad = self.branch.flaws_of(restored).to_vec();
        let causes = self.branch.flaws().iter().filter(started).count();
        if bad.is_empty() {
            if causes > 0 {
                self.tally.right += 1;
                self.name_the_guilty(now, decision);
            } else {
                self.innocent(now, suspect, decision);
            }
        } else {
            let ended = self.branch.commits[to + 1].at;
            let showed = |flaw: &usize| {
                let deployed = &self.deployed[*flaw];
                deployed.began.is_some_and(|began| {
                    shows_above_one_percent(self.counts.requests(began, ended), deployed.flaw.ratio)
                })
            };
            let finding = if bad.iter().any(showed) {
                Finding::ToABadRevision
            } else {
                Finding::ToALatentlyBadRevision
            };
            let what = format!(
                "{:?}",
                bad.iter().map(|it| &self.deployed[*it]).collect::<Vec<_>>()
            );
            self.find(finding, now, &what, decision);
        }
        let id = format!("r{}", self.history.len());
        self.branch.roll_back(now, &id, plan);
        self.history.push(PastRollback {
            id,
            from: plan.from.clone(),
            from_state: Some(plan.from_state.clone()),
            tip_state: Some(plan.tip_state.clone()),
            keeps: plan.keeps.clone(),
            to: plan.to.clone(),
            begun_at: moment(now),
            landed_at: None,
            attempted: true,
            phase: Phase::Verifying,
            is_approved: false,
            is_released: false,
            made_it_worse: false,
        });
        self.calm = 0;
        if self.random.chance(MADE_WORSE) {
            self.worse = Some((now + MINUTE, self.random.between(0.5, 1.0)));
            let repaired = now + self.random.seconds(30 * MINUTE, 180 * MINUTE);
            self.plan_deed(repaired, Deed::Repair);
            self.tally.made_worse += 1;
        }
        self.close_what_is_gone(now, Some(now));
        if causes > 0 && self.random.chance(0.1) {
            let later = now + self.random.seconds(20 * MINUTE, 120 * MINUTE);
            let over = self.branch.commits.len();
            self.plan_deed(
                later,
                Deed::CommitAgain {
                    content: replaced,
                    over,
                },
            );
        }
    }

    /// Checks that nothing of another team goes back that was deployed after what is blamed.
    fn undoes_the_innocent(&mut self, now: i64, plan: &Plan, decision: &Decision) {
        let suspect = self.branch.find(&plan.suspect).unwrap_or(0);
        let of_others = |revision: &str| {
            let index = self.branch.find(revision);
            index.is_some_and(|index| index > suspect && self.branch.is_of_others(index))
        };
        let undid = plan.undone.iter().any(|undone| of_others(&undone.revision));
        self.tally.kept += u64::from(plan.keeps.iter().any(|kept| of_others(kept)));
        if undid {
            self.find(Finding::UndidTheInnocent, now, "", decision);
        }
    }

    /// Checks that a right rollback names the deployment that brought what fails, where it failed before the newest
    /// one came.
    fn name_the_guilty(&mut self, now: i64, decision: &Decision) {
        let newest = self.branch.newest().at;
        let flaws = |index: usize| self.branch.flaws_of(self.branch.commits[index].content);
        let guilty = self.branch.flaws().iter().filter_map(|flaw| {
            let began = self.deployed[*flaw].began?;
            let brought = (1..self.branch.commits.len())
                .rev()
                .find(|index| flaws(*index).contains(flaw) && !flaws(index - 1).contains(flaw))?;
            // It may have been deployed before, and be back.
            let began = began.max(self.branch.commits[brought].at);
            let requests = self.counts.requests(began, newest);
            let showed = shows_above_one_percent(requests, self.deployed[*flaw].flaw.ratio);
            (began + GRACE < newest).then_some((brought, began, showed))
        });
        let guilty: Vec<(usize, i64, bool)> = guilty.collect();
        if guilty.is_empty() {
            return;
        }
        let named = decision
            .attribution
            .as_ref()
            .and_then(|attribution| self.branch.find(&attribution.suspect));
        // What began with the one that is named, or later, nobody can tell from its fault.
        let named_at = named.map_or(newest, |named| self.branch.commits[named].at);
        let showed = guilty.iter().any(|(_, began, showed)| {
            *showed && newest - *began >= SURE_AFTER && *began + TOLD_APART <= named_at
        });
        let is_named = guilty.iter().any(|(brought, ..)| Some(*brought) == named);
        // One that brought a flaw of its own, on top of another's, is not innocent either.
        let is_innocent = named.is_none_or(|named| {
            let before = named.checked_sub(1).map(flaws);
            let brings = |flaw| !before.is_some_and(|before| before.contains(flaw));
            !flaws(named).iter().any(brings)
        });
        self.tally.shared.0 += 1;
        self.tally.shared.1 += u64::from(is_named);
        if is_innocent && showed {
            self.find(Finding::NotTheGuilty, now, "", decision);
        }
    }

    /// Says what a rollback is worth that removes no flaw.
    fn innocent(&mut self, now: i64, suspect: i64, decision: &Decision) {
        let recent = self.incidents.iter().filter(|incident| {
            incident.cause != Cause::Silence
                && incident.begins <= now
                && incident.ends > now - REMEMBERED
        });
        // The newest deployment may itself be a cure, which looks as if it had not helped.
        let newest = self.branch.newest().at;
        let lag = |incident: &Incident| {
            let (from, to) = incident.beginning();
            // A beginning is seen to within some minutes, so the window ends some minutes later.
            let within = |at: &i64| {
                // What is gone counts nothing, and is missed at once.
                let is_missed = *at > to + BLUR || incident.cause == Cause::PodsGone;
                let is_shown = *at > to + GRACE
                    && (is_missed || self.counts.bad(from, *at - NOT_COUNTED) >= BEGUN_BY);
                *at >= from - WINDOW - BLUR && !is_shown
            };
            let blamed = [suspect, newest].into_iter().find(within)?;
            Some((from - blamed).clamp(-GRACE, WINDOW))
        };
        let after = |incident: &&Incident| lag(incident).is_some();
        let innocent = match recent
            .clone()
            .find(after)
            .or_else(|| recent.clone().next_back())
        {
            Some(incident) if after(&incident) => Innocent::Coincidence {
                cause: incident.cause,
                lag: lag(incident).unwrap_or_default(),
            },
            Some(incident) => Innocent::During(incident.cause),
            None => {
                let mended = self.branch.commits.windows(2).any(|pair| {
                    let flaws = self.branch.flaws_of(pair[0].content);
                    pair[1].at > now - REMEMBERED && !flaws.is_empty()
                });
                if mended {
                    Innocent::AfterTheCure
                } else {
                    Innocent::Noise
                }
            }
        };
        self.tally.innocent(innocent);
        if !matches!(innocent, Innocent::Coincidence { .. }) {
            self.tally
                .cell(self.subject.healthy(), self.subject.traffic())
                .false_rollbacks += 1;
            self.find(Finding::False, now, &format!("{innocent:?}"), decision);
        }
    }

    fn find(&mut self, finding: Finding, now: i64, what: &str, decision: &Decision) {
        let Subject { seed, number, .. } = self.subject;
        let mut text = format!(
            "seed {seed}, service {number} ({} requests per 5 min, {} % errors), pass at {} (day {}): {what}\n",
            TRAFFIC[self.subject.traffic()],
            HEALTHY[self.subject.healthy()] * 100.0,
            moment(now).format("%FT%TZ"),
            now / DAY,
        );
        for gate in &decision.gates {
            text += &format!(
                "    {}: {:?}: {}\n",
                gate.name.as_str(),
                gate.state,
                gate.detail
            );
        }
        let commits = self.branch.commits.iter().rev().take(5);
        for commit in commits {
            let flaws = self.branch.flaws_of(commit.content);
            text += &format!(
                "    deployed {} s before: flaws {flaws:?}\n",
                now - commit.at
            );
        }
        let recent = self.incidents.iter();
        for incident in recent.filter(|it| it.begins <= now && it.ends > now - 2 * HOUR) {
            text += &format!(
                "    {:?} {:.4} from {} s before to {} s before\n",
                incident.cause,
                incident.ratio,
                now - incident.begins,
                now - incident.ends
            );
        }
        self.tally.find(finding, text);
    }

    /// Closes every flaw that is deployed no more.
    fn close_what_is_gone(&mut self, at: i64, caught_at: Option<i64>) {
        let gone: Vec<usize> = (0..self.deployed.len())
            .rev()
            .take(16)
            .filter(|flaw| {
                self.deployed[*flaw].over.is_none() && !self.branch.flaws().contains(flaw)
            })
            .collect();
        for flaw in &gone {
            self.deployed[*flaw].over = Some(at);
        }
        for flaw in gone {
            self.close(flaw, at, caught_at);
        }
    }

    fn close(&mut self, index: usize, at: i64, caught_at: Option<i64>) {
        let deployed = &self.deployed[index];
        let Some(began) = deployed.began else {
            return;
        };
        let mut first = began + SURE_AFTER;
        while !self.is_pass(first - first % SLOT) {
            first += SLOT;
        }
        let first = first - first % SLOT;
        let caught = match caught_at {
            Some(caught_at) if caught_at <= first => Caught::First,
            Some(caught_at) if caught_at <= first + EVERY => Caught::Second,
            Some(_) => Caught::Later,
            None if at < first => return self.tally.gone_before_a_pass += 1,
            None => Caught::Never,
        };
        let reasons = deployed.reasons.iter();
        let why = reasons
            .max_by_key(|(_, count)| **count)
            .map_or("-", |(reason, _)| *reason);
        let traffic = self.counts.traffic(began - 600, at.min(began + 600));
        let failing = Failing {
            kind: deployed.flaw.kind,
            traffic,
            healthy: self.subject.healthy(),
            beside: self.beside(index, first),
            caught,
            why,
        };
        let is_strict = self.tally.failing(&failing);
        if is_strict && matches!(caught, Caught::Later | Caught::Never) {
            let Subject { seed, number, .. } = self.subject;
            let text = format!(
                "seed {seed}, service {number}, {} of {traffic:.0} requests in 5 min ({} % errors before), from {}: {caught:?}, {:?}, first {}\n",
                FLAWS[deployed.flaw.kind].0,
                HEALTHY[self.subject.healthy()] * 100.0,
                moment(began).format("%FT%TZ"),
                deployed.reasons,
                deployed.why,
            );
            self.tally.find(Finding::NotCaught, text);
        }
    }

    /// Says what else was wrong around a bad release, so that nothing or little is to be expected.
    fn beside(&self, index: usize, first: i64) -> Option<&'static str> {
        let deployed = &self.deployed[index];
        // An end takes a few minutes too.
        let (from, to) = (deployed.committed_at - HOUR - 5 * MINUTE, first + EVERY);
        // Also what was rolled back and committed again.
        let mut commits = self.branch.commits.iter().enumerate();
        let is_other_live = commits.any(|(place, commit)| {
            let ends = self
                .branch
                .commits
                .get(place + 1)
                .map_or(to, |next| next.at);
            let mut flaws = self.branch.flaws_of(commit.content).iter();
            commit.at <= to
                && ends > from
                && flaws.any(|flaw| *flaw != index && self.deployed[*flaw].starts <= to)
        });
        let rolled_back = |span: i64| {
            let since = moment(first + EVERY - span);
            let before = moment(deployed.committed_at);
            let past = self.history.iter();
            past.filter(|past| past.begun_at > since && past.begun_at <= before)
                .count()
        };
        let began = deployed.began.unwrap_or(deployed.starts);
        let is_later =
            |commit: &Commit| commit.at > deployed.committed_at && commit.at <= began + GRACE;
        // It may be the cure, so the program has to wait what becomes of it.
        let is_after = |commit: &Commit| {
            !commit.is_ours && commit.at > began + GRACE && commit.at < first + EVERY
        };
        if deployed.flaw.on_top {
            Some("on top of another bad release")
        } else if self.branch.commits.iter().any(is_later) {
            Some("began to fail after a later deployment")
        } else if self.branch.commits.iter().any(is_after) {
            Some("an innocent release before the second pass")
        } else if is_other_live {
            Some("another bad release within the hour")
        } else if self
            .incidents
            .iter()
            .any(|incident| incident.begins < to && incident.ends > from)
        {
            Some("an incident within the hour")
        } else if rolled_back(WINDOW) > 0 || rolled_back(DAY) > 2 {
            Some("limits: rolled back shortly before")
        } else {
            None
        }
    }

    fn finish(mut self) -> Tally {
        for incident in self
            .incidents
            .iter()
            .filter(|it| it.cause != Cause::Silence)
        {
            let commits = self.branch.commits.iter().rev();
            let newest = commits
                .filter(|commit| !commit.is_ours)
                .find(|commit| commit.at <= incident.begins + GRACE);
            let lag = newest.map(|commit| incident.begins - commit.at);
            self.tally
                .incident(incident.cause, lag.filter(|lag| is_after(*lag)));
        }
        let silences = self
            .incidents
            .iter()
            .filter(|it| it.cause == Cause::Silence);
        for incident in silences {
            self.tally.incident(incident.cause, None);
        }
        self.tally.days += self.subject.days;
        self.tally
            .cell(self.subject.healthy(), self.subject.traffic())
            .days += self.subject.days;
        self.tally
    }
}

/// Tells whether errors that begin so long after a deployment look as if it made them.
fn is_after(lag: i64) -> bool {
    (-GRACE..=WINDOW).contains(&lag)
}
