//! The traps, each with one sentence that says what really happens, and what to write instead.

use serde::Serialize;

/// Which list of a runbook a step is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum StepList {
    /// What a rollback does.
    Rollback,
    /// How the service comes back.
    Return,
}

/// Something that does not do what it seems to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
pub enum Trap {
    /// Flagger's `skipAnalysis: true`.
    SkipAnalysis,
    /// A Canary is deleted.
    CanaryDeleted,
    /// Only a part of a selector is changed.
    PartOfSelector,
    /// A JSON patch without a `test`.
    PatchWithoutTest,
    /// A weight is found by its place in a list.
    WeightByIndex,
    /// Weights of a list do not make 100, or one is below 0.
    WeightsDoNotAddUp,
    /// A rung is not above the one before.
    RungsNotRising,
    /// All pods go before the traffic is moved.
    ScaledBeforeTraffic,
    /// A location mirrors to itself.
    MirrorToItself,
    /// A directive that NGINX does not have.
    MirrorTimeout,
    /// A shadow that is waited for as long as NGINX does by default.
    MirrorWaits,
    /// Clients are split, not requests.
    SplitClients,
    /// A fallback of a shell that makes a value of a failure.
    UnknownBecomesValue,
    /// A shell is given a text.
    ShellText,
    /// An operator of a shell is handed to a program.
    ShellOperator,
    /// The good image loses its name.
    LatestAsPrevious,
    /// `kubectl rollout undo`.
    RolloutUndo,
    /// A merge patch of a list.
    MergeOfList,
    /// A patch that cannot be read.
    PatchUnread,
}

impl Trap {
    /// Returns its name, for programs.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Says what really happens.
    pub fn happens(self) -> &'static str {
        match self {
            Self::SkipAnalysis => {
                "skipAnalysis: true promotes the canary that is being analysed, it does not roll it back"
            }
            Self::CanaryDeleted => {
                "deleting the Canary leaves the new version as it is, or routes to it (revertOnDeletion)"
            }
            Self::PartOfSelector => {
                "a part of a selector is joined with the labels that are there, and all must match: with usual labels no \
                 pod does"
            }
            Self::PatchWithoutTest => {
                "without a test the patch also changes an object that somebody else changed meanwhile"
            }
            Self::WeightByIndex => {
                "a place in a list is no name: where somebody changed the order, the other side gets the weight"
            }
            Self::WeightsDoNotAddUp => {
                "a weight below 0, or weights that are all 0, serve nobody, and those of Istio must make 100: its schema takes \
                 -5 and any sum"
            }
            Self::RungsNotRising => {
                "a ladder that does not rise sends requests back and forth, and its gate compares what never was"
            }
            Self::ScaledBeforeTraffic => {
                "the pods are gone while requests still go to them: an outage of one's own"
            }
            Self::MirrorToItself => {
                "production gets each request twice and the shadow none: mirror asks for that path in the same server, \
                 and the same location serves it"
            }
            Self::MirrorTimeout => {
                "NGINX has no mirror_timeout: it refuses the whole file and goes on with the old one"
            }
            Self::MirrorWaits => {
                "a shadow that does not answer holds the next request of every client that keeps its connection, for up to 60 s"
            }
            Self::SplitClients => {
                "it splits clients, not requests: with six senders 1 % was 0 %, and 50 % was 33 %"
            }
            Self::UnknownBecomesValue => {
                "|| turns an unknown state into a value: where the question fails, the answer is made up"
            }
            Self::ShellText => {
                "a shell takes a text apart that nobody checked, and its exit code is that of the last command only"
            }
            Self::ShellOperator => {
                "no shell reads the arguments, so the program gets this as a word"
            }
            Self::LatestAsPrevious => {
                "it overwrites the name of the good image with the bad one, which latest is by now"
            }
            Self::RolloutUndo => {
                "kubectl rollout undo takes the revision before, good or bad, overwrites what others changed, and is undone \
                 by Argo CD or starts a new analysis of Flagger"
            }
            Self::MergeOfList => {
                "a merge patch replaces the whole list: other routes, matches and weights are gone with a 200"
            }
            Self::PatchUnread => {
                "kubectl is given a patch that is neither JSON nor plain YAML: what it would change is unknown"
            }
        }
    }

    /// Says what to write instead.
    pub fn instead(self) -> &'static str {
        match self {
            Self::SkipAnalysis => {
                "write a flagger step and then undo: Flagger itself goes back from an analysis that fails"
            }
            Self::CanaryDeleted => "write a flagger step and then undo, and keep the Canary",
            Self::PartOfSelector => {
                "write replace with field: /spec/selector and the whole map, and expect endpoints"
            }
            Self::PatchWithoutTest => {
                "add an operation {op: test, path: …, value: …} for what must be there, or write replace"
            }
            Self::WeightByIndex => {
                "test the name (Istio: /destination/subset or host) at the same index before it, or write route"
            }
            Self::WeightsDoNotAddUp => {
                "set all weights of the list so that they make 100, or write route"
            }
            Self::RungsNotRising => "write rising weights, such as [1, 5, 10, 25, 50, 100]",
            Self::ScaledBeforeTraffic => "put the step that moves the traffic before it",
            Self::MirrorToItself => {
                "mirror to a path of its own, such as /_mirror, with `internal;` and proxy_pass to the shadow in its location"
            }
            Self::MirrorTimeout => {
                "write proxy_connect_timeout and proxy_read_timeout in the location that is mirrored to"
            }
            Self::MirrorWaits => {
                "write a short proxy_read_timeout in the location that is mirrored to, beside proxy_connect_timeout"
            }
            Self::SplitClients => "split by $request_id, which each request has of its own",
            Self::UnknownBecomesValue => {
                "write a probe, whose exit code says 0 done, 1 not done, any other unknown"
            }
            Self::ShellText => "write the program and each argument as an element of the list",
            Self::ShellOperator => "write a step for each program",
            Self::LatestAsPrevious => {
                "name the good image by its digest or version when it is deployed, and go back to that name"
            }
            Self::RolloutUndo => "write an undo step, which looks for all of that first",
            Self::MergeOfList => {
                "write route for weights, replace for one field, or patch with operations and a test"
            }
            Self::PatchUnread => "write replace for one field, or patch with operations and a test",
        }
    }
}

/// A trap of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrapFound {
    /// The list.
    pub list: StepList,
    /// The place of the step in its list, from 1.
    pub step: usize,
    /// Which trap it is.
    pub trap: Trap,
    /// What of the step is one, in a few words.
    pub what: String,
}
