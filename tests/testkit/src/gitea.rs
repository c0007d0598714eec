//! A real Gitea, whose API Forgejo shares.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::git::{GitRepo, Merge, git_command};
use crate::http;
use crate::process::Guarded;
use crate::prometheus::server::free_address;
use crate::servers::built;

/// Protects a test from a Gitea that never gets ready: it fails with the logs.
const LIMIT: Duration = Duration::from_secs(90);

/// Time between two looks at a server that is awaited.
const POLL: Duration = Duration::from_millis(50);

/// How often a start that lost its port to another process is repeated before it fails.
const START_ATTEMPTS: usize = 5;

/// Who owns the repositories, and who merges and closes.
const OWNER: &str = "platform";

/// A running Gitea; stopped and removed on drop.
#[derive(Debug)]
pub struct GiteaServer {
    // Fields are dropped in this order: the process must end before its folder goes.
    _process: Guarded,
    address: SocketAddr,
    /// A token that may do everything, for the people.
    person: String,
    /// A token with the scopes that the program asks for.
    token: String,
    folder: TempDir,
}

impl GiteaServer {
    /// Starts one without repositories. Nothing where Gitea was not built on this machine, which standard error then says.
    ///
    /// # Panics
    /// If it does not start, or was not built and `CI` is `true`.
    pub fn start() -> Option<Self> {
        let program = built("gitea", "gitea")?;
        for _ in 0..START_ATTEMPTS {
            if let Some(server) = Self::attempt(&program) {
                return Some(server);
            }
        }
        panic!("Gitea lost its port {START_ATTEMPTS} times");
    }

