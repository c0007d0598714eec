//! The demo's service obeys what Argo CD deployed, not what the branch says, and its people say what they were told.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use tempfile::TempDir;
use testkit::git::{GitRepo, GitServer, MonoRepo};
use testkit::http::{self, Answer};
use testkit::pagerduty::PagerdutyServer;
use testkit::slack::SlackServer;

/// Longest wait for what must happen. It keeps a test that fails from hanging.
const PATIENCE: Duration = Duration::from_secs(60);
const SERVICE: &str = "checkout";
const URL: &str = "https://git.example.com/platform/gitops.git";

#[test]
fn a_release_synced_by_hand_burns_and_a_rollback_by_the_api_ends_it() {
    let stage = Stage::set("off");
    stage.service.expect("now running v1");
    assert!(stage.error_ratio() < 0.01);

    stage.release("v2", 0.5);
    stage.argo.expect("OutOfSync: git says v2, v1 runs");
    assert!(stage.error_ratio() < 0.01, "a commit alone deploys nothing");

    stage.post("alice", "sync", r#"{"project":"shop"}"#);
    stage.service.expect("now running v2");
    let ratio = stage.error_ratio();
    assert!((0.4..0.6).contains(&ratio), "{ratio}");

    stage.argo.expect("sync to v2");
    stage.argo.expect("Synced: git says v2, v2 runs");
    stage.post("slo-bot", "rollback", r#"{"id":0,"project":"shop"}"#);
    stage.service.expect("now running v1");
    assert!(stage.error_ratio() < 0.01);
    stage.argo.expect("slo-bot asks for a rollback to v1");
    stage.argo.expect("OutOfSync: git says v2, v1 runs");

    stage.release("v1", 0.0);
    stage.argo.expect("Synced: git says v1, v1 runs");
    let report = stage.report("operations");
    let lines: Vec<_> = report.lines().map(without_id).collect();
    assert_eq!(
        lines,
        [
            "sync to v2, asked for by alice: Succeeded",
            "rollback to v1, asked for by slo-bot: Succeeded"
        ]
    );
    assert_eq!(stage.deployed_versions(), ["v1", "v2", "v1"]);
    let status = stage.report("status");
    assert!(status.contains("auto-sync off"), "{status}");
    assert!(status.contains("unknown-fields none"), "{status}");
}

#[test]
fn with_auto_sync_a_release_burns_and_its_revert_ends_it() {
    let stage = Stage::set("on");
    stage.service.expect("now running v1");

    stage.release("v2", 0.25);
    stage.argo.expect("auto-sync begins to deploy v2");
    stage.service.expect("now running v2");
    let ratio = stage.error_ratio();
    assert!((0.2..0.3).contains(&ratio), "{ratio}");

    stage.release("v1", 0.0);
    stage.argo.expect("auto-sync begins to deploy v1");
    stage.service.expect("now running v1");
    assert!(stage.error_ratio() < 0.01);
    stage.argo.expect("Synced: git says v1, v1 runs");
    assert_eq!(stage.deployed_versions(), ["v1", "v2", "v1"]);
}

#[test]
fn of_several_services_each_runs_what_git_says_of_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let read = |name: &str| fs::read_to_string(at(name)).expect("a file of the demo");
    let names = [SERVICE, "payments", "search"];
    let repo = GitRepo::create(Path::new(&at("gitops.git")));
    let shop = MonoRepo::seed(repo, &names, Utc::now() - TimeDelta::hours(2));
    let services = Program::start(
        env!("CARGO_BIN_EXE_demo-service"),
        &[
            ("git-dir", &at("gitops.git")),
            ("namespace", "shop"),
            ("service", &names.join(",")),
            ("requests-per-second", "100000"),
            ("address-file", &at("services")),
        ],
    );
    services.expect("search is now running v1");
    shop.release("payments", "v2", 0.5, Utc::now());
    services.expect("payments is now running v2, which fails 50 % of its requests");
    let addresses = read("services");
    let ratios: Vec<f64> = addresses.lines().map(error_ratio).collect();
    assert!(matches!(ratios[..], [a, b, c] if a < 0.01 && b > 0.4 && c < 0.01));

    let prometheus = Program::start(
        env!("CARGO_BIN_EXE_demo-prometheus"),
        &[
            ("target-file", &at("services")),
            ("namespace", "shop"),
            ("service", &names.join(",")),
            ("history-minutes", "5"),
            ("address-file", &at("prometheus")),
        ],
    );
    prometheus.expect("open at ");
    let url = read("prometheus");
    let counted = "count(sum by (service) (http_requests_total offset 2m))";
    let target = format!("GET /api/v1/query?query={}", counted.replace(' ', "+"));
    let answer = ask(&url.replace("http://", ""), &target, &[], "").json();
    assert_eq!(answer["data"]["result"][0]["value"][1], "3", "{answer}");
}

const REPOSITORY: &str = "platform/gitops";
const GIT_TOKEN: &str = "canary-git-token";
const ROLLBACK: &str = "checkout-1";

#[test]
fn people_count_what_they_were_told_of_a_rollback() {
    let people = Hall::open();
    assert!(people.counted("slack-messages 0\nslack-changes 0\nslack-others 0\n"));
    assert_eq!(people.at_desk("slack"), "");

    people.slack("chat.postMessage", &message("Rollback started"));
    people.pagerduty("/v2/enqueue", &event("trigger"));
    assert!(people.counted("slack-messages 1\nslack-changes 0\nslack-others 0\n"));
    assert!(people.counted("alerts 1\nalerts-others 0\nalerts-open 1\ntriggers 1\nresolves 0\n"));
    assert!(
        people
            .at_desk("pagerduty")
            .contains("it burns [critical] open")
    );

    let change = message("Rollback *recovered* &amp; closed")
        .replacen('{', r#"{"ts":"1795225503.000001","#, 1)
        .replace(SlackServer::CHANNEL, SlackServer::CHANNEL_ID);
    people.slack("chat.update", &change);
    people.pagerduty("/v2/enqueue", &event("resolve"));
    assert!(people.counted("slack-messages 1\nslack-changes 1\nslack-others 0\n"));
    assert!(people.counted("alerts 1\nalerts-others 0\nalerts-open 0\ntriggers 1\nresolves 1\n"));
    assert!(people.counted("violations 0\n"));
    assert_eq!(
        people.at_desk("slack"),
        "Rollback recovered & closed\nrollback checkout-1 · now\n"
    );

    // One message too many, and one about nothing that anybody knows.
    people.slack("chat.postMessage", &message("Rollback started"));
    people.slack(
        "chat.postMessage",
        &message("Budget").replace("rollback checkout-1 · ", ""),
    );
    assert!(people.counted("slack-messages 2\nslack-changes 1\nslack-others 1\n"));
    people.slack("chat.postMessage", &message("<!channel>"));
    assert!(
        people.counted("violations 1\n") && people.at_desk("violations").contains("calls people")
    );
}

#[test]
fn people_hand_out_settings_whose_secrets_are_in_files() {
    let people = Hall::open();
    let settings = people.read("settings");
    let secrets = [
        SlackServer::TOKEN,
        PagerdutyServer::KEY,
        SlackServer::WEBHOOK,
        GIT_TOKEN,
    ];
    assert!(
        secrets.iter().all(|secret| !settings.contains(secret)),
        "{settings}"
    );
    assert_eq!(people.secret("SLACK_BOT_TOKEN_FILE"), SlackServer::TOKEN);
    assert_eq!(people.secret("PAGERDUTY_KEY_FILE"), PagerdutyServer::KEY);
    let gateway = people.setting("PUSHGATEWAY_URL");
    assert_eq!(gateway, format!("http://{}", people.read("gateway")));
    let ready = ask(&people.read("gateway"), "GET /-/ready", &[], "");
    assert_eq!(ready.status, 200);
    assert!(people.counted("groups 0\n"));
    let address = gateway.replace("http://", "");
    let (target, numbers) = ("PUT /metrics/job/a", "a_total 1\n");
    let pushed = ask(&address, target, &[], numbers);
    assert!((200..210).contains(&pushed.status), "{pushed:?}");
    assert!(people.counted("groups 1\n"));
}

/// The demo's people in front of a git server.
struct Hall {
    folder: TempDir,
    _people: Program,
    _git: GitServer,
}

impl Hall {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let git = GitServer::serving(folder.path(), Some(GIT_TOKEN));
        git.create(REPOSITORY);
        fs::write(at("token"), GIT_TOKEN).expect("our own folder");
        let people = Program::start(
            env!("CARGO_BIN_EXE_demo-people"),
            &[
                ("git-root", &at("")),
                ("repository", REPOSITORY),
                ("git-url", &git.base_url()),
                ("git-token-file", &at("token")),
                ("secrets-folder", &at("secrets")),
                ("settings-file", &at("settings")),
                ("gateway-file", &at("gateway")),
                ("address-file", &at("people")),
            ],
        );
        people.expect("open at ");
        Self {
            folder,
            _people: people,
            _git: git,
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("a file of the demo")
    }

    fn setting(&self, name: &str) -> String {
        let settings = self.read("settings");
        let mut pairs = settings.lines().filter_map(|line| line.split_once('='));
        let found = pairs.find(|(known, _)| *known == name);
        found.expect("a setting").1.to_owned()
    }

    fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.setting(name)).expect("a secret of the demo")
    }

    fn at_desk(&self, page: &str) -> String {
        let address = self.read("people").replace("http://", "");
        let answer = ask(&address, &format!("GET /{page}"), &[], "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// Tells whether these lines stand together among the counts of the rollback.
    fn counted(&self, lines: &str) -> bool {
        self.at_desk(&format!("counts/{ROLLBACK}")).contains(lines)
    }

    /// Says something to Slack as the bot.
    #[track_caller]
    fn slack(&self, method: &str, body: &str) {
        let token = self.secret("SLACK_BOT_TOKEN_FILE");
        let bearer = format!("Authorization: Bearer {token}");
        let url = format!("{}{method}", self.setting("SLACK_API_URL"));
        let answer = post(&url, &[&bearer], body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Sends PagerDuty an event.
    #[track_caller]
    fn pagerduty(&self, path: &str, body: &str) {
        let url = self.setting("PAGERDUTY_EVENTS_URL");
        let base = url.strip_suffix("/v2/enqueue").expect("the call");
        let answer = post(&format!("{base}{path}"), &[], body);
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
}

/// The demo's Argo CD and its service over a repository.
struct Stage {
    folder: TempDir,
    shop: MonoRepo,
    argo: Program,
    service: Program,
}

impl Stage {
    fn set(auto_sync: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let repo = GitRepo::create(Path::new(&at("gitops.git")));
        let shop = MonoRepo::seed(repo, &[SERVICE], Utc::now() - TimeDelta::hours(2));
        let argo = Program::start(
            env!("CARGO_BIN_EXE_demo-argocd"),
            &[
                ("git-dir", &at("gitops.git")),
                ("repo-url", URL),
                ("path", &MonoRepo::path(SERVICE)),
                ("manifest", &MonoRepo::manifest_path(SERVICE)),
                ("app", SERVICE),
                ("project", "shop"),
                ("auto-sync", auto_sync),
                ("live-folder", &at("live")),
                ("report-folder", &at("report")),
                ("token-folder", &at("tokens")),
                ("address-file", &at("argocd")),
            ],
        );
        let manifest = MonoRepo::manifest_path(SERVICE);
        let service = Program::start(
            env!("CARGO_BIN_EXE_demo-service"),
            &[
                ("deployed-manifest", &at(&format!("live/{manifest}"))),
                ("namespace", "shop"),
                ("service", SERVICE),
                ("requests-per-second", "100000"),
                ("address-file", &at("service")),
            ],
        );
        argo.expect("v1 runs, Synced and Healthy");
        Self {
            folder,
            shop,
            argo,
            service,
        }
    }

    fn release(&self, version: &str, fail_ratio: f64) {
        self.shop.release(SERVICE, version, fail_ratio, Utc::now());
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("a file of the demo")
    }

    fn report(&self, name: &str) -> String {
        self.read(&format!("report/{name}"))
    }

    /// Returns the versions that Argo CD remembers to have deployed.
    fn deployed_versions(&self) -> Vec<String> {
        let history = self.report("history");
        let version = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        history.lines().filter_map(version).collect()
    }

    /// Asks Argo CD as a user for an operation, which is accepted.
    #[track_caller]
    fn post(&self, user: &str, verb: &str, body: &str) {
        let bearer = format!(
            "Authorization: Bearer {}",
            self.read(&format!("tokens/{user}"))
        );
        let path = format!("/api/v1/applications/{SERVICE}/{verb}");
        let url = format!("{}{path}", self.read("argocd").trim());
        let answer = post(&url, &[&bearer], body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Returns the share of requests that fail.
    fn error_ratio(&self) -> f64 {
        error_ratio(&self.read("service"))
    }
}

/// Returns the share of requests that failed between two scrapes with enough requests in between.
fn error_ratio(address: &str) -> f64 {
    let scrape = || {
        let text = ask(address, "GET /metrics", &[], "").text();
        let count = |status: &str| -> f64 {
            let samples = text
                .lines()
                .filter(|line| line.starts_with("http_requests_total{"))
                .filter(|line| line.contains(&format!("status=\"{status}\"")));
            samples
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        (count("200"), count("500"))
    };
    let deadline = Instant::now() + PATIENCE;
    let (good, bad) = scrape();
    loop {
        let (good_now, bad_now) = scrape();
        let (good, bad) = (good_now - good, bad_now - bad);
        if good + bad >= 1000.0 {
            return bad / (good + bad);
        }
        assert!(Instant::now() < deadline, "the service counts no requests");
    }
}

/// A program of the demo; it ends with the test.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(program: &str, arguments: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        for (name, value) in arguments {
            command.arg(format!("--{name}")).arg(value);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let whole = output.lines().map_while(Result::ok);
            whole.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        Self { child, lines }
    }

    /// Waits until it prints a line with a text.
    #[track_caller]
    fn expect(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line: &String| !line.contains(text)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => seen.push(line),
                Err(_) => panic!("{text:?} is never printed, but {seen:?}"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A kill fails only when the process has already ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request to a server of the demo.
fn ask(address: &str, line: &str, headers: &[&str], body: &str) -> Answer {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    let url = format!("{}{target}", address.trim());
    http::send(method, &url, headers, body).expect("an answer")
}

/// Posts JSON to a URL.
fn post(url: &str, headers: &[&str], body: &str) -> Answer {
    let own = ["Content-Type: application/json", "User-Agent: test"];
    http::send("POST", url, &[headers, &own].concat(), body).expect("an answer")
}

/// A message in Slack about the rollback.
fn message(text: &str) -> String {
    let line = |text: &str| format!(r#"{{"type":"mrkdwn","text":"{text}"}}"#);
    let section = format!(r#"{{"type":"section","text":{}}}"#, line(text));
    let footer = line(&format!("rollback {ROLLBACK} · now"));
    format!(
        r#"{{"channel":"{}","text":"news","blocks":[{section},{{"type":"context","elements":[{footer}]}}]}}"#,
        SlackServer::CHANNEL
    )
}

/// An event of PagerDuty about the rollback.
fn event(action: &str) -> String {
    let payload = r#"{"summary":"it burns","source":"shop","severity":"critical","timestamp":"2026-11-21T00:00:00Z","custom_details":{}}"#;
    let key = PagerdutyServer::KEY;
    let payload = match action {
        "trigger" => format!(r#","payload":{payload}"#),
        _ => String::new(),
    };
    format!(
        r#"{{"routing_key":"{key}","event_action":"{action}","dedup_key":"{ROLLBACK}"{payload}}}"#
    )
}

/// Drops the commit id in brackets, which no test knows beforehand.
fn without_id(line: &str) -> String {
    match (line.find(" ("), line.find(')')) {
        (Some(from), Some(to)) => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => line.to_owned(),
    }
}
