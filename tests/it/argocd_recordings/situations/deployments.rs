//! What was deployed, what is at work, and what stands in its way.

use testkit::argocd::PostSync;

use super::*;

/// Two releases, the bad one live and healthy, with leftovers, deployed by hand.
pub(in super::super) fn by_hand() -> Situation {
    Situation::first().with_leftovers().deployed()
}

/// The same, rolled back by the program and healthy.
pub(in super::super) fn rolled_back() -> Situation {
    by_hand().rolled_back(0).calm().later(30)
}

/// The same, synced to the bad release again.
pub(in super::super) fn progressing() -> Situation {
    rolled_back().synced().calm()
}

/// The same, which never gets healthy.
pub(in super::super) fn degraded() -> Situation {
    let this = rolled_back();
    this.change_app(|app| app.trouble.degrades = [this.bad.clone()].into());
    this.synced().calm().later(600)
}

/// The same with auto-sync, which removed the leftovers.
pub(in super::super) fn auto_sync() -> Situation {
    progressing().later(60).with_auto_sync(None)
}

/// The same once auto-sync was switched off again.
pub(in super::super) fn switched_off() -> Situation {
    auto_sync().with_auto_sync(Some(false))
}

/// The same where a window denies.
pub(in super::super) fn in_window() -> Situation {
    switched_off().with_windows(vec![SyncWindow::deny(false)])
}

/// The same where a rollback waits for the window.
pub(in super::super) fn parked() -> Situation {
    in_window().rolled_back(0).later(5)
}

/// The same where it was told to end.
pub(in super::super) fn terminating() -> Situation {
    parked().terminated().later(5)
}

/// The same once the window was open.
pub(in super::super) fn terminated() -> Situation {
    terminating().with_windows(Vec::new()).later(5)
}

/// Asked for a revision that is not there.
pub(in super::super) fn unknown_revision() -> Situation {
    let this = by_hand();
    let body = json!({ "project": "default", "revision": "f".repeat(40) });
    this.accepts("POST", "/sync", &body);
    this.calm()
}

/// One release, and auto-sync whose sync of the next one fails in its last hook.
pub(in super::super) fn failed_post_sync() -> Situation {
    let this = Situation::first().with_leftovers().committed();
    this.argo.change(|world| {
        world.pace.rollout = Duration::ZERO;
        world.pace.retry = seconds(600);
        world.pace.longest_retry = seconds(600);
        let bad = this.bad.clone();
        let app = world.app_mut("checkout");
        app.trouble.post_sync.insert(bad, PostSync::Fails);
        app.spec.set_auto_sync(Some(Automated::default()));
    });
    this.later(30)
}

/// One release, and a sync of the next one whose first hook waits for the one before to go.
pub(in super::super) fn running_hook() -> Situation {
    let this = Situation::first().with_leftovers().committed();
    this.change_app(Application::compare_soon);
    this.argo.settle();
    this.argo.change(|world| {
        let app = world.app_mut("checkout");
        app.trouble.hooks = vec![HOOK.to_owned()];
        app.hook_runs = vec![(HOOK.to_owned(), this.good.clone())];
        app.trouble.never_finishes = true;
        world.queue_by_hand("checkout", &this.bad);
    });
    this.later(5)
}

/// The same once it was ended.
pub(in super::super) fn terminated_hook() -> Situation {
    running_hook().terminated().later(5)
}

/// Several sources, of one repository, compared anew.
pub(in super::super) fn several_sources() -> Situation {
    let sources = [FOLDER, OTHER_FOLDER].map(|folder| Source::git(REPO_URL, folder, "main"));
    let spec = Spec::of_many("default", sources.to_vec());
    let this = Situation::begin(Setup::driven(), Application::new("checkout", spec));
    let deploy = |revision: &str| {
        this.argo.change(|world| {
            world.queue_by_hand_as("checkout", "", |operation| {
                operation.sync.revisions = vec![revision.to_owned(); 2];
            });
        });
        this.argo.advance(seconds(60));
    };
    deploy(&this.good);
    this.change_app(|app| app.drift("added-by-bad", Some(&config("added-by-bad", "x"))));
    deploy(&commit(&this.argo.repo(), "1.3.0", 1));
    this.change_app(|app| {
        drop(
            app.annotations
                .insert(HYDRATE.to_owned(), "hard".to_owned()),
        )
    });
    this
}

/// The same, rolled back and compared anew with a revert that renders what runs.
pub(in super::super) fn several_sources_rolled_back() -> Situation {
    let this = several_sources().rolled_back(0).calm().later(30);
    commit(&this.argo.repo(), "1.2.0", 2);
    this.change_app(Application::compare_soon);
    this.argo.settle();
    this.change_app(|app| {
        drop(
            app.annotations
                .insert(HYDRATE.to_owned(), "normal".to_owned()),
        )
    });
    this
}

/// In a namespace of its own.
pub(in super::super) fn elsewhere() -> Situation {
    let source = Source::git(REPO_URL, FOLDER, "main");
    let app = Application::new("checkout", Spec::of("shop", source)).in_namespace("team-a");
    let this = Situation::begin(Setup::driven(), app);
    this.argo.deploy("checkout", &this.good);
    this.deployed()
}

/// With auto-sync, and a third release in git that nobody looked at.
pub(in super::super) fn new_commit() -> Situation {
    let this = Situation::first().deployed().with_auto_sync(None);
    commit(&this.argo.repo(), "1.4.0", 2);
    this
}

/// The same once it was asked to look and has deployed.
pub(in super::super) fn followed() -> Situation {
    let this = new_commit();
    this.change_app(|app| {
        app.annotations
            .insert(HYDRATE.to_owned(), "normal".to_owned());
        app.compare_soon();
    });
    this.argo.settle();
    this.calm()
}

/// Where an operation is at work.
pub(in super::super) fn busy() -> Situation {
    let this = by_hand();
    this.change_app(|app| app.trouble.never_finishes = true);
    this.rolled_back(0).later(5)
}

/// Where a window denies, and people too.
pub(in super::super) fn denied() -> Situation {
    by_hand().with_windows(vec![SyncWindow::deny(false)])
}

/// Where a window denies, but not to people.
pub(in super::super) fn denied_to_machines() -> Situation {
    by_hand().with_windows(vec![SyncWindow::deny(true)])
}
