//! Merge requests of one project on GitLab, through version 4 of its REST API.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::ForgeFault;
use super::pull::{NewPull, Pull, PullState, Rights, foremost};
use super::rest::{RestSettings, RestTransport};
use super::steps::PullRequests;
use crate::clients::http::{Deadline, Method, quote};

/// What a token needs. Source: GitLab's documentation, "Scopes for a personal access token" and "Permissions and
/// roles".
const NEEDS: &str = "GITOPS_TOKEN needs the scope api and at least the role Developer";

/// How many merge requests and comments are listed. Far more than one rollback has; GitLab gives no more at once.
const PAGE: &str = "100";

/// The role that may push branches and open merge requests. Source: GitLab's documentation, "Members API", roles.
const DEVELOPER: u32 = 30;

/// One project.
#[derive(Debug)]
pub struct Gitlab {
    rest: RestTransport,
}

/// A merge request as GitLab shows it. Only the fields that matter are read.
#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    web_url: Option<String>,
    state: Stands,
    merged_at: Option<DateTime<Utc>>,
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
    sha: Option<String>,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<u64>,
    target_project_id: Option<u64>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stands {
    Opened,
    Closed,
    /// It is being merged.
    Locked,
    Merged,
}

/// The project as it is shown to who asks.
#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    permissions: Permissions,
}

#[derive(Default, Deserialize)]
struct Permissions {
    project_access: Option<Membership>,
    group_access: Option<Membership>,
}

#[derive(Deserialize)]
struct Membership {
    access_level: u32,
}

#[derive(Deserialize)]
struct Token {
    scopes: Vec<String>,
}

#[derive(Serialize)]
struct Opening<'a> {
    source_branch: &'a str,
    target_branch: &'a str,
    title: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct Closing {
    state_event: &'static str,
}

#[derive(Serialize)]
struct Labelling<'a> {
    add_labels: &'a str,
}

#[derive(Serialize)]
struct NewNote<'a> {
    body: &'a str,
}

#[derive(Deserialize)]
struct Note {
    body: Option<String>,
}

impl Gitlab {
    /// Prepares to talk about a project; sends nothing.
    pub fn new(settings: RestSettings) -> Self {
        Self {
            rest: RestTransport::new(settings, NEEDS),
        }
    }

    /// The path of the project is one part of the path of a request, with its slashes encoded.
    fn at<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [
            &["projects", &self.rest.settings.path, "merge_requests"],
            rest,
        ]
        .concat()
    }

    /// Lists merge requests, newest first.
    async fn list(
        &self,
        deadline: Deadline,
        filter: &[(&str, &str)],
    ) -> Result<Vec<MergeRequest>, ForgeFault> {
        let newest = [
            ("state", "all"),
            ("order_by", "created_at"),
            ("sort", "desc"),
            ("per_page", PAGE),
        ];
        self.rest
            .read(deadline, &self.at(&[]), &[&newest[..], filter].concat())
            .await
    }

    async fn change(
        &self,
        deadline: Deadline,
        number: u64,
        change: &impl Serialize,
    ) -> Result<Pull, ForgeFault> {
        let number = number.to_string();
        self.rest
            .write(deadline, Method::PUT, &self.at(&[&number]), change)
            .await
            .map(pull)
    }
}

impl Gitlab {
    /// Reads the role in the project and the scopes of the token.
    pub(super) async fn rights(&self, deadline: Deadline) -> Result<Rights, ForgeFault> {
        let at = ["projects", &self.rest.settings.path];
        let project: Project = self.rest.read(deadline, &at, &[]).await?;
        let role = [
            project.permissions.project_access,
            project.permissions.group_access,
        ]
        .into_iter()
        .flatten()
        .map(|access| access.access_level)
        .max()
        .unwrap_or_default();
        let at = ["personal_access_tokens", "self"];
        // Only access tokens have this page; what else lets somebody in is judged by the role alone.
        let token: Result<Token, ForgeFault> = self.rest.read(deadline, &at, &[]).await;
        let scopes = token.ok().map(|token| token.scopes);
        let has_scope = scopes
            .as_ref()
            .is_none_or(|scopes| scopes.iter().any(|scope| scope == "api"));
        let scopes = scopes.map_or_else(|| "not shown".to_owned(), |scopes| scopes.join(", "));
        let granted = format!("access level {role}, scopes {scopes}");
        Ok(Rights {
            may_write: role >= DEVELOPER && has_scope,
            granted: quote(granted.as_bytes()),
        })
    }
}

impl PullRequests for Gitlab {
    fn name(&self) -> String {
        self.rest.settings.path.clone()
    }

