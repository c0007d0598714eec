//! The reference model: what truly happened, and what is promised of it. It never looks at the program's memory.

use chrono::{DateTime, TimeDelta, Timelike, Utc};

use super::steps::Blackout;
use super::world::{Content, World};
use crate::journal::{Phase, ServiceState};

/// A promise that was broken, in words.
pub(crate) type Broken = String;

/// What the operator allows now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) enabled: bool,
    pub(crate) require_approval: bool,
    pub(crate) by_pull_request: bool,
    pub(crate) cooldown: TimeDelta,
    pub(crate) per_hour: usize,
    pub(crate) per_day: usize,
    pub(crate) blackout: Blackout,
    pub(crate) revisions_back: u32,
    pub(crate) require_attribution: bool,
    pub(crate) verify_deadline: TimeDelta,
    pub(crate) approval_timeout: TimeDelta,
}

/// A rollback that the program wants.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) id: String,
    pub(crate) is_manual: bool,
    pub(crate) from: Content,
    pub(crate) to: Content,
}

/// A rollback that was begun, as it truly went.
struct Effect {
    act: Act,
    time: DateTime<Utc>,
    clock: DateTime<Utc>,
    ahead: TimeDelta,
    /// How often the memory had been lost.
    memory: u32,
    /// How many commits were on the branch.
    commits: usize,
    /// Whether it was about to be pushed: counted as long as that is remembered.
    is_sent: bool,
    landed: Option<DateTime<Utc>>,
    ended: Option<Phase>,
    is_released: bool,
    /// Whether another was begun since, so that its breaker was closed.
    is_past: bool,
}

/// Somebody who was asked.
struct Question {
    act: Act,
    clock: DateTime<Utc>,
    is_agreed: bool,
}

#[derive(Default)]
pub(crate) struct Promises {
    effects: Vec<Effect>,
    questions: Vec<Question>,
    /// The content that a person does not want to be rolled back, under which id.
    rejected: Vec<(String, Content)>,
    /// How often the memory was lost, at least in part.
    losses: u32,
}

fn promise(is_kept: bool, otherwise: impl FnOnce() -> String) -> Result<(), Broken> {
    if is_kept { Ok(()) } else { Err(otherwise()) }
}

impl Blackout {
    fn covers(self, clock: DateTime<Utc>) -> bool {
        match self {
            Self::None => false,
            Self::Nights => clock.hour() >= 22 || clock.hour() < 6,
            Self::Always => true,
        }
    }
}

impl Promises {
    pub(crate) fn asks(&mut self, act: Act, world: &World) {
        self.questions.push(Question {
            act,
            clock: world.clock(),
            is_agreed: false,
        });
    }

    pub(crate) fn agrees(&mut self, id: &str, world: &World, rules: &Rules) -> Result<(), Broken> {
        let asked = self.questions.iter_mut().find(|it| it.act.id == id);
        let Some(asked) = asked else {
            return Err(format!("a person agreed to {id}, and nobody was asked"));
        };
        asked.is_agreed = true;
        promise(world.clock() - asked.clock < rules.approval_timeout, || {
            format!("a person agreed to {id} too late")
        })
    }

    pub(crate) fn rejects(&mut self, id: &str, content: Content) {
        // The no to a pull request that is not remembered never arrives.
        let is_forgotten = |it: &Effect| it.act.id == id && it.memory != self.losses;
        if !self.effects.iter().any(is_forgotten) {
            self.rejected.push((id.to_owned(), content));
        }
    }

    pub(crate) fn releases(&mut self, id: &str) {
        self.rejected.retain(|(rejected, _)| rejected != id);
        for effect in self.effects.iter_mut().filter(|it| it.act.id == id) {
            effect.is_released = true;
        }
    }

    /// What only the memory knew is not known any more.
    pub(crate) fn forgets(&mut self) {
        self.losses += 1;
        self.rejected.clear();
    }

    /// The program begins a rollback.
    pub(crate) fn begins(&mut self, act: &Act, world: &World, rules: &Rules) -> Result<(), Broken> {
        let id = &act.id;
        // What the memory lost before anything came of it may be begun anew, in the same second under the same id.
        self.effects
            .retain(|it| it.act.id != *id || it.memory == self.losses || it.landed.is_some());
        promise(self.effects.iter().all(|it| it.act.id != *id), || {
            format!("{id} is begun twice")
        })?;
        self.keeps_the_limits(act, world, rules)?;
        self.waits_for_proof(act, world, rules)?;
        self.keeps_the_breaker(act, world)?;
        if !act.is_manual {
            promise(world.tip().mark.is_none(), || {
                format!("{id} rolls back a rollback")
            })?;
            let taken = self.standing().find(|it| it.act.from == act.from);
            promise(taken.is_none(), || {
                format!("{id} takes away again what came back")
            })?;
        }
        let taken = self.standing().find(|it| it.act.from == act.to);
        promise(taken.is_none(), || {
            format!("{id} brings back what was taken away")
        })?;
        for effect in &mut self.effects {
            effect.is_past = true;
        }
        self.effects.push(Effect {
            act: act.clone(),
            time: world.time,
            clock: world.clock(),
            ahead: world.ahead,
            memory: self.losses,
            commits: world.commits.len(),
            is_sent: false,
            landed: None,
            ended: None,
            is_released: false,
            is_past: false,
        });
        Ok(())
    }

    /// Rollbacks that are on the branch, and that nobody released.
    fn standing(&self) -> impl Iterator<Item = &Effect> {
        self.effects
            .iter()
            .filter(|it| it.landed.is_some() && !it.is_released)
    }

