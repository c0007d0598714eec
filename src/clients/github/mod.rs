//! One repository on GitHub or GitHub Enterprise, through its REST API.
//!
//! What cannot be taken back is done by three steps that only this order makes visible: a tree, a commit on top of
//! the tip, and moving the branch without force. A question may be asked again; whatever changes something is sent
//! once, and after any doubt the place where its effect would show is read before it is sent again. Each public
//! function is one step with a deadline of its own ([`GithubSettings::timeout`]).

mod branch;
mod commit;
mod identity;
mod issue;
mod land;
mod pull;
mod settings;
mod wire;

pub use branch::{Created, Deleted};
pub use commit::{Author, CommitEntry, NewCommit, WrittenCommit};
pub use identity::{GithubAuth, Permissions};
pub use issue::{Issue, IssueChange, IssueClosing, NewIssue};
pub use land::Landing;
pub use settings::GithubSettings;

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use octocrab::params::repos::Reference;
use secrecy::SecretString;

use self::identity::GithubIdentity;
use self::wire::GithubTransport;
use crate::clients::forge::error::{ForgeError, ForgeFault};
use crate::clients::http::Deadline;

/// A repository that can be asked and changed. Clones share their connections and their token.
#[derive(Debug, Clone)]
pub struct Github {
    settings: Arc<GithubSettings>,
    identity: Arc<GithubIdentity>,
    /// Built when it is first needed: loading the platform's root certificates costs more than a healthy pass, which
    /// asks nothing here.
    wire: Arc<OnceLock<GithubTransport>>,
}

impl Github {
    /// Prepares to talk about a repository; sends nothing.
    ///
    /// # Errors
    /// Fails when an App's private key cannot be used.
    pub fn new(settings: GithubSettings) -> Result<Self, ForgeError> {
        let identity = match GithubIdentity::new(&settings.auth) {
            Ok(identity) => Arc::new(identity),
            Err(fault) => {
                return Err(ForgeError {
                    tried: "prepare the API".to_owned(),
                    repo: format!("{}/{}", settings.owner, settings.name),
                    fault,
                });
            }
        };
        Ok(Self {
            settings: Arc::new(settings),
            identity,
            wire: Arc::new(OnceLock::new()),
        })
    }

    /// Returns how the repository is called: `owner/name`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.settings.owner, self.settings.name)
    }

    /// Tells whether this program signs in as a GitHub App, whose commits GitHub signs.
    pub fn is_app(&self) -> bool {
        match *self.identity {
            GithubIdentity::App(_) => true,
            GithubIdentity::Anonymous | GithubIdentity::Token(_) => false,
        }
    }

    /// Returns the token that git signs in with as the user `x-access-token`: the one of the settings, or the App's,
    /// which is made when it is first needed, kept, and made anew before it expires. Nothing for who signs in as
    /// nobody.
    ///
    /// # Errors
    /// Fails when GitHub makes no token.
    pub async fn installation_token(&self) -> Result<Option<SecretString>, ForgeError> {
        let token = async { self.wire()?.token(self.deadline()).await }.await;
        token.map_err(|fault| self.error("get a token", fault))
    }

    /// Returns what the App's token may do in the repository, by subject such as `contents`; a token is made where
    /// none is at hand. Empty for who signs in with a token or as nobody: GitHub does not say it of those.
    ///
    /// # Errors
    /// Fails when GitHub makes no token.
    pub async fn granted(&self) -> Result<Permissions, ForgeError> {
        self.installation_token().await?;
        Ok(match &*self.identity {
            GithubIdentity::App(app) => app.permissions().await,
            GithubIdentity::Anonymous | GithubIdentity::Token(_) => Permissions::new(),
        })
    }

    /// Returns the kinds of rules that hold for a branch, such as `pull_request` or `required_signatures`, in order and
    /// each once. They explain why a push was refused; an empty list does not mean that it would be accepted.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn rules(&self, branch: &str) -> Result<Vec<String>, ForgeError> {
        self.rules_within(self.deadline(), branch)
            .await
            .map_err(|fault| self.error(format!("read the rules of branch {branch:?}"), fault))
    }

    fn wire(&self) -> Result<&GithubTransport, ForgeFault> {
        if let Some(wire) = self.wire.get() {
            return Ok(wire);
        }
        let wire = GithubTransport::new(&self.settings, Arc::clone(&self.identity))?;
        Ok(self.wire.get_or_init(|| wire))
    }

    fn deadline(&self) -> Deadline {
        Deadline::within(self.settings.timeout)
    }

    fn owner_and_name(&self) -> (&str, &str) {
        (&self.settings.owner, &self.settings.name)
    }

    fn error(&self, tried: impl Into<String>, fault: ForgeFault) -> ForgeError {
        ForgeError {
            tried: tried.into(),
            repo: self.name(),
            fault,
        }
    }
}

/// Names a branch in a path. The library does not encode it, and git allows `#`, `%` and more in a name; slashes stay.
fn reference(branch: &str) -> Reference {
    Reference::Branch(encoded(branch))
}

fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            other => write!(encoded, "%{other:02X}").expect("writing to a text cannot fail"),
        }
        encoded
    })
}
