//! What the account may do with the application. Asking changes nothing.

use super::finding::Finding;
use crate::clients::argocd::{Allowed, Argo, ArgoError, ArgoPermission, AutoSync, Version};
use crate::config::Config;

const GET: &str = "argocd right get";
const SYNC: &str = "argocd right sync";
const UPDATE: &str = "argocd right update";
const ROLLBACK: &str = "argocd right rollback";

/// The first version that knows the right `rollback`. Source: the source of Argo CD, `server/account`.
const KNOWS_ROLLBACK: (u32, u32) = (3, 6);

/// Whether the right to change the application is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Without it nothing can be rolled back.
    Vital,
    /// Only one of two ways needs it.
    Useful,
    /// Nothing needs it.
    Nothing,
}

/// Returns how much the right `update` is needed: only for switching auto-sync off, where the settings allow that.
pub(super) fn needs_update(config: &Config, auto_sync: Option<&AutoSync>) -> Need {
    let may_switch = config
        .argocd
        .as_ref()
        .is_some_and(|argocd| argocd.may_disable_auto_sync);
    let is_on = match auto_sync {
        Some(AutoSync::On(_) | AutoSync::Unknown) | None => true,
        Some(AutoSync::Off(_) | AutoSync::Absent) => false,
    };
    match (may_switch, is_on, config.gitops.is_some()) {
        (true, true, false) => Need::Vital,
        (true, _, _) => Need::Useful,
        (false, _, _) => Need::Nothing,
    }
}

/// Asks for every right that a rollback may need.
pub(super) async fn look(argo: &Argo, version: Option<&Version>, update: Need) -> Vec<Finding> {
    let knows_rollback = version
        .and_then(|version| version.number)
        .is_some_and(|number| number >= KNOWS_ROLLBACK);
    let asked = async |action, is_asked: bool| match is_asked {
        true => Some(argo.can_i(action).await),
        false => None,
    };
    let (get, sync, update_asked, rollback) = tokio::join!(
        argo.can_i(ArgoPermission::Get),
        argo.can_i(ArgoPermission::Sync),
        asked(ArgoPermission::Update, update != Need::Nothing),
        asked(ArgoPermission::Rollback, knows_rollback),
    );
    let name = argo.name();
    let mut findings = vec![
        vital(GET, ArgoPermission::Get, &name, get),
        vital(SYNC, ArgoPermission::Sync, &name, sync),
    ];
    findings.extend(update_asked.map(|asked| match update {
        Need::Vital => vital(UPDATE, ArgoPermission::Update, &name, asked),
        Need::Useful | Need::Nothing => useful(
            UPDATE,
            ArgoPermission::Update,
            &name,
            asked,
            "without it auto-sync cannot be switched off, although ARGOCD_MAY_DISABLE_AUTO_SYNC allows it",
        ),
    }));
    findings.extend(rollback.map(|asked| {
        let why = "it is needed where Argo CD has server.rbac.rollback.enforce.enable";
        useful(ROLLBACK, ArgoPermission::Rollback, &name, asked, why)
    }));
    findings
}

fn vital(
    subject: &'static str,
    action: ArgoPermission,
    name: &str,
    asked: Result<Allowed, ArgoError>,
) -> Finding {
    match asked {
        Ok(Allowed::Yes) => Finding::ok(subject, tried(action, name), "yes"),
        Ok(Allowed::No) => Finding::problem(subject, tried(action, name), "no", grant(action)),
        Err(error) => Finding::argocd_failed(subject, &error),
    }
}

fn useful(
    subject: &'static str,
    action: ArgoPermission,
    name: &str,
    asked: Result<Allowed, ArgoError>,
    why: &str,
) -> Finding {
    match asked {
        Ok(Allowed::No) => Finding::warning(
            subject,
            tried(action, name),
            format!("no; {why}"),
            grant(action),
        ),
        asked @ (Ok(Allowed::Yes) | Err(_)) => vital(subject, action, name, asked),
    }
}

fn tried(action: ArgoPermission, name: &str) -> String {
    format!(
        "ask for the right to {} application {name:?}",
        action.name()
    )
}

fn grant(action: ArgoPermission) -> String {
    format!(
        "grant it in Argo CD's RBAC policy: p, <role>, applications, {}, <project>/<application>, allow",
        action.name()
    )
}
