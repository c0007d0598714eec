//! `SERVICES_DIR`: one pass serves several services, and one's trouble never stops another's.

use std::fs;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use chrono::Utc;
use error_budget_monitor::journal::{Journal, RecoveredHistory};
use serde_json::Value;
use tempfile::TempDir;
use testkit::git::Fault;
use testkit::prometheus::shared_month;

use super::program::{Program, Ran};
use super::world::World;

/// Services that share a memory, a file for each.
struct Fleet {
    folder: TempDir,
    worlds: Vec<World>,
}

impl Fleet {
    fn of(worlds: Vec<World>) -> Self {
        let fleet = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            worlds,
        };
        for world in &fleet.worlds {
            let repository = world.server.url(super::world::REPOSITORY);
            fleet.file(
                &format!("{}.env", world.service()),
                &format!(
                    "# {0}\nSERVICE_NAME=\"{0}\"\r\n\nGITOPS_REPO={repository}\n GITOPS_PATH = {1} \n",
                    world.service(),
                    world.path()
                ),
            );
            fleet.is_known(world);
        }
        fleet
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("our own folder");
    }

    /// Lets an earlier run have looked at the branch of a service.
    fn is_known(&self, world: &World) {
        let state = self.worlds[0].state_file();
        let mut journal = Journal::open(&state).expect("a usable state");
        let history = RecoveredHistory {
            read_at: Utc::now(),
            source: "an earlier run".to_owned(),
        };
        let adopted = journal.adopt(&world.key(), &[], history);
        adopted.expect("a writable state");
        journal.write_what_is_due().expect("a writable state");
    }

    fn program(&self) -> Program {
        let one = self.worlds[0].program();
        one.without("SERVICE_NAME")
            .without("GITOPS_REPO")
            .without("GITOPS_PATH")
            .env_path("SERVICES_DIR", self.folder.path())
    }

    fn runs(&self, arguments: &[&str]) -> Ran {
        self.program().arguments(arguments).run()
    }
}

/// Returns a text of every record.
fn texts(ran: &Ran, pointer: &str) -> Vec<String> {
    let records = ran.records();
    let text = |record: &Value| {
        let found = record.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or("nothing").to_owned()
    };
    records.iter().map(text).collect()
}

#[test]
fn one_pass_serves_them_all_and_keeps_one_memory() {
    let (bad, v2) = World::with_a_bad_release();
    let tip = bad.repo().tip();
    let fleet = Fleet::of(vec![bad, World::of("healthy")]);
    let metrics = fleet.folder.path().join("numbers.prom");
    let program = fleet.program().env_path("METRICS_TEXTFILE", &metrics);
    let ran = program.arguments(&["run"]).run().exits(0);

    assert_eq!(texts(&ran, "/service"), ["bad-release", "healthy"]);
    assert_eq!(
        texts(&ran, "/rollback/outcome"),
        ["verifying", "nothing"],
        "{ran}"
    );
    let bad = &fleet.worlds[0];
    bad.one_commit_restores(&v2, &bad.v1, &tip);
    let state: Value = serde_json::from_str(&bad.state()).expect("JSON");
    let services = state.pointer("/body/services").expect("services");
    for world in &fleet.worlds {
        assert!(services.get(world.key()).is_some(), "{services:#}");
    }
    let numbers = fs::read_to_string(metrics).expect("the numbers were written");
    for service in ["bad-release", "healthy"] {
        assert!(
            numbers.contains(&format!("service=\"{service}\"")),
            "{numbers}"
        );
    }
}

#[test]
fn the_trouble_of_one_stops_no_other() {
    let (bad, v2) = World::with_a_bad_release();
    let tip = bad.repo().tip();
    let slow = World::of("slow-release");
    slow.release("v2", shared_month().deployed_at());
    slow.server.set_fault(Fault::Status(503));
    let fleet = Fleet::of(vec![bad, slow]);
    let ran = fleet.runs(&["run"]).exits(69);
    assert_eq!(texts(&ran, "/decision/action"), ["rollback", "hold"]);
    assert_eq!(texts(&ran, "/decision/reason"), ["trigger", "unknown_data"]);
    let ran = ran.complains_of(&["HTTP 503"]);
    let is_named =
        |line: &Value| line["level"] == "ERROR" && line["slo.name"] == "shop/slow-release";
    assert!(ran.log().iter().any(is_named), "{ran}");
    let bad = &fleet.worlds[0];
    bad.one_commit_restores(&v2, &bad.v1, &tip);
}

