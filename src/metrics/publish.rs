//! Hands the numbers on to where they are wanted.

use std::path::Path;
use std::time::Duration;

use url::Url;

use super::{Numbers, TextfileError, exposition, write_textfile};
use crate::clients::http::HttpSettings;
use crate::clients::pushgateway::{Group, Pushgateway, PushgatewayError};

/// The value of `job` in every group; alerts and dashboards rest on it.
const JOB: &str = "error-budget-monitor";

/// Largest answer that is read (bytes). A Pushgateway answers a push with nothing, or with one line.
const MAX_ANSWER: usize = 64 * 1024;

/// Why numbers did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum Unpublished {
    /// At the Pushgateway.
    #[error(transparent)]
    Pushgateway(#[from] PushgatewayError),
    /// In the file.
    #[error(transparent)]
    Textfile(#[from] TextfileError),
}

impl Unpublished {
    /// Returns the name under which the failure is counted.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::Pushgateway(_) => "pushgateway",
            Self::Textfile(_) => "metrics_textfile",
        }
    }
}

/// Writes the file (`METRICS_TEXTFILE`) with all services, and pushes one group for each (`PUSHGATEWAY_URL`). What
/// fails is returned and changes nothing else. A push takes `timeout` at most, and after one that found nobody no
/// other is tried, so that all take about as long as one.
pub async fn publish(
    services: &[Numbers],
    pushgateway: Option<&Url>,
    textfile: Option<&Path>,
    timeout: Duration,
) -> Vec<Unpublished> {
    let mut failures = Vec::new();
    if let Some(path) = textfile {
        failures.extend(write(path, services).await.err());
    }
    if let Some(url) = pushgateway {
        failures.extend(push(url, services, timeout).await);
    }
    failures
}

async fn write(path: &Path, services: &[Numbers]) -> Result<(), Unpublished> {
    let text = exposition(services);
    let path = path.to_owned();
    crate::blocking(move || write_textfile(&path, &text)).await?;
    Ok(())
}

async fn push(url: &Url, services: &[Numbers], timeout: Duration) -> Vec<Unpublished> {
    let settings = HttpSettings {
        timeout,
        max_body: MAX_ANSWER,
        ..HttpSettings::default()
    };
    let gateway = match Pushgateway::new(url.clone(), &settings) {
        Ok(gateway) => gateway,
        Err(error) => return vec![error.into()],
    };
    let mut failures: Vec<Unpublished> = Vec::new();
    for numbers in services {
        if let Err(error) = push_one(&gateway, numbers).await {
            let is_away = error.is_transient();
            failures.push(error.into());
            if is_away {
                break;
            }
        }
    }
    failures
}

async fn push_one(gateway: &Pushgateway, numbers: &Numbers) -> Result<(), PushgatewayError> {
    let group = Group {
        job: JOB,
        labels: &[
            ("namespace", &numbers.namespace),
            ("service", &numbers.service),
        ],
    };
    gateway
        .put(&group, exposition(std::slice::from_ref(numbers)))
        .await
}