    fn keeps_the_limits(&self, act: &Act, world: &World, rules: &Rules) -> Result<(), Broken> {
        let counted = |span: TimeDelta| {
            let is_recent = |it: &&Effect| {
                let by_the_clock = (world.clock() - it.clock).max(TimeDelta::zero()) < span;
                let truly = world.ahead <= it.ahead && world.time - it.time < span;
                by_the_clock || truly
            };
            let counts =
                |it: &&Effect| it.landed.is_some() || (it.is_sent && it.memory == self.losses);
            self.effects.iter().filter(counts).filter(is_recent).count()
        };
        let limits = [
            ("the cooldown", rules.cooldown, 1),
            ("the hour", TimeDelta::hours(1), rules.per_hour),
            ("the day", TimeDelta::hours(24), rules.per_day),
        ];
        for (name, span, limit) in limits {
            promise(counted(span) < limit, || {
                format!("{} breaks the limit of {name}", act.id)
            })?;
        }
        Ok(())
    }

    fn waits_for_proof(&self, act: &Act, world: &World, rules: &Rules) -> Result<(), Broken> {
        let unproven = self
            .effects
            .iter()
            .filter(|it| it.ended.is_none() && !it.is_released)
            .find(|it| {
                let is_known = it.memory == self.losses;
                let is_young = |landed| world.clock() - landed < rules.verify_deadline;
                is_known || it.landed.is_some_and(is_young)
            });
        promise(unproven.is_none(), || {
            format!("{} is begun while another is not verified", act.id)
        })
    }

    fn keeps_the_breaker(&self, act: &Act, world: &World) -> Result<(), Broken> {
        let open = self.effects.iter().find(|it| {
            let broke = matches!(it.ended, Some(Phase::Failed | Phase::Ineffective));
            let is_known = it.memory == self.losses && !it.is_past && !it.is_released;
            let is_young = world.clock() - it.clock < TimeDelta::hours(24);
            let mut since = world.commits[it.commits..].iter();
            let deployed =
                since.any(|commit| commit.mark.is_none() && commit.content != it.act.from);
            broke && is_known && is_young && !deployed
        });
        promise(open.is_none(), || {
            format!("{} is begun while the breaker is open", act.id)
        })
    }

    /// The program is about to push a commit, or to open a pull request.
    pub(crate) fn sends(
        &mut self,
        act: &Act,
        is_proposal: bool,
        world: &World,
        rules: &Rules,
    ) -> Result<(), Broken> {
        let id = &act.id;
        promise(world.landed(id).is_none(), || {
            format!("{id} is sent although it landed")
        })?;
        promise(!rules.blackout.covers(world.clock()), || {
            format!("{id} is sent in a blackout")
        })?;
        if !act.is_manual {
            promise(rules.enabled, || {
                format!("{id} is sent while rollbacks are switched off")
            })?;
            promise(
                self.rejected
                    .iter()
                    .all(|(_, content)| *content != act.from),
                || format!("{id} is sent after a person said no"),
            )?;
            let agreed = self.questions.iter().any(|it| {
                let is_same = it.act.id == *id && it.act.from == act.from && it.act.to == act.to;
                is_same && it.is_agreed
            });
            let is_free = is_proposal || rules.by_pull_request || !rules.require_approval;
            promise(is_free || agreed, || {
                format!("{id} is sent, and nobody agreed")
            })?;
        }
        let Some(place) = self.effects.iter().position(|it| it.act.id == *id) else {
            return Err(format!("{id} is sent, and was never begun"));
        };
        let since = self.effects[place + 1..].iter();
        promise(
            !since
                .clone()
                .any(|it| it.landed.is_some() && !it.is_released),
            || format!("{id} is sent on evidence from before another rollback"),
        )?;
        self.effects[place].is_sent |= !is_proposal;
        Ok(())
    }

    /// A commit of ours is on the branch.
    pub(crate) fn lands(&mut self, act: &Act, world: &World) -> Result<(), Broken> {
        let is_pair = |it: &&Effect| it.act.from == act.from && it.act.to == act.to;
        let pair = self.standing().filter(is_pair).find(|it| !it.act.is_manual);
        promise(act.is_manual || pair.is_none(), || {
            format!("{} lands, and the same pair did before", act.id)
        })?;
        let effect = self.effects.iter_mut().find(|it| it.act.id == act.id);
        let Some(effect) = effect else {
            return Err(format!("{} lands, and was never begun", act.id));
        };
        promise(effect.landed.is_none(), || {
            format!("{} lands twice", act.id)
        })?;
        effect.landed = Some(world.clock());
        Ok(())
    }

    /// The program says how it ended.
    pub(crate) fn ends(&mut self, id: &str, phase: Phase) {
        for effect in self.effects.iter_mut().filter(|it| it.act.id == id) {
            effect.ended = Some(phase);
        }
    }

    /// Nothing is lost: whatever was begun has ended, or was forgotten with the memory and is on the branch.
    pub(crate) fn nothing_is_lost(&self, state: &ServiceState) -> Result<(), Broken> {
        for effect in &self.effects {
            let id = &effect.act.id;
            let known = state.rollbacks.iter().find(|it| it.id == *id);
            let is_whole = effect.memory == self.losses;
            match known.map(|it| it.phase) {
                None => promise(!is_whole, || format!("{id} is forgotten"))?,
                Some(phase) if phase.is_in_flight() => {
                    return Err(format!("{id} is never finished: {phase:?}"));
                }
                Some(Phase::Recovered | Phase::Ineffective | Phase::Failed) => {}
                Some(phase) => promise(effect.landed.is_none() || !is_whole, || {
                    format!("{id} is on the branch, and is said to be {phase:?}")
                })?,
            }
        }
        Ok(())
    }
}
