//! A strict GitLab on loopback with one project, whose truth is a real bare repository that it serves over git too.
//!
//! Every request and answer is held against GitLab's published description. A violation fails the test when the server
//! is dropped, and so does a write that is repeated without a look in between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::contract::GITLAB;
use crate::git::objects::{self, Merge};
use crate::git::{GitRepo, GitServer, TOKEN_USER, base64};
use crate::passage::pass_on;
use crate::stub::{Reply, Request, Stub};

/// The project's number.
const PROJECT: u64 = 7;

/// A GitLab with one project. Dropping it stops it and fails the test if anything was wrong.
pub struct GitlabServer {
    world: Arc<World>,
    /// Dropped before the world.
    stub: Option<Stub>,
}

struct World {
    /// `group/name`, as it stands in the path of a request: one part, with its slash encoded.
    project: String,
    repo: GitRepo,
    git_url: String,
    git_token: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: Vec<MergeRequest>,
    /// How many looks at a branch that was just pushed say that it is not there yet.
    unseen_pushes: usize,
    faults: Vec<Fault>,
    log: Vec<(String, String, Vec<u8>)>,
    violations: Vec<String>,
}

struct Fault {
    method: String,
    fragment: String,
    is_done: bool,
    reply: Reply,
}

#[derive(Clone)]
struct MergeRequest {
    iid: u64,
    source: String,
    target: String,
    head: String,
    title: String,
    description: String,
    state: &'static str,
    merged_at: Option<DateTime<Utc>>,
    merge_commit: Option<String>,
    squash_commit: Option<String>,
    labels: Vec<String>,
    notes: Vec<String>,
}

impl GitlabServer {
    /// A token with the scope `api`.
    pub const TOKEN: &str = "canary-gitlab-token";

    /// A token that may only read.
    pub const READER: &str = "canary-gitlab-reader";

    /// Starts a GitLab for a repository that a git server has, `group/name`. `token` is what that server wants.
    pub fn in_front_of(git: &GitServer, repository: &str, token: &str) -> Self {
        let world = Arc::new(World {
            project: repository.replace('/', "%2F"),
            repo: git.repo(repository),
            git_url: git.base_url(),
            git_token: token.to_owned(),
            state: Mutex::default(),
        });
        let stub = Stub::http({
            let world = Arc::clone(&world);
            move |request| Some(world.play(request))
        });
        Self {
            world,
            stub: Some(stub),
        }
    }

    /// Returns the URL of the web site and of git.
    pub fn url(&self) -> String {
        self.stub.as_ref().expect("there until it is dropped").url()
    }

    /// Returns the base URL of the API.
    pub fn api_url(&self) -> String {
        format!("{}/api/v4", self.url())
    }

    /// Does what the next request of a method whose path holds a fragment asks for, and answers something else.
    pub fn after(&self, method: &str, fragment: &str, reply: Reply) {
        self.fault(method, fragment, true, reply);
    }

    /// Answers the next such request with something else, and does nothing.
    pub fn instead(&self, method: &str, fragment: &str, reply: Reply) {
        self.fault(method, fragment, false, reply);
    }

    fn fault(&self, method: &str, fragment: &str, is_done: bool, reply: Reply) {
        self.world.state().faults.push(Fault {
            method: method.to_owned(),
            fragment: fragment.to_owned(),
            is_done,
            reply,
        });
    }

    /// Does not see a pushed branch the next times that a merge request of it is to be made, as real servers may for
    /// some seconds.
    pub fn sees_pushes_late(&self, times: usize) {
        self.world.state().unseen_pushes = times;
    }

    /// Merges a merge request as a person does, and returns the commit that is on the target branch then. `Rebase` is a
    /// fast-forward with automatic rebase, after which none of the answer's fields names that commit.
    ///
    /// # Panics
    /// If it is not open, or does not merge without a conflict.
    pub fn merge(&self, iid: u64, how: Merge) -> String {
        let mut state = self.world.state();
        let found = state.requests.iter_mut().find(|it| it.iid == iid);
        let found = found.expect("a known merge request");
        assert_eq!(found.state, "opened");
        let message = match how {
            Merge::Commit => format!(
                "Merge branch '{}' into '{}'\n\n{}\n\nSee merge request !{iid}\n",
                found.source, found.target, found.title
            ),
            // GitLab's template for squashes is the title alone.
            Merge::Squash | Merge::Rebase => format!("{}\n", found.title),
        };
        let forge = ("A Person", "person@example.com");
        let repo = &self.world.repo;
        let id = objects::merge(repo, &found.target, &found.source, how, &message, forge);
        found.state = "merged";
        found.merged_at = Some(Utc::now());
        match how {
            Merge::Commit => found.merge_commit = Some(id.clone()),
            Merge::Squash => found.squash_commit = Some(id.clone()),
            Merge::Rebase => {}
        }
        id
    }

    /// Closes a merge request without merging it, as a person does.
    pub fn close(&self, iid: u64) {
        for found in &mut self.world.state().requests {
            if found.iid == iid {
                found.state = "closed";
            }
        }
    }

