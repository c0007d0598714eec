//! What all services of one pass have in common: a burn of many, and the limit of all together.

use std::fs;

use chrono::TimeDelta;
use error_budget_monitor::journal::{self, Journal, RecoveredHistory};
use serde_json::Value;
use tempfile::TempDir;
use testkit::back_end::{BackEnd, Running};
use testkit::fleet::{Fleet, Ill, labels};
use testkit::git::{GitServer, MonoRepo};
use testkit::pagerduty::PagerdutyServer;

use super::program::{Program, Ran};
use super::world::{REPOSITORY, TOKEN};

/// How many services there are: two of them burning are no tenth of all, and four are.
const SERVICES: usize = 24;

/// Services with one repository.
struct Scene {
    fleet: Fleet,
    prometheus: Running,
    git: GitServer,
    team: MonoRepo,
    pagerduty: PagerdutyServer,
    services: TempDir,
    folder: TempDir,
}

/// Whether each service that burns has a release of its own.
#[derive(Clone, Copy, PartialEq)]
enum Releases {
    Apart,
    InOneCommit,
}

impl Scene {
    /// Lets some services burn since their release.
    fn burning(burning: &[usize], releases: Releases) -> Self {
        let fleet = burning.iter().fold(Fleet::of(SERVICES), |fleet, service| {
            fleet.ill(*service, Ill::Burning)
        });
        let prometheus = fleet.start(BackEnd::DebianPrometheus);
        let git = GitServer::with_token(TOKEN);
        let names: Vec<String> = (0..SERVICES).map(|it| labels(it).service).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let begin = fleet.now() - TimeDelta::days(3);
        let team = MonoRepo::seed(git.create(REPOSITORY), &names, begin);
        match releases {
            Releases::Apart => {
                for (place, service) in burning.iter().enumerate() {
                    let at = fleet.deployed_at() + TimeDelta::seconds(place as i64);
                    team.release(names[*service], "v2", 0.2, at);
                }
            }
            Releases::InOneCommit => {
                let commit = team.repo().prepare("Everybody: v2", fleet.deployed_at());
                let commit = burning.iter().fold(commit, |commit, service| {
                    let manifest = testkit::git::deployment(names[*service], "v2", 0.2);
                    commit.write(&MonoRepo::manifest_path(names[*service]), &manifest)
                });
                commit.create();
            }
        }
        let services = fleet.services_dir(|service| {
            format!("GITOPS_PATH={}", MonoRepo::path(&labels(service).service))
        });
        let scene = Self {
            prometheus: prometheus.expect("Debian has it"),
            fleet,
            git,
            team,
            pagerduty: PagerdutyServer::start(),
            services,
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        scene.is_known();
        scene
    }

    /// Lets an earlier run have looked at the branch.
    fn is_known(&self) {
        let mut journal = Journal::open(&self.state_file()).expect("a usable state");
        for service in 0..SERVICES {
            let history = RecoveredHistory {
                read_at: self.fleet.now(),
                source: "an earlier run".to_owned(),
            };
            let adopted = journal.adopt(&key(service), &[], history);
            adopted.expect("a writable state");
        }
        journal.write_what_is_due().expect("a writable state");
    }

    fn state_file(&self) -> std::path::PathBuf {
        self.folder.path().join("state.json")
    }

    fn program(&self) -> Program {
        Program::bare()
            .env_path("SERVICES_DIR", self.services.path())
            .env("PROMETHEUS_URL", &self.prometheus.url())
            .env("PROMETHEUS_TIMEOUT", "60s")
            .env("SLO_WINDOW", "1h")
            .env("GITOPS_REPO", &self.git.url(REPOSITORY))
            .env("GITOPS_TOKEN", TOKEN)
            .env("ROLLBACK_ENABLED", "true")
            .env("BLACKOUT_WINDOWS", "none")
            .env("VERIFY_TIMEOUT", "0s")
            .env("STABILIZATION", "0s")
            .env("PAGERDUTY_KEY", PagerdutyServer::KEY)
            .env("PAGERDUTY_EVENTS_URL", &self.pagerduty.events_url())
            .env_path("STATE_FILE", &self.state_file())
    }

    /// The services that were rolled back, as the branch says.
    fn rolled_back(&self) -> Vec<String> {
        let log = self.team.repo().log();
        let ours = log
            .iter()
            .filter(|entry| entry.message.contains("Error-Budget-Rollback:"));
        let mut touched: Vec<String> = ours
            .flat_map(|entry| {
                (0..SERVICES)
                    .map(|it| labels(it).service)
                    .filter(|service| {
                        let tree = |revision: &str| {
                            self.team.repo().tree_at(revision, &MonoRepo::path(service))
                        };
                        tree(&entry.id) != tree(&format!("{}^", entry.id))
                    })
            })
            .collect();
        touched.sort();
        touched
    }
}

fn key(service: usize) -> String {
    let labels = labels(service);
    format!("{}/{}", labels.namespace, labels.service)
}

/// Returns the decision of each service that does something or holds, by its name.
fn decisions(ran: &Ran) -> Vec<(String, String, String)> {
    let text = |record: &Value, pointer: &str| {
        record
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("nothing")
            .to_owned()
    };
    let mut decisions: Vec<_> = ran
        .records()
        .iter()
        .map(|record| {
            (
                text(record, "/service"),
                text(record, "/decision/action"),
                text(record, "/decision/reason"),
            )
        })
        .filter(|(_, action, _)| action != "none")
        .collect();
    decisions.sort();
    decisions
}

#[test]
fn many_that_burn_at_once_are_held_and_one_alert_speaks_for_all() {
    let burning = [2, 5, 9, 21];
    let scene = Scene::burning(&burning, Releases::Apart);
    for _ in 0..2 {
        let ran = scene.program().run().exits(0);
        let held: Vec<_> = burning
            .iter()
            .map(|it| {
                (
                    labels(*it).service,
                    "hold".to_owned(),
                    "fleet_wide".to_owned(),
                )
            })
            .collect();
        assert_eq!(decisions(&ran), held, "{ran}");
        let gates: Vec<Value> = ran
            .records()
            .iter()
            .filter(|record| record["decision"]["reason"] == "fleet_wide")
            .filter_map(|record| {
                let gates = record["decision"]["gates"].as_array()?;
                let fleet = gates.iter().find(|gate| gate["gate"] == "fleet");
                fleet.cloned()
            })
            .collect();
        assert_eq!(gates.len(), burning.len());
        assert!(
            gates.iter().all(|gate| {
                let detail = gate["detail"].as_str().unwrap_or_default();
                detail.starts_with("4 of 24 services burn at once")
            }),
            "{gates:?}"
        );
        let alerts = scene.pagerduty.alerts();
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!(alerts[0].triggers, 1);
    }
    assert_eq!(scene.git.push_attempts(), 0);
}

#[test]
fn one_commit_that_breaks_many_is_a_release() {
    let burning = [2, 5, 9, 21];
    let scene = Scene::burning(&burning, Releases::InOneCommit);
    let ran = scene.program().run().exits(0);
    let rolled: Vec<_> = burning
        .iter()
        .map(|it| {
            (
                labels(*it).service,
                "rollback".to_owned(),
                "trigger".to_owned(),
            )
        })
        .collect();
    assert_eq!(decisions(&ran), rolled, "{ran}");
    let names: Vec<String> = burning.iter().map(|it| labels(*it).service).collect();
    assert_eq!(scene.rolled_back(), names);
}

#[test]
fn all_services_together_have_a_limit_for_an_hour() {
    let burning = [3, 8];
    let scene = Scene::burning(&burning, Releases::Apart);
    let one = || scene.program().env("MAX_ROLLBACKS_PER_HOUR_FLEET", "1");
    let ran = one().run().exits(0);
    let reasons: Vec<String> = decisions(&ran)
        .into_iter()
        .map(|(.., reason)| reason)
        .collect();
    assert_eq!(reasons.len(), 2, "{ran}");
    assert!(reasons.contains(&"trigger".to_owned()), "{ran}");
    assert!(reasons.contains(&"hourly_limit".to_owned()), "{ran}");
    assert!(
        ran.stdout.contains("MAX_ROLLBACKS_PER_HOUR_FLEET is 1"),
        "{ran}"
    );
    assert_eq!(scene.rolled_back().len(), 1);
    // The next pass knows it from the state.
    one().run().exits(0);
    assert_eq!(scene.rolled_back().len(), 1);
    // A tenth of them, which is two.
    scene.program().run().exits(0);
    assert_eq!(scene.rolled_back().len(), 2);
}

#[test]
fn a_pass_that_measures_nothing_writes_the_memory_once_for_all() {
    let scene = Scene::burning(&[], Releases::Apart);
    let generation = || {
        let text = fs::read_to_string(scene.state_file()).expect("a state");
        let state: Value = serde_json::from_str(&text).expect("a state");
        state["generation"].as_u64().expect("it is counted")
    };
    let before = generation();
    // That nothing was measured is counted for each service.
    let blind = scene.program().env("PROMETHEUS_URL", "http://127.0.0.1:9");
    let ran = blind.run().exits(69);
    assert_eq!(ran.records().len(), SERVICES);
    // What is new of each of them goes to disk together.
    assert_eq!(generation() - before, 1, "{ran}");
}

#[test]
fn a_service_that_is_taken_out_while_its_rollback_goes_on_is_told() {
    let scene = Scene::burning(&[3], Releases::Apart);
    let ran = scene.program().run().exits(0);
    assert!(ran.stdout.contains("\"outcome\":\"verifying\""), "{ran}");
    let name = labels(3);
    let file = scene
        .services
        .path()
        .join(format!("{}.{}.env", name.namespace, name.service));
    fs::remove_file(&file).expect("our own folder");
    for _ in 0..2 {
        let ran = scene.program().run();
        let told = ran.log().iter().any(|line| {
            line["message"].as_str().is_some_and(|message| {
                message.contains(&key(3)) && message.contains("SERVICES_DIR")
            })
        });
        assert!(told, "{ran}");
        let state = journal::read(&scene.state_file()).expect("a state").state;
        assert!(state.service(&key(3)).unfinished().is_some(), "it is kept");
    }
}
