//! Every recording: the call it answers, what the client reads, and where the stand-in is when it is asked the same.

use error_budget_monitor::clients::argocd::ArgoPermission;

use super::situations::{self as at, Situation};

/// What the client does to have this answered.
pub(super) enum Call {
    Application,
    Refresh,
    CanI(ArgoPermission),
    Windows,
    RollBack(i64),
    /// A sync, to a revision if there is one.
    Sync(Option<&'static str>),
    Terminate,
    Account,
    /// Signing in with a password, under a name.
    Login(&'static str),
    Version,
    /// Nothing, and why.
    Never(&'static str),
}

/// A recording.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) call: Call,
    /// What the client makes of the answer; a single word that begins with a capital names the fault.
    pub(super) reads: &'static str,
    pub(super) situation: fn() -> Situation,
    /// Why the body that was recorded is not the one that the client sends.
    pub(super) other_body: Option<&'static str>,
}

impl Row {
    const fn but(mut self, other_body: &'static str) -> Self {
        self.other_body = Some(other_body);
        self
    }
}

const fn row(
    name: &'static str,
    call: Call,
    situation: fn() -> Situation,
    reads: &'static str,
) -> Row {
    Row {
        name,
        call,
        reads,
        situation,
        other_body: None,
    }
}

const SHORTER: &str = "the client also says that nothing is pruned and that it is no dry run";

const fn application(name: &'static str, situation: fn() -> Situation, reads: &'static str) -> Row {
    row(name, Call::Application, situation, reads)
}

const fn can_i(
    name: &'static str,
    right: ArgoPermission,
    situation: fn() -> Situation,
    reads: &'static str,
) -> Row {
    row(name, Call::CanI(right), situation, reads)
}

pub(super) const ROWS: &[Row] = &[
    application("application-app-namespace", at::elsewhere,
        "no auto-sync; Synced at f6cb, Healthy; history 0 b86b admin, 1 f6cb admin; \
         Succeeded: f6cb by admin is f6cb"),
    application("application-auto-sync-enabled-false", at::switched_off,
        "auto-sync off; Synced at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us, 3 a884 us; \
         Succeeded: a884 by auto-sync some is a884"),
    application("application-auto-sync-on", at::auto_sync,
        "auto-sync on with prune and self-heal; Synced at a884, Healthy; history 0 b86b admin, 1 a884 admin, \
         2 b86b us, 3 a884 us; Succeeded: a884 by auto-sync some is a884"),
    application("application-auto-sync-operation", at::followed,
        "auto-sync on with prune and self-heal; Synced at df9b, Progressing; history 0 b86b admin, 1 277a admin, \
         2 df9b auto-sync; Succeeded: df9b by auto-sync is df9b"),
    application("application-degraded", at::degraded,
        "no auto-sync; OutOfSync at a884, Degraded; history 0 b86b admin, 1 a884 admin, 2 b86b us, 3 a884 us; \
         Succeeded: a884 by us with 1 note is a884"),
    application("application-failed-postsync", at::failed_post_sync,
        "auto-sync on; OutOfSync at 885d, Healthy; history 0 b86b admin; asked for 885d by auto-sync; Running, \
         retry 1: 885d by auto-sync is 885d; live without an entry; in progress"),
    application("application-forbidden-with-project", at::outsider, "Forbidden"),
    application("application-forbidden-without-project", at::outsider, "Forbidden"),
    application("application-missing-with-project", at::by_hand, "NotFound"),
    application("application-missing-without-project", at::by_hand, "Forbidden"),
    application("application-multi-source", at::several_sources,
        "sources 2, no auto-sync; OutOfSync at 6123+6123, Healthy; history 0 b86b+b86b admin, 1 6123+6123 admin; \
         Succeeded: 6123+6123 by admin is 6123+6123"),
    application("application-multi-source-rolled-back", at::several_sources_rolled_back,
        "sources 2, no auto-sync; OutOfSync at 0191+0191, Healthy; history 0 b86b+b86b admin, 1 6123+6123 admin, \
         2 b86b+b86b us; Succeeded: b86b+b86b by us is b86b+b86b"),
    application("application-namespace-not-enabled", at::by_hand, "Forbidden"),
    application("application-no-token", at::nobody, "Unauthorized"),
    application("application-operation-error", at::unknown_revision,
        "no auto-sync; OutOfSync at a884, Healthy; history 0 b86b admin, 1 a884 admin; Error: ffff by us is ffff"),
    application("application-operation-parked", at::parked,
        "auto-sync off; Synced at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us, 3 a884 us; \
         asked for b86b by us; Running: b86b by us is b86b; parked"),
    application("application-operation-running-hook", at::running_hook,
        "no auto-sync; OutOfSync at 5095, Healthy; history 0 b86b admin; asked for 5095 by admin; \
         Running: 5095 by admin is 5095; in progress"),
    application("application-operation-terminated", at::terminated,
        "auto-sync off; Synced at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us, 3 a884 us; \
         Failed: b86b by us is b86b"),
    application("application-operation-terminated-hook", at::terminated_hook,
        "no auto-sync; OutOfSync at 5095, Healthy; history 0 b86b admin; Failed: 5095 by admin is 5095"),
    application("application-operation-terminating", at::terminating,
        "auto-sync off; Synced at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us, 3 a884 us; \
         asked for b86b by us; Terminating: b86b by us is b86b; in progress"),
    application("application-out-of-sync-after-rollback", at::rolled_back,
        "no auto-sync; OutOfSync at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us; \
         Succeeded: b86b by us is b86b"),
    application("application-progressing", at::progressing,
        "no auto-sync; OutOfSync at a884, Progressing; history 0 b86b admin, 1 a884 admin, 2 b86b us, 3 a884 us; \
         Succeeded: a884 by us with 1 note is a884"),
    application("application-session-expired", at::session_expired, "Unauthorized"),
    application("application-synced-healthy-auto-sync-off", at::by_hand,
        "no auto-sync; OutOfSync at a884, Healthy; history 0 b86b admin, 1 a884 admin; \
         Succeeded: a884 by admin is a884"),
    application("application-token-bad-signature", at::bad_signature, "Unauthorized"),
    application("application-token-expired", at::expired, "Unauthorized"),
    application("application-token-malformed", at::malformed, "Unauthorized"),
    application("application-token-unknown-id", at::revoked, "Unauthorized"),
    application("application-wrong-project", at::by_hand, "NotFound"),
    row("application-refresh-new-commit-auto-sync-on", Call::Refresh, at::new_commit,
        "auto-sync on with prune and self-heal; OutOfSync at df9b, Healthy; history 0 b86b admin, 1 277a admin; \
         asked for df9b by auto-sync; in progress"),
    row("can-i-action_apps_Deployment_restart", Call::Never("no other right is needed"), at::by_hand, ""),
    can_i("can-i-get", ArgoPermission::Get, at::by_hand, "yes"),
    can_i("can-i-get-nothing", ArgoPermission::Get, at::outsider, "no"),
    row("can-i-override", Call::Never("no other right is needed"), at::by_hand, ""),
    can_i("can-i-rollback", ArgoPermission::Rollback, at::by_hand, "Refused"),
    can_i("can-i-sync", ArgoPermission::Sync, at::by_hand, "yes"),
    can_i("can-i-sync-app-namespace", ArgoPermission::Sync, at::elsewhere, "yes"),
    can_i("can-i-sync-reader", ArgoPermission::Sync, at::reader, "no"),
    can_i("can-i-token-bad-signature", ArgoPermission::Sync, at::bad_signature, "Unauthorized"),
    can_i("can-i-update", ArgoPermission::Update, at::by_hand, "no"),
    row("content-type-absent-on-delete", Call::Terminate, at::untyped, "ContentType"),
    row("content-type-charset", Call::Sync(None), at::charset, "ContentType").but("the client asks for no dry run"),
    row("http-on-tls", Call::Version, at::tls, "WantsHttps"),
    row("rollback-accepted", Call::RollBack(0), at::by_hand,
        "no auto-sync; OutOfSync at a884, Healthy; history 0 b86b admin, 1 a884 admin; asked for b86b by us; \
         in progress"),
    row("rollback-accepted-in-window", Call::RollBack(0), at::in_window,
        "auto-sync off; Synced at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us, 3 a884 us; \
         asked for b86b by us; in progress"),
    row("rollback-forbidden", Call::RollBack(0), at::reader, "Forbidden").but(SHORTER),
    row("rollback-id-missing", Call::RollBack(0), at::by_hand, "Server").but("the client always names an entry"),
    row("rollback-refused-auto-sync", Call::RollBack(0), at::auto_sync, "AutoSyncOn"),
    row("rollback-refused-auto-sync-unknown-id", Call::RollBack(77), at::auto_sync, "AutoSyncOn")
        .but("the client asks for no dry run"),
    row("rollback-refused-operation", Call::RollBack(0), at::busy, "OperationInProgress"),
    row("rollback-second-dry-run", Call::RollBack(0), at::rolled_back,
        "no auto-sync; OutOfSync at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us; \
         asked for b86b by us dry; in progress").but("the client asks for no dry run"),
    row("rollback-unknown-id", Call::RollBack(77), at::by_hand, "NoSuchHistoryId"),
    row("session-login", Call::Login("person"), at::password, "person of argocd, groups Some([])"),
    row("session-login-no-capability", Call::Login("error-budget-monitor"), at::no_login, "LoginRefused"),
    row("session-login-unknown-user", Call::Login("nobody"), at::password, "LoginRefused"),
    row("session-login-wrong-password", Call::Login("person"), at::another_password, "LoginRefused"),
    row("sync-accepted", Call::Sync(None), at::rolled_back,
        "no auto-sync; OutOfSync at a884, Healthy; history 0 b86b admin, 1 a884 admin, 2 b86b us; \
         asked for a884 by us with 1 note; in progress"),
    row("sync-forbidden", Call::Sync(None), at::reader, "Forbidden").but(SHORTER),
    row("sync-refused-foreign-revision", Call::Sync(Some("a8843746aa1b7a2a83c1e7b217295f42f260020e")), at::auto_sync,
        "ForeignRevision").but(SHORTER),
    row("sync-refused-window", Call::Sync(None), at::denied, "SyncWindow").but(SHORTER),
    row("sync-unknown-revision", Call::Sync(Some("ffffffffffffffffffffffffffffffffffffffff")), at::by_hand,
        "no auto-sync; OutOfSync at a884, Healthy; history 0 b86b admin, 1 a884 admin; asked for ffff by us; \
         in progress")
        .but(SHORTER),
    row("syncwindows-deny", Call::Windows, at::denied,
        "sync false, open [deny, manual false], all [deny, manual false]"),
    row("syncwindows-deny-manual", Call::Windows, at::denied_to_machines,
        "sync true, open [deny, manual true], all [deny, manual true]"),
    row("syncwindows-none", Call::Windows, at::by_hand, "sync true, open [], all []"),
    row("terminate-accepted", Call::Terminate, at::parked, "accepted"),
    row("terminate-accepted-running", Call::Terminate, at::running_hook, "accepted"),
    row("terminate-forbidden", Call::Terminate, at::reader, "Forbidden"),
    row("terminate-nothing", Call::Terminate, at::by_hand, "NothingToTerminate"),
    row("unknown-path", Call::Never("the client knows its paths"), at::by_hand, ""),
    row("userinfo-no-token", Call::Never("the client signs every question for the account"), at::nobody, ""),
    row("userinfo-project-role", Call::Account, at::project_role,
        "proj:shop:error-budget-monitor of argocd, groups Some([])"),
    row("userinfo-token", Call::Account, at::by_hand, "error-budget-monitor of argocd, groups Some([])"),
    row("userinfo-token-bad-signature", Call::Account, at::bad_signature, "nobody"),
    row("userinfo-token-expired", Call::Account, at::expired, "nobody"),
    row("version", Call::Version, at::nobody, "v3.5.1+109ca7c is (3, 5)"),
    row("version-authenticated", Call::Never("the client asks for the version as a stranger"), at::by_hand, ""),
];
