//! What people wrote into commits reaches everybody who is told, and no secret does that stands there.

use std::fmt::Write;
use std::fs;

use testkit::git::{MonoRepo, deployment};
use testkit::pagerduty::PagerdutyServer;
use testkit::prometheus::shared_month;
use testkit::receiver::Receiver;
use testkit::slack::SlackServer;

use super::world::{REPOSITORY, TOKEN, World};

/// The token in base64, whose letters are looked for as they are.
const ENCODED: &str = "Z2l0b3BzLXRva2VuLW9mLXRoZS10ZXN0cw";

#[test]
fn a_secret_in_a_commit_comes_out_nowhere() {
    let percent: String = TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let parted: String = TOKEN.chars().map(|c| format!("{c}\u{ad}")).collect();
    let forms = [TOKEN, &TOKEN.to_uppercase(), ENCODED, &percent, &parted];
    for form in forms {
        comes_out_nowhere(form);
    }
}

#[track_caller]
fn comes_out_nowhere(form: &str) {
    let world = World::of("bad-release");
    let service = world.service();
    world
        .repo()
        .prepare(&format!("v2 {form}"), shared_month().deployed_at())
        .author(&format!("Kim {form}"), "kim@example.com")
        .write(
            &MonoRepo::manifest_path(&service),
            &deployment(&service, "v2", 0.2),
        )
        .create();
    // Another innocent change stays, and is named too.
    let other = format!("{}/notes-{}.txt", world.path(), form.replace('\u{ad}', "."));
    world
        .repo()
        .prepare(&format!("note {form}"), chrono::Utc::now())
        .author(&format!("Sam {form}"), "sam@example.com")
        .write(&other, "a note\n")
        .create();
    let (slack, pagerduty) = (SlackServer::start(), PagerdutyServer::start());
    let receiver = Receiver::start();
    let program = world
        .program()
        .env("SLACK_WEBHOOK", &slack.webhook_url())
        .env("PAGERDUTY_KEY", PagerdutyServer::KEY)
        .env("PAGERDUTY_EVENTS_URL", &pagerduty.events_url())
        .env("WEBHOOK_URL", &receiver.url())
        .env("WEBHOOK_SECRET", Receiver::SECRET)
        .env("ROLLBACK_REASON", &format!("because of {form}"))
        .env_path("LOG_FILE", &world.state_folder().join("rollbacks.log"));
    let mut said = String::new();
    for arguments in [
        &["--dry-run", "--output", "text"][..],
        &["--dry-run", "--output", "json"],
        &["run", "--output", "json"],
        &["status", "--output", "text"],
        &["check", "--output", "text"],
        &["rollback", "gitops"],
    ] {
        let ran = program.clone().arguments(arguments).run();
        let _ = write!(said, "{}{}", ran.stdout, ran.stderr);
    }
    assert_eq!(world.rollback_commits(), 1, "{said}");
    assert!(said.contains("v2 [redacted]"), "{said}");
    for (who, heard) in [
        ("Slack", format!("{:?}", slack.messages())),
        (
            "PagerDuty",
            format!("{:?} {:?}", pagerduty.alerts(), pagerduty.changes()),
        ),
        ("the webhook", format!("{:?}", receiver.events())),
        ("the branch", world.repo().log()[0].message.clone()),
        ("the state", world.state()),
    ] {
        assert!(heard.contains("[redacted]"), "{who} heard of it: {heard}");
        said.push_str(&heard);
    }
    for entry in fs::read_dir(world.state_folder()).expect("our own folder") {
        let content = fs::read(entry.expect("our own folder").path()).expect("our own file");
        said.push_str(&String::from_utf8_lossy(&content));
    }
    let seen: String = said.chars().filter(|c| *c != '\u{ad}').collect();
    let seen = seen.to_lowercase();
    for secret in [TOKEN, &*ENCODED.to_lowercase(), &*form.to_lowercase()] {
        let at = seen.find(secret);
        let around = at.map(|at| &seen[at.saturating_sub(300)..seen.len().min(at + 100)]);
        assert_eq!(around, None, "{form}");
    }
}

#[test]
fn the_secret_of_another_service_comes_out_nowhere_either() {
    let secret = "canary-of-the-other-service";
    let world = World::of("bad-release");
    let service = world.service();
    let manifest = deployment(&service, "v2", 0.2);
    let title = format!("v2 {secret}");
    world
        .repo()
        .prepare(&title, shared_month().deployed_at())
        .write(&MonoRepo::manifest_path(&service), &manifest)
        .create();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repo = world.server.url(REPOSITORY);
    for (service, more) in [
        ("bad-release", String::new()),
        ("healthy", format!("TRAILER_KEY={secret}\n")),
    ] {
        let path = MonoRepo::path(service);
        let text =
            format!("SERVICE_NAME={service}\nGITOPS_REPO={repo}\nGITOPS_PATH={path}\n{more}");
        fs::write(folder.path().join(format!("{service}.env")), text).expect("our own folder");
    }
    let program = world
        .program()
        .without("SERVICE_NAME")
        .without("GITOPS_REPO")
        .without("GITOPS_PATH")
        .env_path("SERVICES_DIR", folder.path());
    let ran = program.arguments(&["run", "--output", "json"]).run();
    assert_eq!(world.rollback_commits(), 1, "{ran}");
    assert!(ran.stdout.contains("v2 [redacted]"), "{ran}");
    for said in [
        &ran.stdout,
        &ran.stderr,
        &world.state(),
        &world.repo().log()[0].message,
    ] {
        assert!(!said.contains(secret), "{ran}");
    }
}
