//! The program under test: how it is started, and what it left on its outputs.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use testkit::github::GithubServer;
use testkit::pagerduty::PagerdutyServer;
use testkit::receiver::Receiver;
use testkit::slack::SlackServer;

use super::world::TOKEN;

/// The program with its arguments and nothing in its environment but what it is given.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
    /// Whether a person's rollback is asked about.
    asks: bool,
}

/// The test that is the process in between, and what tells it to be that.
const MEASURING: &str = "scenarios::program::measures_what_it_is_told_to";
const MEASURED: &str = "EBM_TEST_MEASURED";

#[test]
fn measures_what_it_is_told_to() {
    let Ok(arguments) = std::env::var(MEASURED) else {
        return;
    };
    let child = Command::new(env!("CARGO_BIN_EXE_error-budget-monitor"))
        .args(arguments.split_whitespace())
        .env_remove(MEASURED)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let ended = wait4::Wait4::wait4(child).expect("it ends");
    let code = ended.status.code().unwrap_or(-1);
    let told = format!("\n{MEASURED} {code} {}\n", ended.rusage.maxrss / 1024);
    std::io::stdout()
        .write_all(told.as_bytes())
        .expect("a pipe");
}

impl Program {
    /// Prepares the program without any environment.
    pub(crate) fn bare() -> Self {
        Self {
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            asks: false,
        }
    }

    /// Leaves out the `--yes` that a person's rollback is given else.
    pub(crate) fn asks(mut self) -> Self {
        self.asks = true;
        self
    }

    /// Returns its arguments.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = self.arguments.clone();
        if words.first().is_some_and(|word| word == "rollback") && !self.asks {
            words.push("--yes".to_owned());
        }
        words
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a variable to a path.
    pub(crate) fn env_path(self, name: &str, path: &Path) -> Self {
        self.env(name, path.to_str().expect("test paths are text"))
    }

    /// Leaves a variable out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Returns its environment.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Sets the arguments.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Ran {
        self.start().wait()
    }

    /// Runs it to its end, and returns its exit code and its peak of resident memory (KiB), by the kernel's account.
    ///
    /// A fresh process in between starts it, because the kernel counts the memory of the one that forks towards the
    /// peak of the one that is executed, and this one may have built a month of history.
    pub(crate) fn run_for_memory(&self) -> (i32, i64) {
        let measured = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", MEASURING, "--nocapture"])
            .env_clear()
            .envs(&self.environment)
            .env(MEASURED, self.words().join(" "))
            .output()
            .expect("this program starts");
        let said = String::from_utf8_lossy(&measured.stdout);
        let numbers = said.lines().find_map(|line| line.strip_prefix(MEASURED));
        let numbers: Vec<i64> = numbers
            .unwrap_or_else(|| panic!("nothing was measured: {said}"))
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        (i32::try_from(numbers[0]).expect("a code"), numbers[1])
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_error-budget-monitor"))
            .args(self.words())
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built with its tests");
        Running(child)
    }
}

