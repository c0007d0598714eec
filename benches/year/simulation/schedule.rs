//! What happens to a service in the course of time, whatever anybody decides.

use std::sync::LazyLock;

use super::branch::Others;
use super::counts::SLOT;
use super::random::Random;

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 86_400;

/// Error ratio above which everything burns: the largest of the burn factors, 14.4, times the budget.
const BURNS_SURELY_ABOVE: f64 = 0.0144;

/// What makes requests fail although no deployment is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A dependency fails, at any time.
    Dependency,
    /// Half a minute to two minutes of errors.
    Burst,
    /// A dependency fails between 1 and 5 in the morning, when few requests come.
    Night,
    /// Errors grow for hours.
    Growth,
    /// The traffic stops, and the pods stay ready.
    Silence,
    /// The pods are gone, and nobody counts: nodes that died.
    PodsGone,
}

impl Cause {
    pub(crate) const ALL: [Self; 6] = [
        Self::Dependency,
        Self::Burst,
        Self::Night,
        Self::Growth,
        Self::Silence,
        Self::PodsGone,
    ];

    /// Tells whether nothing is counted meanwhile.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Self::Silence | Self::PodsGone)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dependency => "dependency fails, 2-60 min",
            Self::Burst => "burst, 30-120 s",
            Self::Night => "dependency fails at night",
            Self::Growth => "errors grow over hours",
            Self::Silence => "traffic stops",
            Self::PodsGone => "no pods, for another reason",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Incident {
    pub cause: Cause,
    pub begins: i64,
    pub ends: i64,
    /// Share of requests that fail, at the worst.
    pub ratio: f64,
}

impl Incident {
    pub(super) fn is_on(&self, at: i64) -> bool {
        (self.begins..self.ends).contains(&at)
    }

    /// Returns the times between which it begins to burn: it grows, or is there at once.
    pub(super) fn beginning(&self) -> (i64, i64) {
        let growing = match self.cause {
            Cause::Dependency | Cause::Burst | Cause::Night | Cause::Silence | Cause::PodsGone => {
                0.0
            }
            Cause::Growth => {
                (self.ends - self.begins) as f64 * (BURNS_SURELY_ABOVE / self.ratio).min(1.0)
            }
        };
        (self.begins, self.begins + growing as i64)
    }

    /// Returns the share of requests that fails at a time.
    pub(super) fn ratio_at(&self, at: i64) -> f64 {
        if !self.is_on(at) {
            return 0.0;
        }
        match self.cause {
            Cause::Dependency | Cause::Burst | Cause::Night => self.ratio,
            Cause::Growth => {
                let lasting = (self.ends - self.begins) as f64;
                self.ratio * (at - self.begins) as f64 / lasting
            }
            Cause::Silence | Cause::PodsGone => 0.0,
        }
    }
}

/// Why an observation is unknown for a while: what was counted is not the service's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Foreign {
    /// The series of a second world, a failing staging, stand beside the service's own, apart by a label that names a
    /// place.
    SecondWorld,
    /// Pods warm up after a good release and answer probes with 503, which nobody can tell from requests.
    Probes,
}

impl Foreign {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SecondWorld => "a second world's events are mixed in",
            Self::Probes => "probes answer 503 while pods warm up",
        }
    }
}

/// A time in which the observation is unknown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mixture {
    pub what: Foreign,
    pub begins: i64,
    pub ends: i64,
}

/// How often a year a second world is mixed in.
const SECOND_WORLDS: f64 = 4.0;

/// Share of good releases after which pods warm up for some minutes.
const WARM_UPS: f64 = 0.1;

/// Returns the times between two moments in which an observation is unknown.
pub(super) fn mixtures(
    random: &mut Random,
    from: i64,
    to: i64,
    releases: &[(i64, Release)],
) -> Vec<Mixture> {
    let years = (to - from) as f64 / (365 * DAY) as f64;
    let mut list = Vec::new();
    for _ in 0..random.poisson(SECOND_WORLDS * years) as usize {
        let begins = random.seconds(from, to);
        list.push(Mixture {
            what: Foreign::SecondWorld,
            begins,
            ends: begins + random.seconds(10 * MINUTE, 180 * MINUTE),
        });
    }
    for (at, release) in releases {
        if matches!(release, Release::Good | Release::OfOthers(_)) && random.chance(WARM_UPS) {
            list.push(Mixture {
                what: Foreign::Probes,
                begins: *at,
                ends: at + random.seconds(5 * MINUTE, 20 * MINUTE),
            });
        }
    }
    list
}

/// What somebody deploys.
#[derive(Debug, Clone, Copy)]
pub(super) enum Release {
    Good,
    Bad(Flaw),
    /// Another team's, in the same paths.
    OfOthers(Others),
}

/// What is wrong with a bad release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flaw {
    /// Its place in [`FLAWS`].
    pub kind: usize,
    /// Share of requests that fail.
    pub ratio: f64,
    /// How long after the deployment they begin to (s).
    pub delay: i64,
    /// Whether it is the second bad release in a row.
    pub on_top: bool,
}

impl Flaw {
    /// Tells whether no pod becomes ready, so that nobody is there to count what fails.
    pub(super) fn crashes(&self) -> bool {
        self.kind == CRASHES
    }
}

/// How much a bad release fails: a name, and the range of the ratio.
pub(crate) const FLAWS: [(&str, f64, f64); 9] = [
    ("0.8-1.5 %", 0.008, 0.015),
    ("1.5 %", 0.015, 0.015),
    ("2 %", 0.02, 0.02),
    ("5 %", 0.05, 0.05),
    ("10 %", 0.1, 0.1),
    ("20 %", 0.2, 0.2),
    ("50 %", 0.5, 0.5),
    ("100 %", 1.0, 1.0),
    ("crash loop", 1.0, 1.0),
];

