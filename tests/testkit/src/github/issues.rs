//! Issues: what the program does with them, and what people do. Pull requests share their numbers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::pulls::parameters;
use super::routes::{invalid, ok, refused};
use super::{Answer, GithubServer, World};
use crate::contract::GITHUB;

/// Longest body that GitHub takes, in characters. Source: GitHub's answer to a longer one.
const MAX_BODY: usize = 65_536;

/// An issue as the stand-in keeps it.
#[derive(Clone, Debug)]
pub(super) struct IssueRecord {
    pub(super) number: u64,
    pub(super) comments: Vec<String>,
    title: String,
    body: String,
    labels: Vec<String>,
    created_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

impl GithubServer {
    /// Counts the issues, in whatever state.
    pub fn issue_count(&self) -> usize {
        self.world.state().issues.len()
    }

    /// Returns title and body of an issue.
    ///
    /// # Panics
    /// If it is not there.
    pub fn issue(&self, number: u64) -> (String, String) {
        let found = self.world.issue(number).expect("a known issue");
        (found.title, found.body)
    }

    /// Tells whether an issue is open.
    pub fn is_open(&self, number: u64) -> bool {
        let found = self.world.issue(number);
        found.is_some_and(|issue| issue.closed_at.is_none())
    }

    /// Returns the comments of an issue, oldest first; none where it is not there.
    pub fn issue_comments(&self, number: u64) -> Vec<String> {
        self.world.comments_of(number).unwrap_or_default()
    }

    /// Changes the body of an issue, as a person does.
    pub fn edit_issue(&self, number: u64, change: impl FnOnce(&str) -> String) {
        self.world
            .update_record(number, |issue| issue.body = change(&issue.body));
    }

    /// Takes an issue away, as an administrator does.
    pub fn delete_issue(&self, number: u64) {
        let mut state = self.world.state();
        state.issues.retain(|issue| issue.number != number);
        state.deleted_issues.insert(number);
    }

    /// Opens issues as people do, with a label.
    pub fn open_issues(&self, count: usize, label: &str) {
        let mut state = self.world.state();
        for index in 0..count {
            let number = state.next_number();
            state.issues.push(IssueRecord {
                number,
                comments: Vec::new(),
                title: format!("something else {index}"),
                body: "<!-- rollback-id: another -->".to_owned(),
                labels: vec![label.to_owned()],
                created_at: Utc::now(),
                closed_at: None,
            });
        }
    }
}

impl World {
    fn issue(&self, number: u64) -> Option<IssueRecord> {
        let state = self.state();
        let mut issues = state.issues.iter();
        issues.find(|issue| issue.number == number).cloned()
    }

    fn update_record(&self, number: u64, change: impl FnOnce(&mut IssueRecord)) {
        let mut state = self.state();
        if let Some(issue) = state.issues.iter_mut().find(|issue| issue.number == number) {
            change(issue);
        }
    }

    /// Returns the comments of an issue or a pull request.
    pub(super) fn comments_of(&self, number: u64) -> Option<Vec<String>> {
        self.issue(number).map(|issue| issue.comments)
    }

    /// Adds a comment to an issue; a pull request keeps its own.
    pub(super) fn comment_issue(&self, number: u64, text: &str) {
        self.update_record(number, |issue| issue.comments.push(text.to_owned()));
    }

    fn shown_issue(&self, issue: &IssueRecord) -> Value {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let labels: Vec<Value> = issue
            .labels
            .iter()
            .map(|name| {
                GITHUB.filled(
                    "label",
                    json!({ "name": name, "url": "https://github.invalid/label" }),
                )
            })
            .collect();
        let known = json!({
            "number": issue.number,
            "html_url": format!("https://github.invalid/{}/{}/issues/{}", self.owner, self.name, issue.number),
            "state": if issue.closed_at.is_some() { "closed" } else { "open" },
            "title": issue.title,
            // GitHub keeps the line ends of its web page.
            "body": issue.body.replace('\n', "\r\n"),
            "labels": labels,
            "comments": issue.comments.len(),
            "created_at": time(issue.created_at),
            "updated_at": time(issue.created_at),
            "closed_at": issue.closed_at.map(time),
        });
        GITHUB.filled("issue", known)
    }

    pub(super) fn list_issues(&self, query: &str) -> Answer {
        let query = parameters(query);
        let number = |name: &str, otherwise: usize| {
            let given = query.get(name).and_then(|text| text.parse().ok());
            given.unwrap_or(otherwise)
        };
        let (page, per_page) = (number("page", 1), number("per_page", 30).min(100));
        let state = query.get("state").map_or("open", String::as_str);
        let issues = self.state().issues.clone();
        let fits = |issue: &&IssueRecord| {
            let has_state = state == "all" || (state == "open") == issue.closed_at.is_none();
            let wanted = query.get("labels");
            let has_label = wanted.is_none_or(|label| issue.labels.contains(label));
            has_state && has_label
        };
        let shown: Vec<Value> = issues
            .iter()
            .rev()
            .filter(fits)
            .skip((page - 1) * per_page)
            .take(per_page)
            .map(|issue| self.shown_issue(issue))
            .collect();
        ok(200, shown.into())
    }

    pub(super) fn read_issue(&self, number: &str) -> Answer {
        let number = number.parse().unwrap_or_default();
        if self.state().deleted_issues.contains(&number) {
            return refused(410, "This issue was deleted");
        }
        match self.issue(number) {
            Some(issue) => ok(200, self.shown_issue(&issue)),
            None => refused(404, "Not Found"),
        }
    }

    pub(super) fn open_issue(&self, body: &Value) -> Answer {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (title, said) = (text("title"), text("body"));
        if title.is_empty() || said.chars().count() > MAX_BODY {
            return invalid("Validation Failed");
        }
        let labels = body["labels"].as_array().into_iter().flatten();
        let mut state = self.state();
        let issue = IssueRecord {
            number: state.next_number(),
            comments: Vec::new(),
            title,
            body: said,
            labels: labels
                .filter_map(|label| label.as_str().map(str::to_owned))
                .collect(),
            created_at: Utc::now(),
            closed_at: None,
        };
        state.issues.push(issue.clone());
        drop(state);
        ok(201, self.shown_issue(&issue))
    }

    pub(super) fn update_issue(&self, number: &str, body: &Value) -> Answer {
        let known = number.parse().unwrap_or_default();
        if let Some(text) = body["body"].as_str() {
            if text.chars().count() > MAX_BODY {
                return invalid("Validation Failed");
            }
            self.update_record(known, |issue| issue.body = text.to_owned());
        }
        match body["state"].as_str() {
            Some("closed") => self.update_record(known, |issue| {
                issue.closed_at.get_or_insert_with(Utc::now);
            }),
            Some("open") => self.update_record(known, |issue| issue.closed_at = None),
            _ => {}
        }
        self.read_issue(number)
    }
}
