//! What each operation does.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{Answer, Token, World, identity};
use crate::contract::GITHUB;
use crate::git::objects::{self, Commit, Line, Person};
use crate::stub::Request;

pub(super) fn ok(status: u16, body: Value) -> Answer {
    Answer {
        status,
        body: Some(body),
    }
}

pub(super) fn refused(status: u16, message: &str) -> Answer {
    ok(
        status,
        json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        }),
    )
}

/// A field of a JSON object as text; empty when it is none, which the description has refused already.
pub(super) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

impl World {
    pub(super) fn route(&self, request: &Request, path: &str, query: &str) -> Answer {
        let bearer = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        if let ["app", "installations", installation, "access_tokens"] = parts[..] {
            return self.mint(bearer, installation, &body);
        }
        let Some(bearer) = bearer else {
            return refused(401, "Requires authentication");
        };
        let Some(token) = self.token(bearer) else {
            return refused(401, "Bad credentials");
        };
        let ["repos", owner, name, rest @ ..] = &parts[..] else {
            return refused(404, "Not Found");
        };
        if (*owner, *name) != (self.owner.as_str(), self.name.as_str()) {
            return refused(404, "Not Found");
        }
        match (request.method.as_str(), rest) {
            ("GET", ["git", "ref", "heads", branch @ ..]) => {
                self.read_branch(&decoded(&branch.join("/")))
            }
            ("POST", ["git", "refs"]) => self.create_ref(&body),
            ("PATCH", ["git", "refs", "heads", branch @ ..]) => {
                self.move_branch(&decoded(&branch.join("/")), &body)
            }
            ("DELETE", ["git", "refs", "heads", branch @ ..]) => {
                self.delete_branch(&decoded(&branch.join("/")))
            }
            ("GET", ["git", "commits", id]) => self.read_commit(id),
            ("POST", ["git", "commits"]) => self.write_commit(&body, &token),
            ("GET", ["git", "trees", id]) => self.read_tree(id),
            ("POST", ["git", "trees"]) => self.write_tree(&body),
            ("GET", ["pulls"]) => self.list_pulls(query),
            ("POST", ["pulls"]) => self.open_pull(&body),
            ("GET", ["pulls", number]) => self.read_pull(number),
            ("PATCH", ["pulls", number]) => self.update_pull(number, &body),
            ("GET", ["issues"]) => self.list_issues(query),
            ("POST", ["issues"]) => self.open_issue(&body),
            ("GET", ["issues", number]) => self.read_issue(number),
            ("PATCH", ["issues", number]) => self.update_issue(number, &body),
            ("POST", ["issues", number, "labels"]) => self.add_labels(number, &body),
            ("GET", ["issues", number, "comments"]) => self.list_comments(number),
            ("POST", ["issues", number, "comments"]) => self.add_comment(number, &body),
            ("GET", ["rules", "branches", branch @ ..]) => {
                self.list_rules(&decoded(&branch.join("/")))
            }
            _ => refused(404, "Not Found"),
        }
    }

    fn mint(&self, claim: Option<&str>, installation: &str, body: &Value) -> Answer {
        if let Err(why) = identity::check_claim(claim.unwrap_or_default()) {
            return refused(401, &why);
        }
        if installation != identity::INSTALLATION_ID.to_string() {
            return refused(404, "Not Found");
        }
        let narrowed = body["repositories"].as_array();
        let is_ours = |name: &Value| name.as_str() == Some(self.name.as_str());
        match narrowed {
            Some(names) if names.len() == 1 && names.iter().all(is_ours) => {}
            Some(_) => {
                return invalid(
                    "There is at least one repository that does not exist or is not accessible to the parent installation.",
                );
            }
            None => {
                self.violation("a token for every repository of the installation was asked for")
            }
        }
        let mut state = self.state();
        state.minted += 1;
        let token = format!("canary-app-token-{}", state.minted);
        let expires_at = Utc::now() + state.token_life;
        state.tokens.insert(
            token.clone(),
            Token {
                expires_at: Some(expires_at),
                is_app: true,
            },
        );
        ok(
            201,
            json!({
                "token": token,
                "expires_at": expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
                "permissions": { "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write" },
                "repository_selection": "selected",
            }),
        )
    }

    fn commit(&self, id: &str, is_new: bool) -> Answer {
        let commit = objects::read_commit(&self.repo, id);
        let is_signed = self.state().signed.contains(id);
        let person = |person: &Person| json!({ "name": person.name, "email": person.email, "date": person.date });
        let parents: Vec<Value> = commit
            .parents
            .iter()
            .map(|parent| {
                json!({
                    "sha": parent,
                    "url": format!("https://github.invalid/commits/{parent}"),
                    "html_url": format!("https://github.invalid/commit/{parent}"),
                })
            })
            .collect();
        let known = json!({
            "sha": id,
            "node_id": "C",
            "author": person(&commit.author),
            "committer": person(&commit.committer),
            "message": commit.message.trim_end(),
            "tree": { "sha": commit.tree, "url": "https://github.invalid/tree" },
            "parents": parents,
            "verification": {
                "verified": is_signed,
                "reason": if is_signed { "valid" } else { "unsigned" },
                "signature": is_signed.then_some("-----BEGIN PGP SIGNATURE-----"),
                "payload": is_signed.then_some("tree"),
            },
        });
        ok(
            if is_new { 201 } else { 200 },
            GITHUB.filled("git-commit", known),
        )
    }

