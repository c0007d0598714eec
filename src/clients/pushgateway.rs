//! Metrics to a Pushgateway. It keeps the last push of each group, for Prometheus to scrape after the program has
//! ended.
//!
//! A push replaces the whole group and is sent once: the next run sends everything again.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use url::Url;

use super::http::{
    HttpClient, HttpError, HttpSettings, HttpSettingsError, Method, RequestBuilder, Response,
    StatusCode,
};

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One Pushgateway.
#[derive(Debug)]
pub struct Pushgateway {
    http: HttpClient,
}

/// The labels that name a group. They become labels of every metric in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// The value of `job`; never empty.
    pub job: &'a str,
    /// Further labels with their values, which may be empty.
    pub labels: &'a [(&'a str, &'a str)],
}

/// Why metrics were not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushgatewayError {
    /// The settings cannot be used. Nothing was sent.
    #[error("set up the Pushgateway client")]
    Settings(#[source] HttpSettingsError),
    /// No answer arrived. The push may have arrived nevertheless.
    #[error("push metrics to the Pushgateway at {origin}; check PUSHGATEWAY_URL and the network")]
    NoAnswer {
        /// Scheme, host and port.
        origin: String,
        /// What happened.
        source: HttpError,
    },
    /// The metrics are malformed or contradict those of another group.
    #[error(
        "push metrics to the Pushgateway at {origin}: refused (HTTP 400: {said}); delete the groups that hold these \
         metrics with another type"
    )]
    Refused {
        /// Scheme, host and port.
        origin: String,
        /// What it said.
        said: String,
    },
    /// The server wants credentials, for which there is no setting.
    #[error(
        "push metrics to the Pushgateway at {origin}: access refused (HTTP {status}); let it take pushes without \
         credentials"
    )]
    Denied {
        /// Scheme, host and port.
        origin: String,
        /// 401 or 403.
        status: u16,
    },
    /// The server or a proxy before it has a problem.
    #[error(
        "push metrics to the Pushgateway at {origin}: not available (HTTP {status}: {said}); the next run pushes again"
    )]
    Unavailable {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// Something else answers.
    #[error(
        "push metrics to the Pushgateway at {origin}: no Pushgateway answers there (HTTP {status}); check the path in \
         PUSHGATEWAY_URL"
    )]
    NotPushgateway {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: u16,
    },
}

impl PushgatewayError {
    /// Says whether the same push may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { source, .. } => source.is_transient(),
            Self::Unavailable { .. } => true,
            Self::Settings(_)
            | Self::Refused { .. }
            | Self::Denied { .. }
            | Self::NotPushgateway { .. } => false,
        }
    }
}

impl Pushgateway {
    /// Prepares pushes to the server at `base`. Sends nothing.
    ///
    /// # Errors
    ///
    /// Fails with [`PushgatewayError::Settings`] if `base` or `settings` cannot be used.
    pub fn new(base: Url, settings: &HttpSettings) -> Result<Self, PushgatewayError> {
        let http = HttpClient::new(base, settings).map_err(PushgatewayError::Settings)?;
        Ok(Self { http })
    }

    /// Puts `exposition` in the place of all that the group holds. Doing it twice is doing it once.
    ///
    /// # Errors
    ///
    /// Fails when the metrics are not taken within [`HttpSettings::timeout`]; the group then stays as it is, or holds
    /// the new metrics if only the answer was lost.
    pub async fn put(&self, group: &Group<'_>, exposition: String) -> Result<(), PushgatewayError> {
        let path = path(group);
        let request = self
            .http
            .request(Method::PUT, path.iter().map(String::as_str))
            .header("content-type", TEXT_FORMAT)
            .body(exposition);
        self.send(request).await
    }

    /// Takes the group away with all that it holds. Doing it twice is doing it once.
    ///
    /// # Errors
    ///
    /// As for [`Self::put`].
    pub async fn remove(&self, group: &Group<'_>) -> Result<(), PushgatewayError> {
        let path = path(group);
        let request = self
            .http
            .request(Method::DELETE, path.iter().map(String::as_str));
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<(), PushgatewayError> {
        match self.http.send(request).await {
            Ok(response) => self.judge(&response),
            Err(source) => Err(PushgatewayError::NoAnswer {
                origin: self.http.origin(),
                source,
            }),
        }
    }

    fn judge(&self, response: &Response) -> Result<(), PushgatewayError> {
        let origin = self.http.origin();
        let status = response.status.as_u16();
        let said = || self.http.quote(&response.body);
        match response.status {
            // 202 comes from a server that does not compare groups.
            StatusCode::OK | StatusCode::ACCEPTED => Ok(()),
            StatusCode::BAD_REQUEST => Err(PushgatewayError::Refused {
                origin,
                said: said(),
            }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(PushgatewayError::Denied { origin, status })
            }
            busy if busy.is_server_error()
                || busy == StatusCode::TOO_MANY_REQUESTS
                || busy == StatusCode::REQUEST_TIMEOUT =>
            {
                Err(PushgatewayError::Unavailable {
                    origin,
                    status,
                    said: said(),
                })
            }
            _ => Err(PushgatewayError::NotPushgateway { origin, status }),
        }
    }
}

/// Returns the segments of a group's path: `metrics/job/<job>/<label>/<value>…`.
fn path(group: &Group<'_>) -> Vec<String> {
    let labels = group.labels.iter().copied();
    let labels = std::iter::once(("job", group.job)).chain(labels);
    let pairs = labels.flat_map(|(label, value)| {
        if survives_in_a_path(value) {
            [label.to_owned(), value.to_owned()]
        } else {
            [format!("{label}@base64"), encoded(value)]
        }
    });
    std::iter::once("metrics".to_owned()).chain(pairs).collect()
}

/// A slash would end the value even when it is escaped, and dots alone would be taken for a folder.
fn survives_in_a_path(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !value.is_empty() && !value.starts_with('.') && value.bytes().all(is_plain)
}

/// An empty value is written as one sign of padding.
fn encoded(value: &str) -> String {
    if value.is_empty() {
        "=".to_owned()
    } else {
        URL_SAFE.encode(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(service: &str) -> String {
        let labels = [("namespace", "shop"), ("service", service)];
        path(&Group {
            job: "error-budget-monitor",
            labels: &labels,
        })
        .join("/")
    }

    #[test]
    fn names_a_group_by_its_labels() {
        assert_eq!(
            joined("check.out_v2"),
            "metrics/job/error-budget-monitor/namespace/shop/service/check.out_v2"
        );
    }

    #[test]
    fn encodes_what_would_not_survive_in_a_path() {
        let table = [
            ("a/b", "service@base64/YS9i"),
            ("", "service@base64/="),
            ("..", "service@base64/Li4="),
            ("a b", "service@base64/YSBi"),
            ("50%", "service@base64/NTAl"),
            ("ÿÿ>", "service@base64/w7_Dvz4="),
        ];
        for (service, end) in table {
            let path = joined(service);
            assert!(path.ends_with(&format!("/{end}")), "{path}");
        }
    }
}