    /// Counts the merge requests, in whatever state.
    pub fn count(&self) -> usize {
        self.world.state().requests.len()
    }

    /// Returns the labels of a merge request.
    pub fn labels(&self, iid: u64) -> Vec<String> {
        self.world.found(iid).map_or_else(Vec::new, |it| it.labels)
    }

    /// Returns the comments on a merge request.
    pub fn comments(&self, iid: u64) -> Vec<String> {
        self.world.found(iid).map_or_else(Vec::new, |it| it.notes)
    }
}

impl Drop for GitlabServer {
    fn drop(&mut self) {
        drop(self.stub.take());
        if std::thread::panicking() {
            return;
        }
        let state = self.world.state();
        let wrong = &state.violations;
        assert!(wrong.is_empty(), "GitLab's rules were broken: {wrong:#?}");
        assert!(
            state.faults.is_empty(),
            "{} faults met no request",
            state.faults.len()
        );
    }
}

/// What is answered: a status and JSON.
type Answer = (u16, Value);

fn message(status: u16, words: &str) -> Answer {
    (status, json!({ "message": words }))
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, iid: u64) -> Option<MergeRequest> {
        let state = self.state();
        state.requests.iter().find(|it| it.iid == iid).cloned()
    }

    fn play(&self, request: &Request) -> Reply {
        match request.path().strip_prefix("/api/v4") {
            Some(path) => self.play_api(request, path),
            None => self.play_git(request),
        }
    }

    /// Passes a request of git on to the server behind, for whoever has the token.
    fn play_git(&self, request: &Request) -> Reply {
        let pair = base64(format!("{TOKEN_USER}:{}", GitlabServer::TOKEN).as_bytes());
        if request.header("authorization") != Some(&format!("Basic {pair}")) {
            return Reply::untyped(401, "")
                .with_header("WWW-Authenticate", "Basic realm=\"GitLab\"");
        }
        pass_on(&self.git_url, Some(&self.git_token), request).unwrap_or_else(|_| Reply::hangup())
    }

    fn play_api(&self, request: &Request, path: &str) -> Reply {
        let (method, body) = (request.method.clone(), request.body.clone());
        let fault = {
            let mut state = self.state();
            let same = (method.clone(), path.to_owned(), body);
            let since_a_look = state.log.iter().rev().take_while(|it| it.0 != "GET");
            if method != "GET" && since_a_look.into_iter().any(|it| *it == same) {
                let what = format!("{method} {path} was repeated without a look");
                state.violations.push(what);
            }
            state.log.push(same);
            let fits = |fault: &Fault| fault.method == method && path.contains(&fault.fragment);
            let index = state.faults.iter().position(fits);
            index.map(|index| state.faults.remove(index))
        };
        let reply = match &fault {
            Some(fault) if !fault.is_done => return fault.reply.clone(),
            Some(_) | None => self.answer(request, path),
        };
        fault.map_or(reply, |fault| fault.reply)
    }

    /// Does what is asked and holds both sides against the description.
    fn answer(&self, request: &Request, path: &str) -> Reply {
        let query = request.target.split_once('?');
        let query = query.map_or("", |(_, query)| query);
        let asked = format!("{} {path}", request.method);
        let Some(terms) = GITLAB.operation(&request.method, path) else {
            let what = format!("{asked} is not among the operations in use");
            self.state().violations.push(what);
            return Reply::json(404, r#"{"error":"404 Not Found"}"#);
        };
        let mut wrong = terms.check_request(query, &request.body);
        let (status, body) = self.route(request, path, query);
        wrong.extend(terms.check_answer(status, Some(&body)));
        let wrong = wrong.into_iter().map(|what| format!("{asked}: {what}"));
        self.state().violations.extend(wrong);
        Reply::json(status, body.to_string())
    }

    fn route(&self, request: &Request, path: &str, query: &str) -> Answer {
        let bearer = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let is_read = request.method == "GET";
        match bearer {
            Some(GitlabServer::TOKEN) => {}
            Some(GitlabServer::READER) if is_read => {}
            Some(GitlabServer::READER) => {
                return (
                    403,
                    json!({
                        "error": "insufficient_scope",
                        "error_description":
                            "The request requires higher privileges than provided by the access token.",
                        "scope": "api",
                    }),
                );
            }
            Some(_) => return message(401, "401 Unauthorized"),
            None if is_read => return message(404, "404 Project Not Found"),
            None => return message(401, "401 Unauthorized"),
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        if parts == ["personal_access_tokens", "self"] {
            let scope = match bearer {
                Some(GitlabServer::READER) => "read_api",
                Some(_) | None => "api",
            };
            let known = json!({ "scopes": [scope], "active": true });
            return (200, GITLAB.filled("APIEntitiesPersonalAccessToken", known));
        }
        let ["projects", project, rest @ ..] = &parts[..] else {
            return message(404, "404 Not Found");
        };
        if *project != self.project {
            return message(404, "404 Project Not Found");
        }
        let ["merge_requests", rest @ ..] = rest else {
            let access = json!({ "access_level": 30, "notification_level": 3 });
            let known = json!({
                "id": PROJECT,
                "permissions": { "project_access": access, "group_access": null },
            });
            let kind = "APIEntitiesProjectsWithAccessAndCatalogSetting";
            return (200, GITLAB.filled(kind, known));
        };
        match (request.method.as_str(), rest) {
            ("GET", []) => self.list(query),
            ("POST", []) => self.open(&body),
            (_, [iid, rest @ ..]) => {
                let Some(found) = iid.parse().ok().and_then(|iid| self.found(iid)) else {
                    return message(404, "404 Not found");
                };
                match (request.method.as_str(), rest) {
                    ("GET", []) => (200, self.shown(&found)),
                    ("PUT", []) => self.change(found.iid, &body),
                    ("GET", ["notes"]) => (
                        200,
                        found.notes.iter().map(|note| shown_note(note)).collect(),
                    ),
                    ("POST", ["notes"]) => self.comment(found.iid, &body),
                    _ => message(404, "404 Not Found"),
                }
            }
            _ => message(404, "404 Not Found"),
        }
    }

    fn list(&self, query: &str) -> Answer {
        let wanted = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.replace("%2F", "/"))
        };
        let (source, state) = (wanted("source_branch"), wanted("state"));
        let requests = self.state().requests.clone();
        let fits = |it: &&MergeRequest| {
            source.as_ref().is_none_or(|source| *source == it.source)
                && state
                    .as_ref()
                    .is_none_or(|state| state == "all" || state == it.state)
        };
        let shown = requests.iter().rev().filter(fits).map(|it| self.shown(it));
        (200, shown.collect())
    }

    fn open(&self, body: &Value) -> Answer {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (source, target) = (text("source_branch"), text("target_branch"));
        let mut state = self.state();
        let head = match objects::branch(&self.repo, &source) {
            Some(head) if state.unseen_pushes == 0 => head,
            Some(_) | None => {
                state.unseen_pushes = state.unseen_pushes.saturating_sub(1);
                return (
                    400,
                    json!({ "message": { "source_branch": ["does not exist"] } }),
                );
            }
        };
        let twin = state
            .requests
            .iter()
            .find(|it| it.state == "opened" && (&it.source, &it.target) == (&source, &target));
        if let Some(twin) = twin {
            let words = format!(
                "Another open merge request already exists for this source branch: !{}",
                twin.iid
            );
            return (409, json!({ "message": [words] }));
        }
        let new = MergeRequest {
            iid: state.requests.len() as u64 + 1,
            source,
            target,
            head,
            title: text("title"),
            description: text("description"),
            state: "opened",
            merged_at: None,
            merge_commit: None,
            squash_commit: None,
            labels: Vec::new(),
            notes: Vec::new(),
        };
        state.requests.push(new.clone());
        drop(state);
        (201, self.shown(&new))
    }

    fn change(&self, iid: u64, body: &Value) -> Answer {
        let mut state = self.state();
        let found = state.requests.iter_mut().find(|it| it.iid == iid);
        let found = found.expect("it was found before");
        // What is merged or closed stays so, and the answer is a success all the same.
        if body["state_event"] == "close" && found.state == "opened" {
            found.state = "closed";
        }
        if let Some(label) = body["add_labels"].as_str()
            && !found.labels.iter().any(|known| known == label)
        {
            found.labels.push(label.to_owned());
        }
        let found = found.clone();
        drop(state);
        (200, self.shown(&found))
    }

    fn comment(&self, iid: u64, body: &Value) -> Answer {
        let text = body["body"].as_str().unwrap_or_default();
        let mut state = self.state();
        for found in state.requests.iter_mut().filter(|it| it.iid == iid) {
            found.notes.push(text.to_owned());
        }
        (201, shown_note(text))
    }

    fn shown(&self, it: &MergeRequest) -> Value {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        // A branch that is gone leaves the last commit that was seen on it.
        let head = match it.state {
            "opened" => objects::branch(&self.repo, &it.source),
            _ => None,
        };
        let known = json!({
            "iid": it.iid,
            "id": 1000 + it.iid,
            "project_id": PROJECT,
            "source_project_id": PROJECT,
            "target_project_id": PROJECT,
            "title": it.title,
            "description": it.description,
            "state": it.state,
            "source_branch": it.source,
            "target_branch": it.target,
            "sha": head.as_ref().unwrap_or(&it.head),
            "merged_at": it.merged_at.map(time),
            "merge_commit_sha": it.merge_commit,
            "squash_commit_sha": it.squash_commit,
            "labels": it.labels,
            "web_url": format!("https://gitlab.invalid/{}/-/merge_requests/{}", self.project, it.iid),
        });
        GITLAB.filled("APIEntitiesMergeRequest", known)
    }
}

fn shown_note(text: &str) -> Value {
    GITLAB.filled("APIEntitiesNote", json!({ "body": text }))
}