    fn read_commit(&self, id: &str) -> Answer {
        match objects::kind(&self.repo, id).as_deref() {
            Some("commit") => self.commit(id, false),
            _ => refused(404, "Not Found"),
        }
    }

    fn write_commit(&self, body: &Value, token: &Token) -> Answer {
        let parents: Vec<String> = body["parents"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|parent| parent.as_str().map(str::to_owned))
            .collect();
        if parents.len() != 1 {
            self.violation(format!("a commit with {} parents", parents.len()));
        }
        let tree = text(body, "tree");
        if objects::kind(&self.repo, tree).as_deref() != Some("tree") {
            return invalid("Tree SHA does not exist");
        }
        if parents
            .iter()
            .any(|parent| objects::kind(&self.repo, parent).as_deref() != Some("commit"))
        {
            return invalid("Parent SHA does not exist or is not a commit object");
        }
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        let whose = |name: &str, otherwise: &Person| {
            let person = &body[name];
            if person.is_null() {
                return otherwise.clone();
            }
            Person {
                name: text(person, "name").to_owned(),
                email: text(person, "email").to_owned(),
                date: person["date"].as_str().unwrap_or(&now).to_owned(),
            }
        };
        let caller = if token.is_app {
            "acme-rollback[bot]"
        } else {
            "someone"
        };
        let caller = Person {
            name: caller.to_owned(),
            email: format!("{caller}@users.noreply.github.com"),
            date: now.clone(),
        };
        let author = whose("author", &caller);
        let is_signed = token.is_app
            && ["author", "committer", "signature"]
                .iter()
                .all(|name| body[*name].is_null());
        let commit = Commit {
            tree: tree.to_owned(),
            parents,
            committer: whose("committer", &author),
            author,
            message: text(body, "message").to_owned(),
        };
        match objects::write_commit(&self.repo, &commit) {
            Ok(id) => {
                if is_signed {
                    self.state().signed.insert(id.clone());
                }
                self.commit(&id, true)
            }
            Err(why) => invalid(&why),
        }
    }

    fn tree(&self, id: &str, is_new: bool) -> Answer {
        let entries: Vec<Value> = objects::lines(&self.repo, id)
            .iter()
            .map(|line| {
                let mut entry = json!({
                    "path": line.name,
                    "mode": line.mode,
                    "type": line.kind,
                    "sha": line.id,
                });
                if line.kind != "commit" {
                    entry["url"] =
                        json!(format!("https://github.invalid/{}s/{}", line.kind, line.id));
                }
                entry
            })
            .collect();
        let known = json!({
            "sha": id,
            "url": format!("https://github.invalid/trees/{id}"),
            "truncated": false,
            "tree": entries,
        });
        ok(if is_new { 201 } else { 200 }, known)
    }

    fn read_tree(&self, id: &str) -> Answer {
        match objects::kind(&self.repo, id).as_deref() {
            Some("tree") => self.tree(id, false),
            _ => refused(404, "Not Found"),
        }
    }

    fn write_tree(&self, body: &Value) -> Answer {
        let base = text(body, "base_tree");
        if base.is_empty() {
            self.violation("a tree without a base: everything else would be gone");
        } else if objects::kind(&self.repo, base).as_deref() != Some("tree") {
            return invalid("base_tree is not a valid tree oid");
        }
        let mut tree = (!base.is_empty()).then(|| base.to_owned());
        for entry in body["tree"].as_array().into_iter().flatten() {
            let (id, kind) = (text(entry, "sha"), text(entry, "type"));
            if entry.get("sha").is_some_and(Value::is_null) {
                let removed = tree
                    .as_deref()
                    .map(|tree| objects::remove(&self.repo, tree, text(entry, "path")));
                match removed {
                    Some(Ok(id)) => tree = Some(id),
                    Some(Err(why)) => return invalid(&why),
                    None => return invalid("there is nothing to remove from"),
                }
                continue;
            }
            // Another repository's commit stands for a submodule.
            if kind != "commit" && objects::kind(&self.repo, id).as_deref() != Some(kind) {
                return invalid(&format!("tree.sha {id} is not a valid {kind}"));
            }
            let line = Line {
                mode: text(entry, "mode").to_owned(),
                kind: kind.to_owned(),
                id: id.to_owned(),
                name: String::new(),
            };
            match objects::put(&self.repo, tree.as_deref(), text(entry, "path"), &line) {
                Ok(id) => tree = Some(id),
                Err(why) => return invalid(&why),
            }
        }
        match tree {
            Some(id) => self.tree(&id, true),
            None => invalid("Invalid tree info"),
        }
    }
}

/// Refuses a request that is well formed.
pub(super) fn invalid(message: &str) -> Answer {
    refused(422, message)
}

/// Decodes a part of a path.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