/// The program while it runs.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Waits for its end.
    pub(crate) fn wait(self) -> Ran {
        Ran::from(self.0.wait_with_output().expect("our own child"))
    }

    /// Waits for the first line that it prints, and takes it.
    pub(crate) fn first_line(&mut self) -> String {
        let out = self.0.stdout.as_mut().expect("its output is a pipe");
        let mut line = Vec::new();
        let mut byte = [0];
        while line.last() != Some(&b'\n') && out.read(&mut byte).expect("our own child") == 1 {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("the program writes text")
    }

    /// Tells it to end.
    pub(crate) fn told_to_end(&self) {
        let id = self.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        assert!(told.expect("kill is there").success());
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end, however it comes, and returns what ended it.
    pub(crate) fn wait_for_status(self) -> ExitStatus {
        self.wait_with_status().1
    }

    /// Waits for its end, however it comes, and returns what it left and what ended it.
    pub(crate) fn wait_with_status(self) -> (Ran, ExitStatus) {
        let output = self.0.wait_with_output().expect("our own child");
        let status = output.status;
        (Ran::from(output), status)
    }
}

/// The secrets of the tests and of the stand-ins.
const SECRETS: [&str; 7] = [
    TOKEN,
    SlackServer::TOKEN,
    SlackServer::WEBHOOK,
    PagerdutyServer::KEY,
    Receiver::SECRET,
    Receiver::PATH,
    GithubServer::TOKEN,
];

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; nothing when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it logged.
    pub(crate) stderr: String,
    /// The printed record or status; null when it printed no JSON.
    pub(crate) record: Value,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes text");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        // Whatever a test is about: no secret that any of them uses appears in what the program says.
        for secret in SECRETS {
            assert!(!stdout.contains(secret), "stdout tells {secret}");
            assert!(!stderr.contains(secret), "stderr tells {secret}");
        }
        Self {
            code: output.status.code(),
            record: serde_json::from_str(&stdout).unwrap_or_default(),
            stdout,
            stderr,
        }
    }
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Checks what was decided and why.
    #[track_caller]
    pub(crate) fn decides(self, action: &str, reason: &str) -> Self {
        let decision = &self.record["decision"];
        let found = (decision["action"].as_str(), decision["reason"].as_str());
        assert_eq!(found, (Some(action), Some(reason)), "{self}");
        self
    }

    /// Checks what became of the rollback.
    #[track_caller]
    pub(crate) fn has_outcome(self, outcome: &str) -> Self {
        assert_eq!(self.record["rollback"]["outcome"], outcome, "{self}");
        self
    }

    /// Checks that the log has exactly one error, and that it names everything that is listed.
    #[track_caller]
    pub(crate) fn complains_of(self, words: &[&str]) -> Self {
        let errors = self.errors();
        let [error] = &errors[..] else {
            panic!("one error is expected, not {errors:#?}\n{self}");
        };
        for word in words {
            assert!(error.contains(word), "{word:?} is missing in {error:?}");
        }
        self
    }

    /// Checks that nothing is wrong enough for an error in the log.
    #[track_caller]
    pub(crate) fn complains_of_nothing(self) -> Self {
        assert_eq!(self.errors(), Vec::<String>::new(), "{self}");
        self
    }

    /// Checks that every gate but the named ones passes, and that those fail.
    #[track_caller]
    pub(crate) fn fails_only(self, gates: &[&str]) -> Self {
        let failed: Vec<String> = self
            .gates()
            .into_iter()
            .filter(|(_, state)| state != "pass")
            .map(|(gate, state)| format!("{gate} {state}"))
            .collect();
        let expected: Vec<String> = gates.iter().map(|gate| format!("{gate} fail")).collect();
        assert_eq!(failed, expected, "{self}");
        self
    }

    /// Checks that a secret is in nothing that was printed or logged.
    #[track_caller]
    pub(crate) fn keeps_secret(self, secret: &str) -> Self {
        assert!(!self.stdout.contains(secret), "stdout tells a secret");
        assert!(!self.stderr.contains(secret), "stderr tells a secret");
        self
    }

    /// Returns the gates in order, with their states.
    pub(crate) fn gates(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let gates = self.record["decision"]["gates"].as_array();
        gates
            .into_iter()
            .flatten()
            .map(|gate| (text(&gate["gate"]), text(&gate["state"])))
            .collect()
    }

    /// Returns one gate of the record.
    #[track_caller]
    pub(crate) fn gate(&self, name: &str) -> &Value {
        let gates = self.record["decision"]["gates"].as_array();
        gates
            .into_iter()
            .flatten()
            .find(|gate| gate["gate"] == name)
            .unwrap_or_else(|| panic!("the record has no gate {name}\n{self}"))
    }

    /// Returns a text of the record.
    #[track_caller]
    pub(crate) fn text(&self, pointer: &str) -> String {
        let value = self.record.pointer(pointer).and_then(Value::as_str);
        value
            .unwrap_or_else(|| panic!("the record has no text at {pointer}\n{self}"))
            .to_owned()
    }

    /// Returns what was printed, one value a line.
    pub(crate) fn records(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        let records = lines.map(serde_json::from_str);
        records.collect::<Result<_, _>>().expect("JSON lines")
    }

    /// Returns the lines of the log.
    pub(crate) fn log(&self) -> Vec<Value> {
        let lines = self.stderr.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn errors(&self) -> Vec<String> {
        self.log()
            .iter()
            .filter(|line| line["level"] == "ERROR")
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "exit code {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}