#[test]
fn the_gate_of_all_is_the_gate_of_the_worst() {
    let fleet = Fleet::of(vec![World::of("exhausted"), World::of("healthy")]);
    let outputs = fleet.folder.path().join("outputs");
    let program = fleet.program().env_path("GITHUB_OUTPUT", &outputs);
    let ran = program.arguments(&["check"]).run().exits(3);
    assert_eq!(texts(&ran, "/service"), ["exhausted", "healthy"]);
    let outputs = fs::read_to_string(outputs).expect("the outputs were written");
    for line in [
        "exit_code=3",
        "blocked_services=shop/exhausted",
        "service=exhausted",
    ] {
        assert!(outputs.lines().any(|it| it == line), "{line} in {outputs}");
    }
    for name in ["healthy", "shop/healthy"] {
        let ran = fleet.runs(&["check", "--service", name]).exits(0);
        assert_eq!(texts(&ran, "/service"), ["healthy"]);
    }
    let ran = fleet.runs(&["status", "--output", "text"]).exits(0);
    // A line each, the worst first.
    let services: Vec<_> = ran
        .stdout
        .lines()
        .filter_map(|line| {
            line.split_whitespace()
                .find(|word| word.starts_with("shop/"))
        })
        .collect();
    assert_eq!(services, ["shop/exhausted", "shop/healthy"], "{ran}");
    let gate = fleet.runs(&["check", "--output", "text"]).exits(3);
    assert!(
        gate.stdout.starts_with("verdict  service         consumed"),
        "{gate}"
    );
    assert!(
        gate.stdout.contains("  blocked: ") && gate.stdout.contains("  may deploy: "),
        "{gate}"
    );
    let ran = fleet.runs(&["check", "--service", "unheard-of"]).exits(64);
    ran.complains_of(&["unheard-of", "shop/exhausted", "shop/healthy"]);
}

#[test]
fn what_a_person_does_goes_to_one() {
    let (bad, v2) = World::with_a_bad_release();
    let fleet = Fleet::of(vec![bad, World::of("healthy")]);
    let ran = fleet.runs(&["rollback"]).exits(64);
    ran.complains_of(&["--service", "shop/bad-release"]);
    assert_eq!(fleet.worlds[0].rollback_commits(), 0);
    let ran = fleet
        .runs(&["rollback", "--service", "bad-release"])
        .exits(0);
    let ran = ran.decides("rollback", "manual");
    assert_eq!(ran.text("/rollback/from"), v2);
    let id = ran.text("/rollback/id");
    // The id says which service is meant.
    let ran = fleet.runs(&["release", &id]).exits(0);
    assert_eq!(ran.record["service"], "bad-release", "{ran}");
    let ran = fleet.runs(&["release", "unheard-of"]).exits(1);
    ran.complains_of(&["unheard-of", "any service"]);
}

