//! Where Prometheus is and how it lets us in.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::Url;

use crate::clients::http::{HttpAuth, HttpSettings};

use super::{
    address::{PlainHttp, base_url},
    duration::MINUTE,
    problems::{Checked, Invalid, quoted},
    reader::Reader,
    secret,
    variables::{
        Key, PROMETHEUS_CA_FILE, PROMETHEUS_CLIENT_CERT_FILE, PROMETHEUS_CLIENT_KEY_FILE,
        PROMETHEUS_HEADERS, PROMETHEUS_MAX_CONNECTIONS, PROMETHEUS_PASSWORD, PROMETHEUS_TIMEOUT,
        PROMETHEUS_TOKEN, PROMETHEUS_URL, PROMETHEUS_USERNAME,
    },
};

/// Where Prometheus is and how it lets us in.
#[derive(Debug, Clone)]
pub struct PrometheusConfig {
    /// `PROMETHEUS_URL`, required: `http` or `https`, without user info, query or fragment; its path ends in `/`.
    pub url: Url,
    /// `PROMETHEUS_TOKEN`, or `PROMETHEUS_USERNAME` and `PROMETHEUS_PASSWORD` (none by default); `PROMETHEUS_HEADERS`,
    /// none by default, valid in HTTP; `PROMETHEUS_CA_FILE`, `PROMETHEUS_CLIENT_CERT_FILE` and
    /// `PROMETHEUS_CLIENT_KEY_FILE`; `PROMETHEUS_TIMEOUT` (10s), up to 10m.
    pub http: HttpSettings,
    /// `PROMETHEUS_MAX_CONNECTIONS` (8): how many connections all services that ask this server with this access have
    /// to it at once, 1 to 512.
    pub connections: usize,
}

pub(super) fn read(reader: &mut Reader) -> Checked<PrometheusConfig> {
    let url = reader.required(&PROMETHEUS_URL, |text| {
        let credentials = "put them into PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD";
        base_url(text, PlainHttp::Anywhere, credentials)
    });
    let auth = read_auth(reader);
    let headers = read_headers(reader);
    let ca_file = reader.file(&PROMETHEUS_CA_FILE);
    let client_identity = read_client_identity(reader);
    let timeout = reader.duration(&PROMETHEUS_TIMEOUT, Duration::from_millis(1)..=10 * MINUTE);
    let connections = reader.required(&PROMETHEUS_MAX_CONNECTIONS, |text| match text.parse() {
        Ok(most @ 1..=512) => Ok(most),
        Ok(_) | Err(_) => Err(Invalid::because(format!(
            "is {}; write a whole number from 1 to 512",
            quoted(text)
        ))),
    });
    Ok(PrometheusConfig {
        connections: connections?,
        url: url?,
        http: HttpSettings {
            auth: auth?,
            headers: headers?,
            ca_file: ca_file?,
            client_identity: client_identity?,
            timeout: timeout?,
            ..HttpSettings::default()
        },
    })
}

fn read_auth(reader: &mut Reader) -> Checked<HttpAuth> {
    let token = reader.secret(&PROMETHEUS_TOKEN, secret::header_token);
    let user = read_user(reader, &PROMETHEUS_USERNAME, &PROMETHEUS_PASSWORD);
    if reader.is_set(&PROMETHEUS_TOKEN)
        && (reader.is_set(&PROMETHEUS_USERNAME) || reader.is_set(&PROMETHEUS_PASSWORD))
    {
        return Err(reader.report(
            "PROMETHEUS_TOKEN and PROMETHEUS_USERNAME or PROMETHEUS_PASSWORD are set; set the token or the user \
             with its password, not both",
        ));
    }
    Ok(match (token?, user?) {
        (Some(token), _) => HttpAuth::Bearer(token),
        (None, Some((username, password))) => HttpAuth::Basic { username, password },
        (None, None) => HttpAuth::None,
    })
}

/// Reads a user and the password: both, or neither.
pub(super) fn read_user(
    reader: &mut Reader,
    username: &Key,
    password: &Key,
) -> Checked<Option<(String, SecretString)>> {
    let together = reader.both_or_neither(username, password);
    let username = reader.optional(username, |text| {
        if text.chars().any(|c| c == ':' || c.is_control()) {
            return Err(Invalid::because(
                "holds a colon or a control character; write the user's name only",
            ));
        }
        Ok(text.to_owned())
    });
    let password = reader.secret(password, secret::password);
    together?;
    Ok(username?.zip(password?))
}

fn read_headers(reader: &mut Reader) -> Checked<Vec<(String, SecretString)>> {
    let mut headers = Vec::new();
    reader.secret(&PROMETHEUS_HEADERS, |text| {
        headers = parse_headers(text)?;
        Ok(())
    })?;
    let secret = headers.iter().filter(|(name, _)| !is_tenant(name));
    reader.keep_secret(secret.map(|(_, value)| value));
    Ok(headers)
}

/// Parses `Name=value` pairs separated by `;`. A message counts the entries instead of quoting them.
fn parse_headers(text: &str) -> Result<Vec<(String, SecretString)>, Invalid> {
    /// Headers that the client sets itself.
    const OURS: [&str; 5] = [
        "authorization",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
    ];
    let mut headers: Vec<(String, SecretString)> = Vec::new();
    let entries = text.split(';').map(str::trim).enumerate();
    for (index, entry) in entries.filter(|(_, entry)| !entry.is_empty()) {
        let refuse = |why: &str| {
            Err(Invalid::because(format!(
                "has an entry, number {}, {why}",
                index + 1
            )))
        };
        let Some((name, value)) = entry.split_once('=') else {
            return refuse("without =; write Name=value, several separated by a semicolon");
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || !name.bytes().all(is_header_name_byte) {
            return refuse("whose name is not one of an HTTP header; write letters, digits and -");
        }
        if value.is_empty()
            || !value
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return refuse(
                "whose value is empty or not visible ASCII; write it without line breaks",
            );
        }
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return refuse(
                "that the client sets itself; for authorization use PROMETHEUS_TOKEN, or PROMETHEUS_USERNAME and \
                 PROMETHEUS_PASSWORD",
            );
        }
        if headers
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return refuse("whose name was there before; write each header once");
        }
        headers.push((name.to_owned(), SecretString::from(value)));
    }
    Ok(headers)
}

/// Tells whether a header names whose metrics are asked for: often the name of the service, which is no secret. Source:
/// the documentation of Mimir and Thanos.
fn is_tenant(name: &str) -> bool {
    ["x-scope-orgid", "thanos-tenant"]
        .iter()
        .any(|tenant| tenant.eq_ignore_ascii_case(name))
}

/// Returns whether the byte may be in the name of a header (RFC 9110, "token").
fn is_header_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads the files of the client's certificate and its key: both, or neither.
fn read_client_identity(reader: &mut Reader) -> Checked<Option<(PathBuf, PathBuf)>> {
    let together =
        reader.both_or_neither(&PROMETHEUS_CLIENT_CERT_FILE, &PROMETHEUS_CLIENT_KEY_FILE);
    let cert_file = reader.file(&PROMETHEUS_CLIENT_CERT_FILE);
    let key_file = reader.file(&PROMETHEUS_CLIENT_KEY_FILE);
    together?;
    Ok(cert_file?.zip(key_file?))
}
