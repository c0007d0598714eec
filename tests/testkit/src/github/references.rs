//! Branches and the rules that hold for them.

use serde_json::{Value, json};

use super::routes::{invalid, ok, refused, text};
use super::{Answer, World};
use crate::git::objects;

/// What GitHub says when a rule forbids a change.
const RULE_WORDS: &str =
    "Repository rule violations found\n\nChanges must be made through a pull request.\n\n";

impl World {
    fn reference(&self, branch: &str, id: &str) -> Value {
        let url = |rest: String| {
            format!(
                "https://github.invalid/repos/{}/{}/git/{rest}",
                self.owner, self.name
            )
        };
        json!({
            "ref": format!("refs/heads/{branch}"),
            "node_id": "REF",
            "url": url(format!("refs/heads/{}", branch.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))),
            "object": { "type": "commit", "sha": id, "url": url(format!("commits/{id}")) },
        })
    }

    pub(super) fn read_branch(&self, branch: &str) -> Answer {
        match objects::branch(&self.repo, branch) {
            Some(id) => ok(200, self.reference(branch, &id)),
            None => refused(404, "Not Found"),
        }
    }

    pub(super) fn create_ref(&self, body: &Value) -> Answer {
        let id = text(body, "sha");
        let Some(branch) = text(body, "ref").strip_prefix("refs/heads/") else {
            return invalid(
                "Reference name must start with 'refs/' and contain at least one slash.",
            );
        };
        if objects::branch(&self.repo, branch).is_some() {
            return invalid("Reference already exists");
        }
        if objects::kind(&self.repo, id).as_deref() != Some("commit") {
            return invalid("Object does not exist");
        }
        if self.has_rules(branch) {
            return invalid(RULE_WORDS);
        }
        match objects::create_branch(&self.repo, branch, id) {
            Ok(()) => ok(201, self.reference(branch, id)),
            Err(_) => invalid("Reference update failed"),
        }
    }

    pub(super) fn move_branch(&self, branch: &str, body: &Value) -> Answer {
        let id = text(body, "sha");
        if body["force"] != json!(false) {
            self.violation(format!("branch {branch} was moved without force:false"));
        }
        let Some(old) = objects::branch(&self.repo, branch) else {
            return invalid("Reference does not exist");
        };
        if objects::kind(&self.repo, id).as_deref() != Some("commit") {
            return invalid("Object does not exist");
        }
        if self.has_rules(branch) {
            return invalid(RULE_WORDS);
        }
        if !objects::is_ancestor(&self.repo, &old, id) {
            return invalid("Update is not a fast forward");
        }
        match objects::move_branch(&self.repo, branch, &old, id) {
            Ok(()) => ok(200, self.reference(branch, id)),
            Err(_) => refused(409, "Reference cannot be updated"),
        }
    }

    pub(super) fn delete_branch(&self, branch: &str) -> Answer {
        if objects::branch(&self.repo, branch).is_none() {
            return invalid("Reference does not exist");
        }
        if self.has_rules(branch) {
            return invalid(RULE_WORDS);
        }
        objects::delete_branch(&self.repo, branch);
        Answer {
            status: 204,
            body: None,
        }
    }

    fn has_rules(&self, branch: &str) -> bool {
        let state = self.state();
        state
            .rules
            .get(branch)
            .is_some_and(|rules| !rules.is_empty())
    }

    pub(super) fn list_rules(&self, branch: &str) -> Answer {
        let state = self.state();
        let rules = state.rules.get(branch).into_iter().flatten();
        ok(200, rules.map(|rule| json!({ "type": rule })).collect())
    }
}
