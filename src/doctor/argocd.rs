//! Argo CD: whether it lets us in, what it allows, and what the application itself would do to a rollback.

use chrono::Utc;
use url::Url;

use super::application;
use super::finding::Finding;
use super::rights;
use crate::clients::argocd::{
    Account, Argo, ArgoAuth, ArgoError, ArgoFault, ArgoPermission, SyncWindows, Version,
};
use crate::config::{ArgocdConfig, Config};

const REACH: &str = "argocd";
const LOGIN: &str = "argocd login";
const APPLICATION: &str = "argocd application";
const WINDOWS: &str = "argocd windows";

/// Looks at the configured Argo CD; finds nothing where none is configured. At most one login is sent.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let Some(argocd) = &config.argocd else {
        return Vec::new();
    };
    let argo = Argo::new(argocd.client.clone());
    let version = argo.version().await;
    let mut findings = vec![reached(&argocd.client.server, &version)];
    if version.as_ref().is_err_and(is_out_of_reach) {
        findings.push(Finding::unchecked(LOGIN, "sign in", "the way to Argo CD"));
        return findings;
    }
    let account = argo.account().await;
    let is_signed_in = matches!(&account, Ok(Account::Named { .. }));
    let refusal = match &account {
        Ok(Account::Nobody) => argo.can_i(ArgoPermission::Get).await.err(),
        Ok(Account::Named { .. }) | Err(_) => None,
    };
    findings.push(signed_in(&argocd.client.auth, account, refusal));
    if !is_signed_in {
        let tried = format!("read application {:?}", argo.name());
        findings.push(Finding::unchecked(APPLICATION, tried, "the login"));
        return findings;
    }
    findings.extend(inside(config, argocd, &argo, version.ok().as_ref()).await);
    findings
}

/// Looks at what needs an account. The application comes first, because it may name the project that the others ask
/// for.
async fn inside(
    config: &Config,
    argocd: &ArgocdConfig,
    argo: &Argo,
    version: Option<&Version>,
) -> Vec<Finding> {
    let application = argo.application().await;
    let auto_sync = application.as_ref().ok().map(|found| &found.auto_sync);
    let (rights, windows) = tokio::join!(
        rights::look(argo, version, rights::needs_update(config, auto_sync)),
        argo.sync_windows()
    );
    let mut findings = match &application {
        Ok(found) => application::look(config, argocd, found, Utc::now()),
        Err(error) => vec![Finding::argocd_failed(APPLICATION, error)],
    };
    findings.extend(rights);
    findings.push(windows_now(&argo.name(), windows));
    findings
}

/// Says who is signed in. Where that is nobody, Argo CD does not say why; its `refusal` of another question does.
fn signed_in(
    auth: &ArgoAuth,
    account: Result<Account, ArgoError>,
    refusal: Option<ArgoError>,
) -> Finding {
    let (tried, remedy) = match auth {
        ArgoAuth::Token(_) => (
            "sign in with ARGOCD_TOKEN".to_owned(),
            "set a new ARGOCD_TOKEN",
        ),
        ArgoAuth::Password { username, .. } => (
            format!("log in as {username:?}, once"),
            "check ARGOCD_USERNAME and ARGOCD_PASSWORD",
        ),
    };
    match account {
        Ok(Account::Named { name, .. }) => {
            Finding::ok(LOGIN, tried, format!("signed in as {name:?}"))
        }
        Ok(Account::Nobody) => {
            let why = refusal.map_or_else(strangers, |error| nobody(&error.fault));
            Finding::problem(LOGIN, tried, format!("nobody is signed in{why}"), remedy)
        }
        Err(error) => Finding::failed(LOGIN, tried, &error.fault.to_string(), remedy),
    }
}

fn nobody(refusal: &ArgoFault) -> String {
    if let ArgoFault::Unauthorized { words, .. } = refusal {
        format!(": {words}")
    } else if let ArgoFault::Forbidden { .. } | ArgoFault::NotFound { .. } = refusal {
        strangers()
    } else {
        format!(", and why is not known: {refusal}")
    }
}

fn strangers() -> String {
    ", and the server lets strangers in without a word".to_owned()
}

fn reached(server: &Url, version: &Result<Version, ArgoError>) -> Finding {
    match version {
        Ok(version) => {
            let tried = format!(
                "ask {} for its version",
                server.origin().ascii_serialization()
            );
            Finding::ok(REACH, tried, format!("Argo CD {}", version.text))
        }
        Err(error) => Finding::argocd_failed(REACH, error),
    }
}

/// Tells whether a question got no answer at all, so that others would only wait for theirs.
fn is_out_of_reach(error: &ArgoError) -> bool {
    matches!(
        error.fault,
        ArgoFault::Transport(_)
            | ArgoFault::Deadline { .. }
            | ArgoFault::Settings(_)
            | ArgoFault::WantsHttps
            | ArgoFault::Redirect { .. }
    )
}

fn windows_now(name: &str, windows: Result<SyncWindows, ArgoError>) -> Finding {
    let tried = format!("ask whether sync windows let application {name:?} be synced now");
    let windows = match windows {
        Ok(windows) => windows,
        Err(error) => return Finding::argocd_failed(WINDOWS, &error),
    };
    let count = |windows: &Option<Vec<_>>| {
        windows.as_ref().map_or_else(
            || "an unknown number".to_owned(),
            |windows| windows.len().to_string(),
        )
    };
    let (assigned, active) = (count(&windows.assigned), count(&windows.active));
    match windows.can_sync {
        Some(true) => Finding::ok(
            WINDOWS,
            tried,
            format!("a sync is let through now (windows: {assigned}, open: {active})"),
        ),
        Some(false) => Finding::problem(
            WINDOWS,
            tried,
            format!(
                "a window forbids it now (windows: {assigned}, open: {active}): a rollback would wait, unfinished, until \
                 the window lets it through"
            ),
            "wait for the end of the window, or give the project's windows manualSync: true",
        ),
        None => Finding::warning(
            WINDOWS,
            tried,
            "the answer does not say whether a sync is let through",
            "look at the sync windows of the project in Argo CD",
        ),
    }
}