#[test]
fn every_problem_of_every_file_is_listed_before_anything_is_asked() {
    let nobody_calls = TcpListener::bind("127.0.0.1:0").expect("a free port");
    nobody_calls.set_nonblocking(true).expect("our own socket");
    let address = nobody_calls.local_addr().expect("a bound port");
    let fleet = Fleet::of(vec![World::at(&format!("http://{address}"), "healthy")]);
    fleet.file("again.env", "SERVICE_NAME=healthy\n");
    fleet.file(
        "odd.env",
        "SERVICE_NAME=odd\nERROR_BUGDET=0.1\nCOOLDOWN=5m\nCOOLDOWN=6m\n\"\n",
    );
    fleet.file(
        "other.env",
        "SERVICE_NAME=other\nERROR_BUDGET=99.9%\nSTATE_FILE=/tmp/mine\n",
    );
    fleet.file(
        "quote.env",
        "SERVICE_NAME=quote\nGITOPS_TOKEN=\"canary-of-the-tests\n",
    );
    fleet.file("same.env", "SERVICE_NAME=same\nSERVICES_DIR=/etc\n");
    fleet.file("ignored.txt", "neither read nor judged");
    fs::create_dir(fleet.folder.path().join("folder.env")).expect("our own folder");
    let program = fleet.program().env("ATTRIBUTION_WINDOW", "soon");
    for arguments in [&["run"][..], &["check"], &["doctor"]] {
        let ran = program.clone().arguments(arguments).run().exits(78);
        let ran = ran.keeps_secret("canary-of-the-tests");
        assert_eq!(ran.stdout, "");
        for (file, words) in [
            ("odd.env", "ERROR_BUGDET"),
            ("odd.env", "line 4 sets COOLDOWN a second time"),
            ("odd.env", "line 5 is not NAME=VALUE"),
            ("other.env", "ERROR_BUDGET"),
            ("other.env", "STATE_FILE is shared"),
            ("quote.env", "line 2 gives GITOPS_TOKEN"),
            ("same.env", "SERVICES_DIR"),
            ("folder.env", "not a regular file"),
            ("healthy.env", "ATTRIBUTION_WINDOW"),
        ] {
            let is_it =
                |line: &&str| line.starts_with(&format!("- {file}: ")) && line.contains(words);
            assert_eq!(
                ran.stderr.lines().filter(is_it).count(),
                1,
                "{file} {words}\n{ran}"
            );
        }
        assert!(!ran.stderr.contains("ignored.txt"), "{ran}");
    }
    assert!(nobody_calls.accept().is_err(), "somebody was asked");
}

#[test]
fn a_service_stands_in_one_file_and_a_problem_of_all_is_told_once() {
    let fleet = Fleet::of(vec![World::of("healthy"), World::of("never-failed")]);
    fleet.file(
        "again.env",
        "SERVICE_NAME=healthy\nGITOPS_REPO=a/b\nGITOPS_PATH=c\n",
    );
    let ran = fleet.runs(&["run"]).exits(78);
    assert!(
        ran.stderr
            .contains("- healthy.env: is about shop/healthy, as again.env is"),
        "{ran}"
    );

    let broken = fleet.program().env("PROMETHEUS_URL", "nowhere");
    let ran = broken.arguments(&["run"]).run().exits(78);
    assert_eq!(ran.stderr.matches("PROMETHEUS_URL").count(), 1, "{ran}");

    for (folder, words) in [
        ("/nowhere", "cannot be read"),
        ("/proc/self/fd", "no file *.env"),
    ] {
        let program = fleet
            .program()
            .env("SERVICES_DIR", folder)
            .arguments(&["run"]);
        let ran = program.run().exits(78);
        assert!(
            ran.stderr.contains("SERVICES_DIR") && ran.stderr.contains(words),
            "{ran}"
        );
    }
}

#[test]
fn the_lock_is_one_for_all() {
    let fleet = Fleet::of(vec![World::of("healthy"), World::of("never-failed")]);
    let held = Journal::open(&fleet.worlds[0].state_file()).expect("a usable state");
    fleet.runs(&["run"]).exits(75).complains_of(&["lock"]);
    // Who only looks needs none.
    let ran = fleet.runs(&["run", "--dry-run"]).exits(0);
    assert_eq!(ran.records().len(), 2);
    drop(held);
    fleet.runs(&["run"]).exits(0).complains_of_nothing();
}

