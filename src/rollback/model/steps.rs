//! What may happen to a service, and sequences of it drawn from a seed.

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Deploy(Deployment),
    /// It begins or stops to fail whatever is deployed.
    Outage(bool),
    /// Minutes pass, in truth and on the clock.
    Wait(i64),
    /// The clock jumps by minutes; no time passes.
    Jump(i64),
    Run(Fault),
    /// A person's rollback.
    Manual(Fault),
    Approve,
    Reject,
    /// Of the rollback that is so many places before the newest.
    Release(usize),
    Merge,
    Close,
    Lose(Loss),
    Enabled(bool),
    RequireApproval(bool),
    PullRequests(bool),
    Limits {
        cooldown: i64,
        hour: u32,
        day: u32,
        /// `MAX_REVISIONS_BACK`.
        back: u32,
        /// `REQUIRE_ATTRIBUTION`: without it two bad releases within an hour can both be blamed.
        attribution: bool,
    },
    Blackout(Blackout),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deployment {
    Good,
    Bad,
    /// The content of the commit that is so many places before the tip.
    Again(usize),
    /// The content that our newest rollback took away: an image bot undoes it.
    TakenBack,
}

/// What goes wrong in a run, where it comes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It dies before the intent is written.
    BeforeIntent,
    /// It dies when the intent is written, and nothing is prepared.
    AfterIntent,
    /// It dies when it is written that it is about to be sent.
    BeforeEffect,
    /// It dies when it is there, and that is not written.
    AfterEffect,
    /// It dies when that is written.
    AfterRecord,
    /// The server refuses it.
    Refused,
    /// Somebody deploys just before it is sent.
    MovedOn,
    /// The server does not answer.
    Unreachable,
}

/// What becomes of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The volume is gone.
    All,
    /// The file is gone, the generation before it is there.
    File,
    /// The file is damaged.
    Damaged,
    /// Both are.
    BothDamaged,
    /// A person puts back the generation of so many writes ago.
    Older(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blackout {
    None,
    /// From 22:00 to 06:00 UTC.
    Nights,
    Always,
}

/// A generator of numbers (SplitMix64): the same ones for the same seed, for ever and everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        let place = self.roll(among.len() as u64);
        among[usize::try_from(place).expect("a place in a slice")]
    }

    fn between(&mut self, least: i64, most: i64) -> i64 {
        let sides = u64::try_from(most - least + 1).expect("in order");
        least + i64::try_from(self.roll(sides)).expect("fits")
    }

    fn few(&mut self, sides: u64) -> usize {
        usize::try_from(self.roll(sides)).expect("fits")
    }
}

const FAULTS: [Fault; 9] = [
    Fault::None,
    Fault::BeforeIntent,
    Fault::AfterIntent,
    Fault::BeforeEffect,
    Fault::AfterEffect,
    Fault::AfterRecord,
    Fault::Refused,
    Fault::MovedOn,
    Fault::Unreachable,
];

/// Draws the sequence of a seed.
pub(crate) fn sequence(seed: u64) -> Vec<Step> {
    let mut dice = Dice(seed);
    let mut steps = Vec::new();
    for _ in 0..dice.between(0, 3) {
        setting(&mut dice, &mut steps);
    }
    // Many rollbacks in a short time need revisions to go back to.
    if dice.roll(3) == 0 {
        steps.push(Step::Limits {
            cooldown: 0,
            hour: dice.pick(&[1, 2]),
            day: dice.pick(&[3, 5]),
            back: 6,
            attribution: false,
        });
    }
    let scenes = dice.between(4, 9);
    for _ in 0..scenes {
        match dice.roll(10) {
            0..=4 => incident(&mut dice, &mut steps),
            5 | 6 => setting(&mut dice, &mut steps),
            7 => steps.push(jump(&mut dice)),
            8 => steps.push(loss(&mut dice)),
            _ => anything(&mut dice, &mut steps),
        }
        runs(&mut dice, &mut steps);
    }
    steps
}

