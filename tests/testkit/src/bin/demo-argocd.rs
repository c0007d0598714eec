//! The demo's Argo CD: deploys one application of a bare repository, tells what it does and keeps what runs in a
//! folder.
#![expect(
    clippy::print_stdout,
    reason = "the demo script shows what this program prints"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use chrono::Utc;
use testkit::argocd::{Application, ArgoServer, Automated, Pace, Setup, Source, Spec, World};
use testkit::demo::{Arguments, Chronicle, Mirror, publish};
use testkit::git::GitRepo;

/// How long things take: long enough to be seen, and short enough for a demo.
const PACE: Pace = Pace {
    operation: Duration::from_secs(1),
    rollout: Duration::from_secs(2),
    comparison: Duration::from_secs(3),
    ..Pace::QUICK
};

/// Time between two looks at what Argo CD did: what runs takes effect this soon.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Who may read and sync the application: the program, and a person.
const USERS: [&str; 2] = ["slo-bot", "alice"];

fn main() {
    let arguments = Arguments::from_env(&[
        "git-dir",
        "repo-url",
        "path",
        "manifest",
        "app",
        "project",
        "auto-sync",
        "live-folder",
        "report-folder",
        "token-folder",
        "began-at",
        "address-file",
    ]);
    let (name, project) = (arguments.required("app"), arguments.required("project"));
    let repo = GitRepo::open(Path::new(arguments.required("git-dir")));
    let url = arguments.required("repo-url");
    let argo = Setup::live(PACE).over(repo, url).start();
    let source = Source::git(url, arguments.required("path"), "main");
    argo.change(|world| world.add(Application::new(name, Spec::of(project, source))));
    deploy_as_long_ago_as_git_says(&argo, name);
    switch_auto_sync(&argo, name, arguments.required("auto-sync"));
    hand_out_tokens(
        &argo,
        &format!("{project}/{name}"),
        Path::new(arguments.required("token-folder")),
    );

    let mut cluster = Mirror::new(Path::new(arguments.required("live-folder")));
    let mut reports = Mirror::new(Path::new(arguments.required("report-folder")));
    let mut chronicle = Chronicle::new(name, arguments.required("manifest"));
    let began_at = arguments.number("began-at", 0.0) as i64;
    let tell = |sentence: &str| {
        let seconds = Utc::now().timestamp() - began_at;
        println!("{seconds:4} s  Argo CD: {sentence}");
    };
    cluster.hold(argo.look(|world| running(world, name)));
    reports.hold(argo.look(|world| report(world, &chronicle)));
    publish(Path::new(arguments.required("address-file")), &argo.url());
    tell(&argo.look(|world| chronicle.opening(world)));
    loop {
        let (running, report, news) = argo.look(|world| {
            let report = report(world, &chronicle);
            (running(world, name), report, chronicle.news(world))
        });
        cluster.hold(running);
        reports.hold(report);
        news.iter().for_each(|sentence| tell(sentence));
        thread::sleep(LOOK_EVERY);
    }
}

/// Deploys what the branch holds, and dates that back to the commit: the demo begins with something that has run for
/// a while.
fn deploy_as_long_ago_as_git_says(argo: &ArgoServer, name: &str) {
    argo.deploy(name, "main");
    let log = argo.repo().log();
    let at = log.first().expect("a commit to deploy").committed_at;
    argo.change(|world| {
        let app = world.app_mut(name);
        app.created_at = at;
        for entry in &mut app.status.history {
            entry.deployed_at = at;
            entry.deploy_started_at = Some(at);
        }
        if let Some(state) = &mut app.status.operation_state {
            state.started_at = at;
            state.finished_at = Some(at);
        }
    });
    argo.forget();
}

fn switch_auto_sync(argo: &ArgoServer, name: &str, to: &str) {
    let automated = match to {
        "on" => Some(Automated::default()),
        "off" => None,
        other => panic!("--auto-sync is on or off, not {other}"),
    };
    argo.change(|world| world.app_mut(name).spec.set_auto_sync(automated));
}

/// Writes a token of each user to a file of that name.
fn hand_out_tokens(argo: &ArgoServer, object: &str, folder: &Path) {
    fs::create_dir_all(folder).expect("the folder is writable");
    for user in USERS {
        let token = argo.token_for(user, &["get", "sync"], object);
        publish(&folder.join(user), &token);
    }
}

/// Returns the objects that run.
fn running(world: &World, name: &str) -> BTreeMap<String, String> {
    let live = world.app(name).live.iter();
    live.map(|(name, object)| (name.clone(), object.text.clone()))
        .collect()
}

/// Returns what the demo shows and checks of the application.
fn report(world: &World, chronicle: &Chronicle) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("status".to_owned(), chronicle.status(world)),
        ("history".to_owned(), chronicle.history(world)),
        ("operations".to_owned(), chronicle.operations(world)),
    ])
}
