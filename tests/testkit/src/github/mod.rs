//! A strict GitHub on loopback whose truth is a real bare repository, which it serves over git too.
//!
//! Every request and answer is held against GitHub's published description. A violation fails the test when the
//! server is dropped, and so do a forced update, a tree without a base, and a write that is repeated without a look
//! in between.

mod identity;
mod issues;
mod pulls;
mod references;
mod routes;

pub use crate::git::Merge;
pub use identity::{APP_ID, APP_KEY, APP_KEY_PKCS8, INSTALLATION_ID};

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use self::issues::IssueRecord;
use self::pulls::PullRecord;
use crate::contract::GITHUB;
use crate::git::{GitRepo, GitServer};
use crate::passage::pass_on;
use crate::stub::{Reply, Request, Stub};

/// A GitHub with one repository. Dropping it stops it and fails the test if anything was wrong.
pub struct GithubServer {
    world: Arc<World>,
    /// Dropped before the git server behind it.
    stub: Option<Stub>,
    _git: Option<GitServer>,
}

/// Where and for whom, and everything that changes.
struct World {
    owner: String,
    name: String,
    repo: GitRepo,
    /// The server that requests of git are passed on to, and the token it wants.
    git_url: String,
    git_token: Option<String>,
    state: Mutex<State>,
}

struct State {
    /// Tokens that count, until when, and whether they are the App's.
    tokens: HashMap<String, Token>,
    minted: usize,
    token_life: TimeDelta,
    /// Kinds of rules by branch; a branch with rules takes no direct change.
    rules: HashMap<String, Vec<String>>,
    signed: BTreeSet<String>,
    pulls: Vec<PullRecord>,
    issues: Vec<IssueRecord>,
    deleted_issues: BTreeSet<u64>,
    faults: Vec<Fault>,
    log: Vec<Logged>,
    violations: Vec<String>,
}

#[derive(Clone)]
struct Token {
    expires_at: Option<DateTime<Utc>>,
    is_app: bool,
}

/// What is done to the next request that fits.
struct Fault {
    method: String,
    fragment: String,
    deed: Deed,
}

enum Deed {
    Instead(Reply),
    After(Reply),
    Before(Box<dyn FnOnce() + Send>),
}

/// A request as it came, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path below the API without the query.
    pub path: String,
    /// The query without the question mark.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// Status of the answer; nothing where a fault took its place.
    pub status: Option<u16>,
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, " {status}"),
            None => f.write_str(" -"),
        }
    }
}

/// What is answered: a status, and JSON where there is any.
struct Answer {
    status: u16,
    body: Option<Value>,
}

impl GithubServer {
    /// The path of the API, as an Enterprise server has it.
    pub const API: &str = "/api/v3";

    /// A token of a person that counts from the start.
    pub const TOKEN: &str = "canary-person-token";

    /// Starts a GitHub with one empty repository, `acme/deploy`.
    pub fn start() -> Self {
        let git = GitServer::start();
        git.create("acme/deploy");
        let mut server = Self::in_front_of(&git, "acme/deploy", None);
        server._git = Some(git);
        server
    }

    /// Starts a GitHub for a repository that a git server has, `owner/name`. `token` is what that server wants; the
    /// stand-in lets nobody pass who does not sign in to it.
    pub fn in_front_of(git: &GitServer, repository: &str, token: Option<&str>) -> Self {
        Self::standing_before(git.repo(repository), repository, &git.base_url(), token)
    }

    /// Starts a GitHub for a repository that the git server of another process has at `git_url`, below which it is
    /// called `owner/name`. `token` is as above.
    pub fn standing_before(
        repo: GitRepo,
        repository: &str,
        git_url: &str,
        token: Option<&str>,
    ) -> Self {
        let (owner, name) = repository.split_once('/').expect("owner/name");
        let person = Token {
            expires_at: None,
            is_app: false,
        };
        let world = Arc::new(World {
            owner: owner.to_owned(),
            name: name.to_owned(),
            repo,
            git_url: git_url.to_owned(),
            git_token: token.map(str::to_owned),
            state: Mutex::new(State {
                tokens: HashMap::from([(Self::TOKEN.to_owned(), person)]),
                minted: 0,
                token_life: TimeDelta::hours(1),
                rules: HashMap::new(),
                signed: BTreeSet::new(),
                pulls: Vec::new(),
                issues: Vec::new(),
                deleted_issues: BTreeSet::new(),
                faults: Vec::new(),
                log: Vec::new(),
                violations: Vec::new(),
            }),
        });
        let stub = Stub::http({
            let world = Arc::clone(&world);
            move |request| Some(world.play(request))
        });
        Self {
            world,
            stub: Some(stub),
            _git: None,
        }
    }