    fn may_write(&self) -> bool {
        self.rest.settings.token.is_some()
    }

    fn timeout(&self) -> Duration {
        self.rest.settings.timeout
    }

    async fn find(&self, deadline: Deadline, branch: &str) -> Result<Option<Pull>, ForgeFault> {
        let listed = self.list(deadline, &[("source_branch", branch)]).await?;
        // A filter that a server does not understand is ignored, and other people's merge requests come.
        let ours = listed
            .into_iter()
            .filter(|shown| shown.source_branch == branch && is_from_here(shown));
        Ok(foremost(ours.map(pull)))
    }

    /// Only the newest hundred of the project are looked through.
    async fn newest(
        &self,
        deadline: Deadline,
        beginning: &str,
    ) -> Result<Vec<(Pull, String)>, ForgeFault> {
        let listed = self.list(deadline, &[]).await?;
        let ours = listed
            .into_iter()
            .filter(|shown| shown.source_branch.starts_with(beginning) && is_from_here(shown));
        Ok(ours
            .map(|mut shown| {
                let text = shown.description.take().unwrap_or_default();
                (pull(shown), text)
            })
            .collect())
    }

    async fn read(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault> {
        let iid = number.to_string();
        let found: MergeRequest = self.rest.read(deadline, &self.at(&[&iid]), &[]).await?;
        if found.iid == number {
            Ok(pull(found))
        } else {
            Err(ForgeFault::answer("it is about another merge request"))
        }
    }

    async fn post(&self, deadline: Deadline, new: &NewPull) -> Result<Pull, ForgeFault> {
        let opening = Opening {
            source_branch: &new.branch,
            target_branch: &new.base,
            title: &new.title,
            description: &new.body,
        };
        self.rest
            .write(deadline, Method::POST, &self.at(&[]), &opening)
            .await
            .map(pull)
            .map_err(not_seen_yet)
    }

    async fn close(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault> {
        let closing = Closing {
            state_event: "close",
        };
        self.change(deadline, number, &closing).await
    }

    /// GitLab makes a label that the project does not have.
    async fn label(&self, deadline: Deadline, number: u64, label: &str) -> Result<(), ForgeFault> {
        let labelling = Labelling { add_labels: label };
        self.change(deadline, number, &labelling).await.map(drop)
    }

    async fn comments(&self, deadline: Deadline, number: u64) -> Result<Vec<String>, ForgeFault> {
        let number = number.to_string();
        let at = self.at(&[&number, "notes"]);
        let listed: Vec<Note> = self.rest.read(deadline, &at, &[("per_page", PAGE)]).await?;
        Ok(listed.into_iter().filter_map(|note| note.body).collect())
    }

    async fn post_comment(
        &self,
        deadline: Deadline,
        number: u64,
        body: &str,
    ) -> Result<(), ForgeFault> {
        let number = number.to_string();
        let at = self.at(&[&number, "notes"]);
        self.rest
            .write::<Note>(deadline, Method::POST, &at, &NewNote { body })
            .await
            .map(drop)
    }

    async fn pause(&self, deadline: Deadline) -> Result<bool, ForgeFault> {
        Ok(self.rest.pause(deadline).await)
    }
}

/// GitLab looks for the branch in a view that it renews some time after a push: usually within a second, once after
/// 37 s. That it is not there is no refusal, then, for the branch was pushed. Source: reports about version 19.
fn not_seen_yet(fault: ForgeFault) -> ForgeFault {
    if let ForgeFault::Rejected { status, words } = &fault
        && *status == 400
        && words.contains("source_branch")
    {
        return ForgeFault::Server {
            status: *status,
            words: words.clone(),
        };
    }
    fault
}

/// A fork may have a branch of the same name.
fn is_from_here(shown: &MergeRequest) -> bool {
    shown
        .source_project_id
        .is_none_or(|source| Some(source) == shown.target_project_id)
}

fn pull(shown: MergeRequest) -> Pull {
    let state = match shown.state {
        Stands::Merged => PullState::Merged {
            // Old merges have none; what is wanted of it is that it is not later than now.
            at: shown.merged_at.unwrap_or_else(Utc::now),
            // A fast-forward makes neither of the first two.
            commit: shown
                .merge_commit_sha
                .or(shown.squash_commit_sha)
                .or_else(|| shown.sha.clone()),
        },
        Stands::Opened | Stands::Locked => PullState::Open,
        Stands::Closed => PullState::Closed,
    };
    Pull {
        number: shown.iid,
        url: shown.web_url.map(|url| quote(url.as_bytes())),
        branch: shown.source_branch,
        head: shown.sha.unwrap_or_default(),
        base: shown.target_branch,
        state,
    }
}