/// The place in [`FLAWS`] of releases whose pods crash.
const CRASHES: usize = FLAWS.len() - 1;

/// How eventful a year is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub good: f64,
    pub bad: f64,
    pub incidents: f64,
}

/// Share of bad releases after which another team changes the same path, innocently and within minutes.
const SHARED: f64 = 0.1;

/// Share of the good releases that are another team's, at any time.
const OF_OTHERS: f64 = 0.2;

/// Share of another team's changes that are in the service's own file.
const IN_THE_SAME_FILE: f64 = 0.3;

/// Returns the deployments between two times, in order.
pub(super) fn releases(
    random: &mut Random,
    from: i64,
    to: i64,
    rates: Rates,
) -> Vec<(i64, Release)> {
    let mut list = Vec::new();
    let years = (to - from) as f64 / (365 * DAY) as f64;
    for _ in 0..random.poisson(rates.good * years) as usize {
        let at = in_working_hours(random, from, to);
        let release = if random.chance(OF_OTHERS) {
            of_others(random)
        } else {
            Release::Good
        };
        list.push((at, release));
    }
    for _ in 0..random.poisson(rates.bad * years) as usize {
        let at = in_working_hours(random, from, to);
        let delay = if random.chance(0.2) {
            random.seconds(MINUTE, 30 * MINUTE)
        } else {
            0
        };
        list.push((at, Release::Bad(flaw(random, delay, false))));
        if random.chance(SHARED) {
            let later = at + random.seconds(2 * MINUTE, 20 * MINUTE);
            list.push((later, of_others(random)));
        }
        if random.chance(0.15) {
            let later = at + random.seconds(10 * MINUTE, 30 * MINUTE);
            list.push((later, Release::Bad(flaw(random, 0, true))));
        }
    }
    list.retain(|(at, _)| *at < to);
    list.sort_by_key(|(at, _)| *at);
    list
}

fn of_others(random: &mut Random) -> Release {
    Release::OfOthers(if random.chance(IN_THE_SAME_FILE) {
        Others::SameFile
    } else {
        Others::OwnFile
    })
}

fn flaw(random: &mut Random, delay: i64, on_top: bool) -> Flaw {
    let kinds: [usize; FLAWS.len()] = std::array::from_fn(|kind| kind);
    let kind = random.one_of(&kinds);
    let (_, low, high) = FLAWS[kind];
    Flaw {
        kind,
        ratio: random.between(low, high),
        delay,
        on_top,
    }
}

/// Most deployments happen by day and on weekdays.
fn in_working_hours(random: &mut Random, from: i64, to: i64) -> i64 {
    loop {
        let at = random.seconds(from, to);
        let hour = at % DAY / HOUR;
        let is_usual = (8..18).contains(&hour) && !is_weekend(at);
        if is_usual || random.chance(0.05) {
            return at;
        }
    }
}

/// Returns the incidents between two times, in order.
pub(super) fn incidents(random: &mut Random, from: i64, to: i64, rates: Rates) -> Vec<Incident> {
    let years = (to - from) as f64 / (365 * DAY) as f64;
    let mut list = Vec::new();
    for (cause, share) in [
        (Cause::Dependency, 0.5),
        (Cause::Burst, 0.2),
        (Cause::Night, 0.1),
        (Cause::Growth, 0.1),
        (Cause::Silence, 0.1),
        (Cause::PodsGone, 0.05),
    ] {
        for _ in 0..random.poisson(rates.incidents * share * years) as usize {
            let begins = random.seconds(from, to);
            let begins = if cause == Cause::Night {
                begins - begins % DAY + random.seconds(HOUR, 5 * HOUR)
            } else {
                begins
            };
            let lasting = match cause {
                Cause::Dependency | Cause::Night => random.seconds(2 * MINUTE, 60 * MINUTE),
                Cause::Burst => random.seconds(30, 120),
                Cause::Growth => random.seconds(2 * HOUR, 8 * HOUR),
                Cause::Silence | Cause::PodsGone => random.seconds(5 * MINUTE, 120 * MINUTE),
            };
            // From 1 % to everything, as often little as much.
            let ratio = 0.01_f64.powf(random.between(0.0, 1.0));
            list.push(Incident {
                cause,
                begins,
                ends: begins + lasting,
                ratio: if cause == Cause::Growth {
                    ratio.min(0.3)
                } else {
                    ratio
                },
            });
        }
    }
    list.retain(|incident| incident.begins < to);
    list.sort_by_key(|incident| incident.begins);
    list
}

/// Returns the traffic in the slot around a time, as a multiple of the mean of a weekday: a quarter at night, little
/// on week-ends.
pub(super) fn season(at: i64) -> f64 {
    // One cosine for every slot of a day, and not for every slot of a year.
    static DAY_LONG: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let phases = (0..DAY / SLOT).map(|slot| (slot * SLOT + SLOT / 2) as f64 / DAY as f64);
        // The most at 15 o'clock.
        let busy = |phase: f64| 1.0 + 0.75 * (std::f64::consts::TAU * (phase - 0.625)).cos();
        phases.map(busy).collect()
    });
    let day = DAY_LONG[(at % DAY / SLOT) as usize];
    if is_weekend(at) { 0.6 * day } else { day }
}

fn is_weekend(at: i64) -> bool {
    at / DAY % 7 >= 5
}
