//! Pull requests: what the program does with them, and what people do.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::routes::{decoded, invalid, ok, refused};
use super::{Answer, GithubServer, World};
use crate::contract::GITHUB;
use crate::git::objects::{self, Merge};

/// A pull request as the stand-in keeps it.
#[derive(Clone, Debug)]
pub(super) struct PullRecord {
    number: u64,
    head: String,
    head_id: String,
    base: String,
    title: String,
    body: String,
    closed_at: Option<DateTime<Utc>>,
    merged: Option<(DateTime<Utc>, String)>,
    labels: Vec<String>,
    comments: Vec<String>,
}

impl GithubServer {
    /// Merges a pull request, as a person does, and returns the commit that is on the base branch then.
    ///
    /// # Panics
    /// If it is not open, or does not merge without a conflict.
    pub fn merge(&self, number: u64, how: Merge) -> String {
        let world = &self.world;
        let mut state = world.state();
        let pull = state
            .pulls
            .iter_mut()
            .find(|pull| pull.number == number)
            .expect("a known pull request");
        assert!(pull.closed_at.is_none(), "it is open");
        let message = match how {
            Merge::Commit => format!("Merge pull request #{number}\n"),
            Merge::Squash | Merge::Rebase => format!("{} (#{number})\n", pull.title),
        };
        let forge = ("GitHub", "noreply@github.com");
        let id = objects::merge(&world.repo, &pull.base, &pull.head, how, &message, forge);
        let now = Utc::now();
        pull.closed_at = Some(now);
        pull.merged = Some((now, id.clone()));
        id
    }

    /// Closes a pull request without merging it, as a person does.
    ///
    /// # Panics
    /// If it is not there.
    pub fn close(&self, number: u64) {
        let mut state = self.world.state();
        let pulls = state.pulls.iter_mut();
        for pull in pulls.filter(|pull| pull.number == number) {
            pull.closed_at = Some(Utc::now());
        }
    }

    /// Returns the labels of a pull request.
    pub fn labels(&self, number: u64) -> Vec<String> {
        let found = self.world.pull(number);
        found.map_or_else(Vec::new, |pull| pull.labels)
    }

    /// Returns the comments of a pull request or an issue.
    pub fn comments(&self, number: u64) -> Vec<String> {
        let found = self.world.pull(number).map(|pull| pull.comments);
        found
            .or_else(|| self.world.comments_of(number))
            .unwrap_or_default()
    }

    /// Counts the pull requests, in whatever state.
    pub fn pull_count(&self) -> usize {
        self.world.state().pulls.len()
    }
}

impl World {
    fn pull(&self, number: u64) -> Option<PullRecord> {
        let state = self.state();
        state
            .pulls
            .iter()
            .find(|pull| pull.number == number)
            .cloned()
    }

    fn update(&self, number: u64, change: impl FnOnce(&mut PullRecord)) {
        let mut state = self.state();
        if let Some(pull) = state.pulls.iter_mut().find(|pull| pull.number == number) {
            change(pull);
        }
    }

    fn shown(&self, pull: &PullRecord, kind: &str) -> Value {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        // A branch that is gone leaves the last commit that was seen on it.
        let head = objects::branch(&self.repo, &pull.head).unwrap_or_else(|| pull.head_id.clone());
        let base = objects::branch(&self.repo, &pull.base).unwrap_or_default();
        let side = |branch: &str, id: &str| {
            json!({
                "label": format!("{}:{branch}", self.owner),
                "ref": branch,
                "sha": id,
                "repo": {
                    "full_name": format!("{}/{}", self.owner, self.name),
                    "name": self.name,
                    "owner": { "login": self.owner },
                },
                "user": GITHUB.filled("simple-user", json!({ "login": self.owner })),
            })
        };
        let labels: Vec<Value> = pull
            .labels
            .iter()
            .map(|name| GITHUB.filled("label", json!({ "name": name, "description": "" })))
            .collect();
        let mut known = json!({
            "number": pull.number,
            "html_url": format!("https://github.invalid/{}/{}/pull/{}", self.owner, self.name, pull.number),
            "state": if pull.closed_at.is_some() { "closed" } else { "open" },
            "title": pull.title,
            "body": pull.body,
            "draft": false,
            "head": side(&pull.head, &head),
            "base": side(&pull.base, &base),
            "labels": labels,
            "closed_at": pull.closed_at.map(time),
            "merged_at": pull.merged.as_ref().map(|(at, _)| time(*at)),
            // Before the merge this is a commit that only tests it.
            "merge_commit_sha": pull.merged.as_ref().map_or(base.clone(), |(_, id)| id.clone()),
        });
        if kind == "pull-request" {
            known["merged"] = json!(pull.merged.is_some());
            known["mergeable_state"] = json!("unknown");
        }
        GITHUB.filled(kind, known)
    }

