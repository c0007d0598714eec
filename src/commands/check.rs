//! The gate: the same evaluation, no change, and an exit code for the pipeline.
//!
//! | file | subject |
//! |---|---|
//! | `answer.rs` | the answer: may deploy or blocked, why, and until when |
//! | `look.rs` | what is known beside the measurement |
//! | `measured.rs` | what the measurement says of a deploy |
//! | `waiting.rs` | rollbacks under way, and commits on hold |
//! | `fix.rs` | the way through for the commit that fixes what burns |

mod answer;
mod fix;
mod look;
mod measured;
mod waiting;

use self::answer::Answer;
use self::fix::{Fix, fix};
use self::look::Look;
use self::waiting::{Wait, waits};
use crate::cli;
use crate::config::OnUnknown;
use crate::evaluation::{Known, NotEvaluated, evaluate, measure, refused_instead_of, seen};
use crate::exit::Exit;
use crate::journal::ServiceState;
use crate::observe;
use crate::outcome::{Ended, Unavailable};
use crate::policy::{BranchReading, Reason, decide};
use crate::record::{Heading, Record};
use crate::rollback::{NotWhole, whole};
use crate::service::{Service, history};
use crate::slo::Assessment;
use crate::with_sources;

/// Says whether a deploy may go ahead. The state is read without its lock and nothing is written.
pub(super) async fn check(service: &Service<'_>, heading: &Heading, asked: &cli::Check) -> Ended {
    let mut memory = match service.looks() {
        Ok(memory) => memory,
        Err(error) => return Ended::without_state(&error),
    };
    let state = match whole(service, &mut memory).await {
        Ok(state) => state,
        Err(NotWhole::Unwritten(error)) => return Ended::without_state(&error),
        Err(NotWhole::Unavailable(Unavailable { source, why })) => {
            let not_evaluated = unremembered(service, heading, source, why).await;
            return half_blind(service, &memory.of(&service.key), not_evaluated, asked);
        }
    };
    let mut known = match evaluate(service, heading, &state).await {
        Ok(known) => known,
        Err(not_evaluated) => return half_blind(service, &state, *not_evaluated, asked),
    };
    if let (Some(git), Some(_), None) = (&service.git, &asked.commit, &known.snapshot) {
        match observe::branch(git, service.config.policy.max_revisions_back, None).await {
            Ok(snapshot) => {
                known.branch = BranchReading::Known(seen(
                    &snapshot,
                    state.watch.as_ref(),
                    git,
                    service.trust(),
                ));
                known.snapshot = Some(snapshot);
            }
            Err(error) => {
                let why = with_sources(&error);
                let record = record_of(service, heading, &known, &state)
                    .holding(Reason::UnknownData, why.clone())
                    .not_knowing("git", why.clone());
                return Answer::unavailable(why).ended(record);
            }
        }
    }
    known.looks_what_was_done(service, &history(&state)).await;
    let record = record_of(service, heading, &known, &state);
    let look = Look::new(service, &state, Some(&known), asked);
    let ended = judged(&look, &known.assessment, record);
    refused_instead_of(Exit::BlockedUnknown, ended, &known)
}

/// Says how the service stands where what was done to it before cannot be looked up.
async fn unremembered(
    service: &Service<'_>,
    heading: &Heading,
    source: &'static str,
    why: String,
) -> NotEvaluated {
    let (record, assessment) = match measure(service, heading).await {
        Ok((observation, assessment)) => {
            let at = observation.evaluated_at;
            let record = Record::unknown(heading, &service.config.objective, at)
                .with_assessment(&assessment);
            (record, Some(assessment))
        }
        Err(not_evaluated) => return *not_evaluated,
    };
    let record = record
        .holding(Reason::UnknownData, why.clone())
        .not_knowing(source, why.clone());
    NotEvaluated {
        record,
        why,
        assessment,
    }
}

/// The gate when something did not answer. `GATE_ON_UNKNOWN=allow` forgives that the budget is not known, and nothing
/// else: what is remembered or was measured still blocks, and a commit is not judged without a repository that has to
/// be asked.
fn half_blind(
    service: &Service<'_>,
    state: &ServiceState,
    not_evaluated: NotEvaluated,
    asked: &cli::Check,
) -> Ended {
    let NotEvaluated {
        record,
        why,
        assessment,
    } = not_evaluated;
    if service.config.gate.on_unknown == OnUnknown::Block {
        return Answer::unavailable(why).ended(record);
    }
    let look = Look::new(service, state, None, asked);
    if let Some(wait) = waits(&look) {
        return held(&look, wait, record);
    }
    match &assessment {
        Some(_) if asked.commit.is_some() => Answer::unavailable(why).ended(record),
        Some(assessment) => judged(&look, assessment, record),
        None => Answer::not_measured(&why).ended(record),
    }
}

/// Answers by what waits and what was measured. The commit that fixes what burns goes ahead.
fn judged(look: &Look<'_>, assessment: &Assessment, record: Record) -> Ended {
    let fix = fix(look, record.attribution.as_ref());
    let wait = waits(look).filter(|wait| !wait.lets_through(&fix));
    if let Some(wait) = wait {
        return held(look, wait, record);
    }
    let answer = measured::answer(assessment, look.service.config, &record);
    answer.fixed_by(&fix).ended(record)
}

fn held(look: &Look<'_>, wait: Wait, record: Record) -> Ended {
    let fix = fix(look, record.attribution.as_ref());
    let answer = wait.answer();
    let record = record.holding(wait.reason, answer.why.clone());
    match fix {
        Fix::Refused(why) => answer.adding(&why).ended(record),
        Fix::NotAsked | Fix::Confirmed(_) => answer.ended(record),
    }
}

fn record_of(
    service: &Service<'_>,
    heading: &Heading,
    known: &Known,
    state: &ServiceState,
) -> Record {
    let decision = decide(&known.inputs(service, &history(state)));
    Record::unknown(
        heading,
        &service.config.objective,
        known.observation.evaluated_at,
    )
    .with_assessment(&known.assessment)
    .asking(service.lost_series(&known.observation))
    .with_deployment(known.branch.timeline())
    .with_live(known.branch.timeline(), None)
    .with_decision(&decision)
    .with_signals(&known.signals)
    .with_offenders(&known.offenders)
}
