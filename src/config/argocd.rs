//! Where Argo CD is and how it lets us in.

use std::path::Path;

use url::Url;

use crate::clients::argocd::{ArgoAuth, ArgoSettings};

use super::{
    address::{PlainHttp, base_url},
    problems::{Checked, Invalid, Reported},
    prometheus::read_user,
    reader::Reader,
    secret,
    service::{rfc1123_label, rfc1123_name},
    variables::{
        ARGOCD_APP_NAME, ARGOCD_APP_NAMESPACE, ARGOCD_CA_FILE, ARGOCD_MAY_DISABLE_AUTO_SYNC,
        ARGOCD_PASSWORD, ARGOCD_PLAINTEXT, ARGOCD_PROJECT, ARGOCD_SERVER, ARGOCD_TOKEN,
        ARGOCD_USERNAME,
    },
};

/// Where Argo CD is, which application deploys the service, and what may be done to it.
#[derive(Debug, Clone)]
pub struct ArgocdConfig {
    /// `ARGOCD_SERVER`: `host[:port]` or a URL with its root path, which ends in `/`; `ARGOCD_APP_NAME`;
    /// `ARGOCD_PROJECT` and `ARGOCD_APP_NAMESPACE`, none by default; `ARGOCD_TOKEN`, or `ARGOCD_USERNAME` and
    /// `ARGOCD_PASSWORD`; `ARGOCD_CA_FILE`. The limits are the client's usual ones.
    pub client: ArgoSettings,
    /// `ARGOCD_MAY_DISABLE_AUTO_SYNC` (false): whether auto-sync may be switched off for a rollback.
    pub may_disable_auto_sync: bool,
}

impl ArgocdConfig {
    /// Returns the application's web page.
    pub fn application_page(&self) -> Option<Url> {
        let mut page = self.client.server.clone();
        let mut segments = page.path_segments_mut().ok()?;
        segments.pop_if_empty().push("applications");
        segments.extend(&self.client.app_namespace);
        segments.push(&self.client.app_name);
        drop(segments);
        Some(page)
    }
}

pub(super) fn read(reader: &mut Reader) -> Checked<Option<ArgocdConfig>> {
    let complete = check_complete(reader);
    let plaintext = reader.flag(&ARGOCD_PLAINTEXT);
    let may_disable_auto_sync = reader.flag(&ARGOCD_MAY_DISABLE_AUTO_SYNC);
    let accepts_plaintext = plaintext.unwrap_or(false);
    let server = reader.optional(&ARGOCD_SERVER, |text| parse_server(text, accepts_plaintext));
    let app_name = reader.optional(&ARGOCD_APP_NAME, rfc1123_name);
    let project = reader.optional(&ARGOCD_PROJECT, rfc1123_name);
    let app_namespace = reader.optional(&ARGOCD_APP_NAMESPACE, rfc1123_label);
    let auth = read_auth(reader);
    let ca_file = reader.file(&ARGOCD_CA_FILE);
    complete?;
    let (Some(server), Some(app_name), Some(auth)) = (server?, app_name?, auth?) else {
        return Ok(None);
    };
    plaintext?;
    Ok(Some(ArgocdConfig {
        client: ArgoSettings {
            project: project?,
            app_namespace: app_namespace?,
            ca_file: ca_file?,
            ..ArgoSettings::new(server, &app_name, auth)
        },
        may_disable_auto_sync: may_disable_auto_sync?,
    }))
}

/// Reports the parts of the group that are set without the others.
fn check_complete(reader: &mut Reader) -> Checked<()> {
    let together = reader.both_or_neither(&ARGOCD_SERVER, &ARGOCD_APP_NAME);
    if reader.is_set(&ARGOCD_SERVER) || reader.is_set(&ARGOCD_APP_NAME) {
        let proofs = [&ARGOCD_TOKEN, &ARGOCD_USERNAME, &ARGOCD_PASSWORD];
        if !proofs.into_iter().any(|key| reader.is_set(key)) {
            return Err(reader.report(
                "ARGOCD_SERVER is set without credentials; set ARGOCD_TOKEN, or ARGOCD_USERNAME and ARGOCD_PASSWORD",
            ));
        }
        return together;
    }
    let needing = [
        &ARGOCD_TOKEN,
        &ARGOCD_USERNAME,
        &ARGOCD_PASSWORD,
        &ARGOCD_PROJECT,
        &ARGOCD_APP_NAMESPACE,
        &ARGOCD_CA_FILE,
    ];
    let mut complete = together;
    for key in needing {
        complete = complete.and(reader.needs(key, &ARGOCD_SERVER));
    }
    complete
}

/// Parses `host[:port]`, or a URL with scheme and root path.
fn parse_server(text: &str, plaintext: bool) -> Result<Url, Invalid> {
    let credentials = "put them into ARGOCD_USERNAME and ARGOCD_PASSWORD";
    let rule = PlainHttp::unless("ARGOCD_PLAINTEXT", plaintext);
    if text.contains("://") {
        return base_url(text, rule, credentials);
    }
    let scheme = if plaintext { "http" } else { "https" };
    base_url(&format!("{scheme}://{text}"), rule, credentials)
}

fn read_auth(reader: &mut Reader) -> Checked<Option<ArgoAuth>> {
    if let Some(instead) = password_instead(reader) {
        return Err(reader.report(instead));
    }
    let token = reader.secret(&ARGOCD_TOKEN, secret::header_token);
    let user = read_user(reader, &ARGOCD_USERNAME, &ARGOCD_PASSWORD);
    let one_way = not_both(reader);
    let (token, user) = (token?, user?);
    one_way?;
    Ok(match (token, user) {
        (Some(token), _) => Some(ArgoAuth::Token(token)),
        (None, Some((username, password))) => Some(ArgoAuth::Password { username, password }),
        (None, None) => None,
    })
}

/// Says what to do where the secret that is mounted has a password and no token.
fn password_instead(reader: &Reader) -> Option<String> {
    let token = Path::new(reader.given_file(&ARGOCD_TOKEN)?);
    let password = token.with_file_name("password");
    let has_only_password = !token.exists() && password.is_file();
    has_only_password.then(|| {
        let shown = password.display().to_string();
        format!(
            "ARGOCD_TOKEN_FILE names a file that is not there, and a file `password` is in its place; set \
             ARGOCD_USERNAME and ARGOCD_PASSWORD_FILE={} instead, which the component k8s/components/argocd-password \
             does, or add the token to the secret",
            shown.escape_debug()
        )
    })
}

fn not_both(reader: &mut Reader) -> Result<(), Reported> {
    if reader.is_set(&ARGOCD_TOKEN)
        && (reader.is_set(&ARGOCD_USERNAME) || reader.is_set(&ARGOCD_PASSWORD))
    {
        return Err(reader.report(
            "ARGOCD_TOKEN and ARGOCD_USERNAME or ARGOCD_PASSWORD are set; set the token or the user with its \
             password, not both",
        ));
    }
    Ok(())
}