    /// Starts one on a free port; nothing where another process was faster.
    fn attempt(program: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = free_address();
        let settings = folder.path().join("app.ini");
        let text = settings_text(
            folder.path(),
            program.parent().expect("it lies in a folder"),
            address,
        );
        fs::write(&settings, text).expect("a writable folder");
        let run = |arguments: &[&str]| {
            let output = gitea(program, &settings)
                .args(arguments)
                .output()
                .expect("it can be started");
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let wrong = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "gitea {arguments:?}: {said} {wrong}"
            );
            said.lines().last().unwrap_or_default().to_owned()
        };
        run(&["migrate"]);
        run(&[
            "admin",
            "user",
            "create",
            "--admin",
            "--username",
            OWNER,
            "--random-password",
            "--email",
            "platform@example.com",
            "--must-change-password=false",
        ]);
        let token = |name: &str, scopes: &str| {
            run(&[
                "admin",
                "user",
                "generate-access-token",
                "--raw",
                "--username",
                OWNER,
                "--token-name",
                name,
                "--scopes",
                scopes,
            ])
        };
        let person = token("person", "all");
        let own = token("program", "write:repository,write:issue");
        let log = folder.path().join("gitea.log");
        let write = fs::File::create(&log).expect("a writable folder");
        let mut process = Guarded::spawn(
            gitea(program, &settings)
                .arg("web")
                .stdin(Stdio::null())
                .stdout(write.try_clone().expect("an open file"))
                .stderr(write),
            folder.path(),
        );
        let begun = Instant::now();
        while !http::get(address, "/api/healthz").is_ok_and(|(status, _)| status == 200) {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            if process.ended().is_some() {
                let said = said();
                assert!(said.contains("address already in use"), "{said}");
                return None;
            }
            assert!(begun.elapsed() < LIMIT, "Gitea is not ready: {}", said());
            std::thread::sleep(POLL);
        }
        Some(Self {
            _process: process,
            address,
            person,
            token: own,
            folder,
        })
    }

    /// Returns the token for the program.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Makes a token with other scopes.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn token_with(&self, scopes: &str) -> String {
        let program = built("gitea", "gitea").expect("it runs");
        let output = gitea(&program, &self.folder.path().join("app.ini"))
            .args(["admin", "user", "generate-access-token", "--raw"])
            .args([
                "--username",
                OWNER,
                "--token-name",
                scopes,
                "--scopes",
                scopes,
            ])
            .output()
            .expect("it can be started");
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().last().unwrap_or_default().trim().to_owned()
    }

    /// Returns the base URL of the API.
    pub fn api_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Returns the URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{OWNER}/{name}.git", self.address)
    }

    /// Creates a repository of the owner with the branches of another one, and returns it as it lies on disk.
    ///
    /// # Panics
    /// If Gitea refuses.
    pub fn take(&self, name: &str, from: &GitRepo) -> GitRepo {
        let made = self.ask(
            "POST",
            "/user/repos",
            &json!({ "name": name, "default_branch": "main" }),
        );
        assert_eq!(made["name"], name, "{made}");
        self.push(name, from);
        let begun = Instant::now();
        // What was pushed is looked at behind the scenes.
        while self.ask("GET", &format!("/repos/{OWNER}/{name}"), &Value::Null)["empty"] == true {
            assert!(
                begun.elapsed() < LIMIT,
                "Gitea does not see what was pushed"
            );
            std::thread::sleep(POLL);
        }
        let path = format!("repositories/{OWNER}/{name}.git");
        GitRepo::open(&self.folder.path().join(path))
    }

    /// Pushes the branch `main` of another repository, as a person does.
    ///
    /// # Panics
    /// If Gitea refuses.
    pub fn push(&self, name: &str, from: &GitRepo) {
        let url = format!(
            "http://{OWNER}:{}@{}/{OWNER}/{name}.git",
            self.person, self.address
        );
        let output = git_command()
            .arg("--git-dir")
            .arg(from.path())
            .args(["push", "--quiet", &url, "main"])
            .output()
            .expect("git is installed");
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{wrong}");
    }

    /// Merges a pull request as a person does, and returns the commit that is on the base branch then.
    ///
    /// # Panics
    /// If Gitea does not take it.
    pub fn merge(&self, repo: &GitRepo, name: &str, number: u64, how: Merge) -> String {
        let how = match how {
            Merge::Commit => "merge",
            Merge::Squash => "squash",
            Merge::Rebase => "rebase",
        };
        let path = format!("/repos/{OWNER}/{name}/pulls/{number}/merge");
        let begun = Instant::now();
        // Whether it can be merged is found out behind the scenes.
        loop {
            let (status, said) = self.send("POST", &path, &json!({ "Do": how }));
            if status == 200 {
                return repo.tip();
            }
            assert!(status == 405 && begun.elapsed() < LIMIT, "{status} {said}");
            std::thread::sleep(POLL);
        }
    }

    /// Closes a pull request without merging it, as a person does.
    pub fn close(&self, name: &str, number: u64) {
        let path = format!("/repos/{OWNER}/{name}/pulls/{number}");
        let closed = self.ask("PATCH", &path, &json!({ "state": "closed" }));
        assert_eq!(closed["state"], "closed", "{closed}");
    }

    /// Returns the pull requests of a repository, in whatever state.
    pub fn pulls(&self, name: &str) -> Vec<Value> {
        let path = format!("/repos/{OWNER}/{name}/pulls?state=all");
        let listed = self.ask("GET", &path, &Value::Null);
        listed.as_array().expect("a list").clone()
    }

    /// Returns the comments on a pull request.
    pub fn comments(&self, name: &str, number: u64) -> Vec<String> {
        let path = format!("/repos/{OWNER}/{name}/issues/{number}/comments");
        let listed = self.ask("GET", &path, &Value::Null);
        let listed = listed.as_array().expect("a list").iter();
        listed
            .filter_map(|comment| comment["body"].as_str().map(str::to_owned))
            .collect()
    }

    /// Lets nobody push to a branch.
    pub fn protect(&self, name: &str, branch: &str) {
        let path = format!("/repos/{OWNER}/{name}/branch_protections");
        let rule = json!({ "rule_name": branch, "enable_push": false });
        let made = self.ask("POST", &path, &rule);
        assert_eq!(made["rule_name"], branch, "{made}");
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, said) = self.send(method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {said}"
        );
        said
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let authorization = format!("Authorization: token {}", self.person);
        let headers = [authorization.as_str(), "Content-Type: application/json"];
        let body = match body.is_null() {
            true => String::new(),
            false => body.to_string(),
        };
        let url = format!("{}{path}", self.api_url());
        let answer = http::send(method, &url, &headers, &body).expect("Gitea answers");
        let said = serde_json::from_str(&answer.text()).unwrap_or(Value::Null);
        (answer.status, said)
    }
}

/// The program with its settings, apart from those of whoever runs the tests.
fn gitea(program: &Path, settings: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(settings)
        .env("HOME", settings.with_file_name("home"))
        .env_remove("GITEA_WORK_DIR")
        .env_remove("GITEA_CUSTOM");
    command
}

fn settings_text(folder: &Path, assets: &Path, address: SocketAddr) -> String {
    let whoami = Command::new("id").arg("-un").output().expect("id is there");
    let whoami = String::from_utf8_lossy(&whoami.stdout).trim().to_owned();
    let (folder, assets) = (folder.display(), assets.display());
    format!(
        "I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
RUN_MODE = prod
RUN_USER = {whoami}
WORK_PATH = {folder}
[server]
HTTP_ADDR = {ip}
HTTP_PORT = {port}
ROOT_URL = http://{address}/
STATIC_ROOT_PATH = {assets}
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[repository]
ROOT = {folder}/repositories
[security]
INSTALL_LOCK = true
SECRET_KEY = of-the-tests
[log]
MODE = console
LEVEL = Warn
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[cron]
ENABLED = false
",
        ip = address.ip(),
        port = address.port(),
    )
}
