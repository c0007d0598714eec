//! Every question of a pass, ready to be asked again by hand.

use chrono::Utc;

use super::finished::{CommandReport, Finished};
use crate::clients::prometheus::{Question, QuestionTimes};
use crate::exit::Exit;
use crate::observe::parts_of;
use crate::record::Heading;
use crate::report::{ExplainReport, ExplainedQuery};
use crate::service::Service;

/// Version of the layout.
const SCHEMA: u32 = 1;

/// Asks what a pass asks of a service that [keeps its questions](Service::noting), and shows it. The form in which a
/// service is counted is known once it was asked for.
pub(super) async fn explain(service: &Service<'_>, heading: &Heading) -> Finished {
    let metrics = service.metrics();
    let observed = metrics.observe(&service.config.objective).await;
    let trouble = observed.err().map(|error| crate::with_sources(&error));
    let queries = metrics.prometheus.questions().into_iter().enumerate();
    let report = ExplainReport {
        schema: SCHEMA,
        service: heading.service.clone(),
        namespace: heading.namespace.clone(),
        at: Utc::now(),
        server: metrics.prometheus.origin(),
        queries: queries
            .flat_map(|(place, question)| explained(place + 1, question))
            .collect(),
        trouble: trouble.clone(),
    };
    Finished {
        exit: match trouble {
            None => Exit::Complete,
            Some(_) => Exit::Unavailable,
        },
        report: Some(CommandReport::Explained(Box::new(report))),
        complaint: trouble,
    }
}

fn explained(request: usize, question: Question) -> Vec<ExplainedQuery> {
    let (start, end, step) = match question.times {
        QuestionTimes::Now => (None, None, None),
        QuestionTimes::At(at) => (Some(at), Some(at), None),
        QuestionTimes::Range(start, end, step) => (Some(start), Some(end), Some(step.as_secs())),
    };
    let parts = parts_of(&question.query).into_iter();
    parts
        .map(|(name, query)| ExplainedQuery {
            name,
            query,
            start,
            end,
            step_seconds: step,
            request,
        })
        .collect()
}