    /// Returns the repository.
    pub fn repo(&self) -> &GitRepo {
        &self.world.repo
    }

    /// Returns the base URL of the API, with a slash at its end.
    pub fn api_url(&self) -> String {
        format!("{}{}/", self.url(), Self::API)
    }

    /// Returns the URL of the web site and of git.
    pub fn url(&self) -> String {
        self.stub.as_ref().expect("there until it is dropped").url()
    }

    /// Puts rules on a branch: it takes no change but by a pull request.
    pub fn protect(&self, branch: &str, rules: &[&str]) {
        let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
        self.world.state().rules.insert(branch.to_owned(), rules);
    }

    /// Sets how long tokens of the App live that are made from now on.
    pub fn set_token_life(&self, life: TimeDelta) {
        self.world.state().token_life = life;
    }

    /// Takes back every token of the App.
    pub fn revoke_app_tokens(&self) {
        self.world.state().tokens.retain(|_, token| !token.is_app);
    }

    /// Answers the next request of a method whose path holds a fragment with something else, and does nothing.
    pub fn instead(&self, method: &str, fragment: &str, reply: Reply) {
        self.add(method, fragment, Deed::Instead(reply));
    }

    /// Does what the next such request asks for, and answers something else.
    pub fn after(&self, method: &str, fragment: &str, reply: Reply) {
        self.add(method, fragment, Deed::After(reply));
    }

    /// Runs something before the next such request is looked at: the way to lose a race.
    pub fn before(&self, method: &str, fragment: &str, action: impl FnOnce() + Send + 'static) {
        self.add(method, fragment, Deed::Before(Box::new(action)));
    }

    fn add(&self, method: &str, fragment: &str, deed: Deed) {
        self.world.state().faults.push(Fault {
            method: method.to_owned(),
            fragment: fragment.to_owned(),
            deed,
        });
    }

    /// Returns the requests to the API so far.
    pub fn requests(&self) -> Vec<Logged> {
        self.world.state().log.clone()
    }

    /// Returns the requests so far, one a line, with the repository left out.
    pub fn story(&self) -> Vec<String> {
        let repo = format!("/repos/{}/{}", self.world.owner, self.world.name);
        let log = self.requests();
        log.iter()
            .map(|logged| logged.to_string().replacen(&repo, "", 1))
            .collect()
    }

    /// Tells whether GitHub signed a commit.
    pub fn is_signed(&self, commit: &str) -> bool {
        self.world.state().signed.contains(commit)
    }

    /// Takes what is wrong so far, for a test that provokes it.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.world.state().violations)
    }
}

impl Drop for GithubServer {
    fn drop(&mut self) {
        drop(self.stub.take());
        if std::thread::panicking() {
            return;
        }
        let state = self.world.state();
        let wrong = &state.violations;
        assert!(wrong.is_empty(), "GitHub's rules were broken: {wrong:#?}");
        let unused: Vec<_> = state
            .faults
            .iter()
            .map(|fault| format!("{} …{}…", fault.method, fault.fragment))
            .collect();
        assert!(unused.is_empty(), "faults that no request met: {unused:?}");
    }
}

/// Tells whether the newest request sends a write again without anything read in between. A token may be asked for at
/// any time.
fn is_blind_repeat(log: &[Logged]) -> bool {
    let Some((newest, before)) = log.split_last() else {
        return false;
    };
    if newest.method == "GET" || newest.path.ends_with("/access_tokens") {
        return false;
    }
    let wanted = (&newest.method, &newest.path, &newest.body);
    before
        .iter()
        .rev()
        .take_while(|other| other.method != "GET")
        .any(|other| (&other.method, &other.path, &other.body) == wanted)
}