    pub(super) fn list_pulls(&self, query: &str) -> Answer {
        let query = parameters(query);
        let state = query.get("state").map_or("open", String::as_str);
        let pulls = self.state().pulls.clone();
        let fits = |pull: &&PullRecord| {
            let is_open = pull.closed_at.is_none();
            let has_state = state == "all" || (state == "open") == is_open;
            let head = format!("{}:{}", self.owner, pull.head);
            has_state && query.get("head").is_none_or(|wanted| *wanted == head)
        };
        let shown: Vec<Value> = pulls
            .iter()
            .rev()
            .filter(fits)
            .map(|pull| self.shown(pull, "pull-request-simple"))
            .collect();
        ok(200, shown.into())
    }

    pub(super) fn open_pull(&self, body: &Value) -> Answer {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (head, base) = (text("head"), text("base"));
        let (Some(head_id), Some(base_id)) = (
            objects::branch(&self.repo, &head),
            objects::branch(&self.repo, &base),
        ) else {
            return failed("head", "invalid", None);
        };
        if objects::is_ancestor(&self.repo, &head_id, &base_id) {
            return failed(
                "base",
                "custom",
                Some(format!("No commits between {base} and {head}")),
            );
        }
        let mut state = self.state();
        if state
            .pulls
            .iter()
            .any(|pull| pull.head == head && pull.closed_at.is_none())
        {
            let words = format!("A pull request already exists for {}:{head}.", self.owner);
            return failed("head", "custom", Some(words));
        }
        let number = state.next_number();
        let pull = PullRecord {
            number,
            head,
            head_id,
            base,
            title: text("title"),
            body: text("body"),
            closed_at: None,
            merged: None,
            labels: Vec::new(),
            comments: Vec::new(),
        };
        state.pulls.push(pull.clone());
        drop(state);
        ok(201, self.shown(&pull, "pull-request"))
    }

    pub(super) fn read_pull(&self, number: &str) -> Answer {
        match number.parse().ok().and_then(|number| self.pull(number)) {
            Some(pull) => ok(200, self.shown(&pull, "pull-request")),
            None => refused(404, "Not Found"),
        }
    }

    pub(super) fn update_pull(&self, number: &str, body: &Value) -> Answer {
        let Some(pull) = number.parse().ok().and_then(|number| self.pull(number)) else {
            return invalid("Not Found");
        };
        if body["state"] == "closed" && pull.closed_at.is_none() {
            self.update(pull.number, |pull| pull.closed_at = Some(Utc::now()));
        }
        self.read_pull(number)
    }

    pub(super) fn add_labels(&self, number: &str, body: &Value) -> Answer {
        let Some(pull) = number.parse().ok().and_then(|number| self.pull(number)) else {
            return refused(404, "Not Found");
        };
        let names = body["labels"].as_array().into_iter().flatten();
        let names: Vec<String> = names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .filter(|name| !pull.labels.contains(name))
            .collect();
        self.update(pull.number, |pull| pull.labels.extend(names));
        let labels = self
            .pull(pull.number)
            .map_or_else(Vec::new, |pull| pull.labels);
        let shown: Vec<Value> = labels
            .iter()
            .map(|name| {
                GITHUB.filled(
                    "label",
                    json!({ "name": name, "url": "https://github.invalid/label" }),
                )
            })
            .collect();
        ok(200, shown.into())
    }

    pub(super) fn list_comments(&self, number: &str) -> Answer {
        match self.all_comments(number) {
            Some(comments) => {
                let shown = comments.iter().map(|body| self.comment(body));
                ok(200, shown.collect())
            }
            None => refused(404, "Not Found"),
        }
    }

    pub(super) fn add_comment(&self, number: &str, body: &Value) -> Answer {
        if self.all_comments(number).is_none() {
            return refused(404, "Not Found");
        }
        let number = number.parse().unwrap_or_default();
        let text = body["body"].as_str().unwrap_or_default().to_owned();
        self.update(number, |pull| pull.comments.push(text.clone()));
        self.comment_issue(number, &text);
        ok(201, self.comment(&text))
    }

    fn all_comments(&self, number: &str) -> Option<Vec<String>> {
        let number = number.parse().ok()?;
        let of_pull = self.pull(number).map(|pull| pull.comments);
        of_pull.or_else(|| self.comments_of(number))
    }

    fn comment(&self, body: &str) -> Value {
        let user = GITHUB.filled("simple-user", json!({ "login": self.owner }));
        GITHUB.filled("issue-comment", json!({ "body": body, "user": user }))
    }
}

/// Reads the parameters of a query.
pub(super) fn parameters(query: &str) -> HashMap<String, String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(&value.replace('+', " "))))
        .collect()
}

/// Refuses a field, with GitHub's way to say which.
fn failed(field: &str, code: &str, message: Option<String>) -> Answer {
    let mut error = json!({ "resource": "PullRequest", "field": field, "code": code });
    if let Some(message) = message {
        error["message"] = json!(message);
    }
    ok(
        422,
        json!({
            "message": "Validation Failed",
            "errors": [error],
            "documentation_url": "https://docs.github.com/rest/pulls/pulls#create-a-pull-request",
        }),
    )
}
