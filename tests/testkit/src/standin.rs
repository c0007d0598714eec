//! What the stand-ins of the systems that tell people have in common: faults in turn, and what was wrong.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::stub::{Reply, Request};

/// What is done to the next request.
enum Fault {
    Instead(Reply),
    After(Reply),
}

/// The way in of a stand-in.
#[derive(Default)]
pub(crate) struct Front {
    faults: Mutex<VecDeque<Fault>>,
    violations: Mutex<Vec<String>>,
}

impl Front {
    pub(crate) fn instead(&self, reply: Reply) {
        lock(&self.faults).push_back(Fault::Instead(reply));
    }

    pub(crate) fn after(&self, reply: Reply) {
        lock(&self.faults).push_back(Fault::After(reply));
    }

    /// Does what is asked, unless a fault takes its place or hides its answer.
    pub(crate) fn play(&self, answer: impl FnOnce() -> Reply) -> Reply {
        let fault = lock(&self.faults).pop_front();
        match fault {
            Some(Fault::Instead(reply)) => reply,
            Some(Fault::After(reply)) => {
                answer();
                reply
            }
            None => answer(),
        }
    }

    pub(crate) fn violation(&self, what: impl Into<String>) {
        lock(&self.violations).push(what.into());
    }

    pub(crate) fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.violations))
    }

    /// Fails the test if anything was wrong, or if a fault met no request.
    pub(crate) fn settle(&self, whose: &str) {
        if std::thread::panicking() {
            return;
        }
        let wrong = self.take_violations();
        assert!(
            wrong.is_empty(),
            "the rules of {whose} were broken: {wrong:#?}"
        );
        let left = lock(&self.faults).len();
        assert_eq!(left, 0, "faults of {whose} that no request met");
    }

    /// Reads the body of a POST as JSON; what is none is a violation.
    pub(crate) fn json(&self, request: &Request, content_type: &str) -> Option<Value> {
        let sent = request.header("content-type").unwrap_or_default();
        let kind = sent.split(';').next().unwrap_or_default().trim();
        if request.method != "POST" || kind != content_type {
            self.violation(format!("{} of {sent:?}", request.method));
        }
        if request.header("user-agent").is_none_or(str::is_empty) {
            self.violation("the request does not say who asks");
        }
        let body = serde_json::from_slice(&request.body);
        if let Err(error) = &body {
            self.violation(format!("a body that is no JSON: {error}"));
        }
        body.ok()
    }

    /// Notes the fields of an object that nobody knows, and those that are missing.
    pub(crate) fn fields(&self, what: &str, value: &Value, needed: &[&str], optional: &[&str]) {
        let Some(object) = value.as_object() else {
            return self.violation(format!("{what} is no object"));
        };
        for name in needed.iter().filter(|name| !object.contains_key(**name)) {
            self.violation(format!("{what} has no {name}"));
        }
        let is_known = |name: &str| needed.contains(&name) || optional.contains(&name);
        for name in object.keys().filter(|name| !is_known(name)) {
            self.violation(format!("{what} has an unknown {name}"));
        }
    }

    /// Notes a text that is none, is empty, is too long, or holds what no text should.
    pub(crate) fn text(&self, what: &str, value: &Value, limit: usize) {
        let Some(text) = value.as_str() else {
            return self.violation(format!("{what} is no text"));
        };
        let length = text.chars().count();
        if length == 0 || length > limit {
            self.violation(format!("{what} has {length} characters"));
        }
        let is_wild = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if text.contains(is_wild) {
            self.violation(format!("{what} holds control characters: {text:?}"));
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