impl State {
    /// Returns the number of the next issue or pull request.
    fn next_number(&self) -> u64 {
        (self.pulls.len() + self.issues.len() + self.deleted_issues.len()) as u64 + 1
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn violation(&self, what: impl Into<String>) {
        self.state().violations.push(what.into());
    }

    fn play(&self, request: &Request) -> Reply {
        match request.path().strip_prefix(GithubServer::API) {
            Some(path) => self.play_api(request, path),
            None => self.play_git(request),
        }
    }

    fn play_api(&self, request: &Request, path: &str) -> Reply {
        let query = request
            .target
            .split_once('?')
            .map_or("", |(_, query)| query);
        let place = self.log(Logged {
            method: request.method.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            body: request.body.clone(),
            authorization: request.header("authorization").map(str::to_owned),
            status: None,
        });
        match self.take_fault(&request.method, path) {
            Some(Deed::Instead(reply)) => return reply,
            Some(Deed::After(reply)) => {
                self.answer(request, path, query);
                return reply;
            }
            Some(Deed::Before(action)) => action(),
            None => {}
        }
        let answer = self.answer(request, path, query);
        self.state().log[place].status = Some(answer.status);
        match answer.body {
            Some(body) => Reply::json(answer.status, body.to_string()),
            None => Reply::untyped(answer.status, ""),
        }
    }

    /// Writes a request down as it arrives, so that one whose answer takes long stands before those that were sent
    /// after it. Returns its place.
    fn log(&self, logged: Logged) -> usize {
        let mut state = self.state();
        let what = format!(
            "{} {} was repeated without a look",
            logged.method, logged.path
        );
        state.log.push(logged);
        if is_blind_repeat(&state.log) {
            state.violations.push(what);
        }
        state.log.len() - 1
    }

    fn take_fault(&self, method: &str, path: &str) -> Option<Deed> {
        let mut state = self.state();
        let index = state
            .faults
            .iter()
            .position(|fault| fault.method == method && path.contains(&fault.fragment))?;
        Some(state.faults.remove(index).deed)
    }

    /// Does what is asked and holds both sides against the description.
    fn answer(&self, request: &Request, path: &str, query: &str) -> Answer {
        let asked = format!("{} {path}", request.method);
        let Some(operation) = GITHUB.operation(&request.method, path) else {
            self.violation(format!("{asked} is not among the operations in use"));
            return routes::refused(404, "Not Found");
        };
        for (name, wanted) in [
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
        ] {
            if request.header(name) != Some(wanted) {
                self.violation(format!("{asked} has no {name} of {wanted}"));
            }
        }
        if request.header("user-agent").is_none_or(str::is_empty) {
            self.violation(format!("{asked} does not say who asks"));
        }
        let wrong = operation.check_request(query, &request.body);
        if !wrong.is_empty() {
            self.violation(format!("{asked}: {}", wrong.join("; ")));
        }
        let answer = self.route(request, path, query);
        let wrong = operation.check_answer(answer.status, answer.body.as_ref());
        if !wrong.is_empty() {
            let status = answer.status;
            self.violation(format!(
                "the answer {status} to {asked}: {}",
                wrong.join("; ")
            ));
        }
        answer
    }

    /// Passes a request of git on to the server behind, for whoever has a token.
    fn play_git(&self, request: &Request) -> Reply {
        let token = request.header("authorization").and_then(identity::password);
        if token.is_none_or(|token| self.token(&token).is_none()) {
            return Reply::untyped(401, "")
                .with_header("WWW-Authenticate", "Basic realm=\"GitHub\"");
        }
        // A rule holds for git as well.
        if request.path().ends_with("/git-receive-pack") && request.method == "POST" {
            let is_protected = !self.state().rules.is_empty();
            if is_protected {
                self.repo
                    .decline_pushes("GH013: Repository rule violations found for refs/heads/main.");
            }
        }
        pass_on(&self.git_url, self.git_token.as_deref(), request)
            .unwrap_or_else(|_| Reply::hangup())
    }

    /// Returns what a token is good for, if it counts.
    fn token(&self, token: &str) -> Option<Token> {
        let state = self.state();
        let known = state.tokens.get(token)?;
        known
            .expires_at
            .is_none_or(|end| end > Utc::now())
            .then(|| known.clone())
    }
}