/// A deployment, and what is likely to follow where it is bad.
fn incident(dice: &mut Dice, steps: &mut Vec<Step>) {
    // Where nothing may be done nothing can go wrong, so that does not last.
    if dice.roll(3) == 0 {
        steps.extend([Step::Enabled(true), Step::Blackout(Blackout::None)]);
    }
    let deployment = match dice.roll(10) {
        0 => Deployment::Good,
        1 => Deployment::Again(dice.few(4)),
        2 => Deployment::TakenBack,
        _ => Deployment::Bad,
    };
    steps.push(Step::Deploy(deployment));
    steps.push(Step::Wait(dice.between(8, 40)));
    if dice.roll(8) == 0 {
        steps.push(Step::Outage(true));
    }
    let fault = fault(dice);
    steps.push(Step::Run(fault));
    if dice.roll(3) > 0 {
        let words = [
            Step::Approve,
            Step::Approve,
            Step::Approve,
            Step::Reject,
            Step::Merge,
            Step::Merge,
            Step::Merge,
            Step::Close,
        ];
        steps.push(dice.pick(&words));
    }
    runs(dice, steps);
    if dice.roll(3) == 0 {
        steps.push(Step::Outage(false));
    }
    steps.push(Step::Wait(dice.pick(&[2, 5, 12, 30, 45, 70, 100, 300])));
}

fn fault(dice: &mut Dice) -> Fault {
    if dice.roll(2) == 0 {
        return Fault::None;
    }
    dice.pick(&FAULTS)
}

fn runs(dice: &mut Dice, steps: &mut Vec<Step>) {
    for _ in 0..dice.roll(4) {
        steps.push(Step::Wait(dice.between(1, 12)));
        if dice.roll(6) == 0 {
            anything(dice, steps);
        }
        let fault = fault(dice);
        steps.push(Step::Run(fault));
    }
}

fn anything(dice: &mut Dice, steps: &mut Vec<Step>) {
    let step = match dice.roll(12) {
        0 => Step::Deploy(Deployment::Good),
        1 => Step::Deploy(Deployment::TakenBack),
        2 => Step::Outage(dice.roll(3) == 0),
        3 => Step::Wait(dice.pick(&[1, 15, 60, 400, 1500])),
        4 => Step::Manual(fault(dice)),
        5 => Step::Approve,
        6 => Step::Reject,
        7 | 8 => Step::Release(dice.few(3)),
        9 => Step::Merge,
        10 => Step::Close,
        _ => jump(dice),
    };
    steps.push(step);
}

fn jump(dice: &mut Dice) -> Step {
    let far = dice.pick(&[3, 20, 90, 700, 1500, 6000]);
    let minutes = dice.between(1, far);
    Step::Jump(if dice.roll(2) == 0 { minutes } else { -minutes })
}

fn loss(dice: &mut Dice) -> Step {
    Step::Lose(match dice.roll(5) {
        0 => Loss::All,
        1 => Loss::File,
        2 => Loss::Damaged,
        3 => Loss::BothDamaged,
        _ => Loss::Older(dice.few(6)),
    })
}

fn setting(dice: &mut Dice, steps: &mut Vec<Step>) {
    steps.push(match dice.roll(9) {
        0 => Step::Enabled(false),
        1 => Step::Enabled(true),
        2 => Step::RequireApproval(true),
        3 => Step::RequireApproval(false),
        4 => Step::PullRequests(dice.roll(2) == 0),
        5 | 8 => Step::Limits {
            cooldown: dice.pick(&[0, 0, 10, 60]),
            hour: dice.pick(&[1, 2, 3]),
            day: dice.pick(&[1, 2, 3, 5]),
            back: dice.pick(&[2, 3, 6]),
            attribution: dice.roll(3) > 0,
        },
        6 => Step::Blackout(dice.pick(&[Blackout::Nights, Blackout::Always])),
        _ => Step::Blackout(Blackout::None),
    });
}