#[test]
fn a_service_that_hangs_holds_up_no_other() {
    let (bad, v2) = World::with_a_bad_release();
    let tip = bad.repo().tip();
    let fleet = Fleet::of(vec![bad]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("a bound port");
    // Its name comes first, so that one after the other would never come to the second.
    fleet.file(
        "a.env",
        &format!("SERVICE_NAME=silent\nGITOPS_TOKEN=\nPROMETHEUS_URL=http://{address}\nPROMETHEUS_TIMEOUT=5m\n"),
    );
    let bad = &fleet.worlds[0];
    let (pushes, pushed) = mpsc::channel();
    bad.server.before_next_push(move || {
        let _ = pushes.send(());
    });
    let running = fleet.program().arguments(&["run"]).start();
    let came = pushed.recv_timeout(Duration::from_secs(120));
    came.expect("the other is rolled back meanwhile");
    running.told_to_end();
    let ran = running.wait().exits(75).complains_of(&["told to end"]);
    assert_eq!(texts(&ran, "/service"), ["bad-release"]);
    assert_eq!(texts(&ran, "/rollback/outcome"), ["verifying"]);
    bad.one_commit_restores(&v2, &bad.v1, &tip);
}

#[test]
fn a_mounted_config_map_is_read_and_an_approval_finds_its_service() {
    let (bad, _) = World::with_a_bad_release();
    let fleet = Fleet::of(vec![bad, World::of("healthy")]);
    // As the kubelet mounts it: the files are links into a hidden folder.
    let hidden = fleet.folder.path().join("..data");
    fs::create_dir(&hidden).expect("our own folder");
    let file = fleet.folder.path().join("bad-release.env");
    let text = fs::read_to_string(&file).expect("our own file");
    fs::write(
        hidden.join("bad-release.env"),
        text + "REQUIRE_APPROVAL=true",
    )
    .expect("our own folder");
    fs::remove_file(&file).expect("our own file");
    std::os::unix::fs::symlink("..data/bad-release.env", &file).expect("our own folder");

    let ran = fleet.runs(&["run"]).exits(0);
    let outcomes = texts(&ran, "/rollback/outcome");
    assert_eq!(outcomes, ["awaiting_approval", "nothing"], "{ran}");
    let id = texts(&ran, "/rollback/id").swap_remove(0);
    let ran = fleet.runs(&["approve", &id, "--by", "Ada"]).exits(0);
    assert_eq!(ran.text("/service"), "bad-release");
    let ran = fleet.runs(&["run"]).exits(0);
    assert_eq!(texts(&ran, "/rollback/outcome"), ["verifying", "nothing"]);
    assert_eq!(fleet.worlds[0].rollback_commits(), 1);
}

#[test]
fn a_damaged_memory_is_told_of_every_service() {
    let fleet = Fleet::of(vec![World::of("healthy"), World::of("never-failed")]);
    let state = fleet.worlds[0].state_file();
    fs::write(&state, "{").expect("our own file");
    let _ = fs::remove_file(state.with_file_name("state.json.prev"));
    let ran = fleet.runs(&["run"]).exits(0);
    let is_news = |line: &&Value| line["kind"] == "memory_rebuilt";
    let told: Vec<Value> = ran.log();
    let news: Vec<&Value> = told.iter().filter(is_news).collect();
    assert_eq!(news.len(), 2, "{ran}");
    let place = format!("the state file {} was damaged: ", state.display());
    for one in news {
        let detail = one["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(&place), "{one}");
    }
}

/// Largest memory of a pass (KiB), whatever the servers answer: 128 MiB are promised and some 90 are seen; on a busy
/// machine more waits in the connections.
const MOST_MEMORY: i64 = 160 * 1024;

#[test]
fn answers_as_large_as_may_be_fill_no_memory_whatever_the_number_of_services() {
    // Nearly 8 MiB of series, each with labels of its own.
    let labels: String = (0..10)
        .map(|label| format!(r#""l{label}":"{}","#, "x".repeat(150)))
        .collect();
    let series =
        |number: usize| format!(r#"{{"metric":{{{labels}"n":"{number}"}},"value":[1,"1"]}}"#);
    let all: Vec<String> = (0..4_900).map(series).collect();
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
        all.join(",")
    );
    assert!(
        body.len() > 7_000_000 && body.len() < 8 * 1024 * 1024,
        "{}",
        body.len()
    );
    let huge =
        testkit::stub::Stub::http(move |_| Some(testkit::stub::Reply::json(200, body.clone())));
    let folder = tempfile::tempdir().expect("a temporary folder");
    for number in 0..16 {
        let file = folder.path().join(format!("{number}.env"));
        fs::write(file, format!("SERVICE_NAME=web-{number}\n")).expect("our own folder");
    }
    let state = tempfile::tempdir().expect("a temporary folder");
    let program = Program::bare()
        .env("NAMESPACE", "shop")
        .env("PROMETHEUS_URL", &huge.url())
        .env_path("SERVICES_DIR", folder.path())
        .env_path("STATE_FILE", &state.path().join("state.json"))
        .arguments(&["check"]);
    let (code, most) = program.run_for_memory();
    assert_ne!(code, 0, "such answers are no measurement");
    assert!(most <= MOST_MEMORY, "{most} KiB");
}
