//! One branch of one git repository, read shallowly and written without force, over smart HTTP.
//!
//! Everything here blocks; callers run it on a blocking thread. Each [`Snapshot`] lives in a private scratch folder
//! that goes with it. There is no work tree and no merge, and where the server knows how to leave them out, no file's
//! content.

mod access;
mod authored;
mod commits;
mod effects;
mod error;
mod exchange;
mod fetch;
mod history;
mod ignore;
mod packets;
mod push;
mod restore;
mod revision;
mod scratch;
mod secrets;
mod service;
mod settings;
mod ssh;
mod texts;
mod tip;
mod transport;
mod walk;

pub use access::Access;
pub use commits::WHOLE_REPOSITORY;
pub use effects::{CommitEffect, Edit, PathEffects};
pub use error::{GitError, GitFault, RevisionFault, SshFault};
pub use history::Moved;
pub use ignore::Ignore;
pub use push::Push;
pub use restore::{Draft, PathEntry};
pub use revision::Resolved;
pub use settings::{GitSettings, Want};
pub use ssh::SshRemote;
pub use walk::{PathChange, WalkEnd};

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use git2::{ConfigLevel, Oid, Repository, RepositoryInitOptions};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;

use self::error::library;
use self::fetch::{Contents, FetchFault, Round};
use self::scratch::Scratch;
use self::transport::{GitSession, Remote};
use self::walk::Walked;
use super::forge::ForgeError;
use super::github::Github;
use super::http::{Deadline, HttpAuth, HttpClient, HttpSettings, HttpSettingsError};
use crate::files;
use crate::redact::Scanner;

/// Depths of history that are fetched one after the other until the walk has seen enough. Past the last one a full
/// clone would be cheaper, and a rollback that far back is not one. Source: measured on 20,000 commits.
const DEPTHS: [i32; 4] = [50, 200, 800, 3200];

/// How much of a pack libgit2 maps at once (bytes), and how much of all packs. Protects memory: a mapped pack counts
/// as the run's own, and the walk looks at little of it.
const MAPPED: (usize, usize) = (1024 * 1024, 4 * 1024 * 1024);

/// A branch that can be read and written.
#[derive(Debug, Clone)]
pub struct Git {
    settings: Arc<GitSettings>,
    /// Whose token is used instead of the one in the settings.
    app: Option<Github>,
    /// The way there where it is not HTTP.
    ssh: Option<Arc<SshRemote>>,
    /// Built when it is first needed: loading the platform's root certificates costs more than a healthy pass, which
    /// asks no repository. Built anew when the token is another one.
    client: Arc<Mutex<Option<SignedIn>>>,
    runtime: Handle,
    /// Takes secrets out of what people wrote into commits.
    secrets: Arc<Scanner>,
}

/// A client with the token it was built with.
#[derive(Debug)]
struct SignedIn {
    token: Option<SecretString>,
    client: Arc<HttpClient>,
}

/// The branch as it was at one moment.
pub struct Snapshot {
    git: Git,
    repo: Repository,
    folder: Scratch,
    depth: i32,
    /// Folders that a draft made: the server has them not.
    written: Mutex<BTreeSet<Oid>>,
    /// Full id of the commit at the tip.
    pub tip: String,
    /// Content of the watched paths at the tip.
    pub tip_state: String,
    /// The changes of the watched paths, newest first.
    pub changes: Vec<PathChange>,
    /// Why there are no more.
    pub end: WalkEnd,
    /// The revision that was asked for.
    pub revision: Option<Resolved>,
}

impl Git {
    /// Prepares to talk to a remote; sends nothing. `runtime` drives the HTTP client while blocking threads wait.
    ///
    /// # Errors
    /// Fails when the file with further root certificates cannot be read.
    pub fn new(settings: GitSettings, runtime: Handle) -> Result<Self, HttpSettingsError> {
        if let Some(path) = &settings.ca_file {
            files::open_to_read(path).map_err(|source| HttpSettingsError::File {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Self {
            settings: Arc::new(settings),
            app: None,
            ssh: None,
            client: Arc::default(),
            runtime,
            secrets: Arc::default(),
        })
    }

    /// Returns the same repository with another branch and one path of it.
    #[must_use]
    pub fn beside(&self, branch: &str, path: &str) -> Self {
        let settings = GitSettings {
            branch: branch.to_owned(),
            paths: vec![path.to_owned()],
            ignore: Ignore::default(),
            ..(*self.settings).clone()
        };
        Self {
            settings: Arc::new(settings),
            ..self.clone()
        }
    }

    /// Takes secrets out of what people wrote into commits from now on.
    #[must_use]
    pub(crate) fn leaving_out(self, secrets: &Arc<Scanner>) -> Self {
        Self {
            secrets: Arc::clone(secrets),
            ..self
        }
    }

    /// Returns what somebody wrote into the repository without secrets, and not more than anybody reads.
    pub(crate) fn readable(&self, written: &[u8]) -> String {
        commits::readable(written, &self.secrets)
    }

    /// Signs in with the tokens of a GitHub App from now on.
    #[must_use]
    pub fn signing_in_as(self, app: Github) -> Self {
        Self {
            app: Some(app),
            ..self
        }
    }

    /// Reaches the repository over SSH from now on; sends nothing.
    ///
    /// # Errors
    /// Fails when a file that it names cannot be read.
    pub fn over_ssh(self, remote: SshRemote) -> Result<Self, HttpSettingsError> {
        for path in [&remote.key_file, &remote.known_hosts_file]
            .into_iter()
            .flatten()
        {
            files::open_to_read(path).map_err(|source| HttpSettingsError::File {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Self {
            ssh: Some(Arc::new(remote)),
            ..self
        })
    }

    fn remote(&self) -> Result<Remote, GitFault> {
        if let Some(remote) = &self.ssh {
            return Ok(Remote::Ssh(Arc::clone(remote)));
        }
        self.client().map(Remote::Http)
    }

    fn client(&self) -> Result<Arc<HttpClient>, GitFault> {
        let settings = &self.settings;
        let token = match &self.app {
            None => settings.token.clone(),
            Some(app) => self
                .runtime
                .block_on(app.installation_token())
                .map_err(|error| GitFault::Forge(Box::new(error)))?,
        };
        let text = |token: &Option<SecretString>| {
            token.as_ref().map(|token| token.expose_secret().to_owned())
        };
        let mut at_hand = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed_in) = &*at_hand
            && text(&signed_in.token) == text(&token)
        {
            return Ok(Arc::clone(&signed_in.client));
        }
        let auth = match &token {
            None => HttpAuth::None,
            Some(token) => HttpAuth::Basic {
                username: settings.username.clone(),
                password: token.clone(),
            },
        };
        let client = Arc::new(HttpClient::new(
            settings.url.clone(),
            &HttpSettings {
                auth,
                ca_file: settings.ca_file.clone(),
                timeout: settings.timeout,
                ..HttpSettings::default()
            },
        )?);
        *at_hand = Some(SignedIn {
            token,
            client: Arc::clone(&client),
        });
        Ok(client)
    }

    /// Returns how the repository is called in messages.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Returns the branch.
    pub fn branch(&self) -> &str {
        &self.settings.branch
    }

    /// Returns the total time of one read, with all its rounds, and of one push.
    pub fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// Returns name and address of author and committer.
    pub fn author(&self) -> (&str, &str) {
        (&self.settings.author_name, &self.settings.author_email)
    }

    /// Returns the watched paths.
    pub fn paths(&self) -> &[String] {
        &self.settings.paths
    }

    /// Returns how the watched paths are called in messages.
    pub fn shown_paths(&self) -> String {
        match &self.settings.paths[..] {
            [path] if path == WHOLE_REPOSITORY => "the whole repository".to_owned(),
            paths => paths.join(", "),
        }
    }

    /// Fetches the branch and walks it until what is wanted was seen, deepening by need.
    ///
    /// # Errors
    /// Fails when the remote cannot be reached or refuses, when branch or path are not there, or when a revision that
    /// was asked for is not on the branch.
    pub fn read(&self, want: &Want) -> Result<Snapshot, GitError> {
        self.read_inner(want)
            .map_err(|fault| self.error("read the history", fault))
    }

    fn read_inner(&self, want: &Want) -> Result<Snapshot, GitFault> {
        prepare()?;
        let mut session = self.session()?;
        match self.read_with(&mut session, want, Contents::LeftOut) {
            // What came so far may build on what did not come: begin anew.
            Err(refused) if refused.is_filters => {
                tracing::warn!(
                    error = %refused.fault,
                    "the server offers to leave out contents and does not do it; reading again with them"
                );
                self.read_with(&mut session, want, Contents::Included)
            }
            read => read,
        }
        .map_err(|refused| refused.fault)
    }

    fn read_with(
        &self,
        session: &mut GitSession,
        want: &Want,
        contents: Contents,
    ) -> Result<Snapshot, FetchFault> {
        let folder = Scratch::new().map_err(GitFault::Scratch)?;
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false);
        drop(Repository::init_opts(folder.content(), &options).map_err(library)?);
        // Once it is here a tag is known: later rounds deepen the branch alone.
        let mut tag = want.revision.as_deref().and_then(revision::tag_reference);
        let mut server = None;
        for depth in DEPTHS {
            let round = Round {
                branch: &self.settings.branch,
                tag: tag.take(),
                depth,
                contents,
            };
            fetch::fetch_branch(session, folder.content(), &round, &mut server)?;
            // libgit2 reads the shallow boundary only when it opens a repository.
            let repo = Repository::open(folder.content()).map_err(library)?;
            let is_deepest = Some(&depth) == DEPTHS.last();
            match walk::walk(
                &repo,
                &self.settings,
                &self.secrets,
                want,
                is_deepest,
                session.deadline(),
            )? {
                Walked::NeedsDepth => {}
                Walked::Seen {
                    tip,
                    tip_state,
                    changes,
                    end,
                    revision,
                } => {
                    return Ok(Snapshot {
                        git: self.clone(),
                        repo,
                        folder,
                        depth,
                        written: Mutex::default(),
                        tip,
                        tip_state,
                        changes,
                        end,
                        revision,
                    });
                }
            }
        }
        Err(GitFault::Library("the walk asked for more than the deepest history".to_owned()).into())
    }

    fn session(&self) -> Result<GitSession, GitFault> {
        let deadline = Deadline::within(self.settings.timeout);
        Ok(GitSession::new(
            self.remote()?,
            self.runtime.clone(),
            deadline,
            self.settings.max_bytes,
        ))
    }

    /// Makes a forge's answer an error of the repository, for who works on it by the forge's API.
    pub fn forge_error(&self, tried: &'static str, error: ForgeError) -> GitError {
        self.error(tried, GitFault::Forge(Box::new(error)))
    }

    fn error(&self, tried: &'static str, fault: GitFault) -> GitError {
        GitError {
            tried,
            repo: self.settings.name.clone(),
            fault,
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Snapshot")
            .field("tip", &self.tip)
            .field("tip_state", &self.tip_state)
            .field("changes", &self.changes)
            .field("end", &self.end)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Returns the branch that this is a snapshot of.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// Returns where the scratch repository lies; it goes when the snapshot is dropped.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.content()
    }
}

/// Shuts out the settings of the host, once. Everything that uses libgit2 comes after it.
///
/// # Errors
/// Fails when libgit2 refuses.
fn prepare() -> Result<(), GitFault> {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    PREPARED
        .get_or_init(|| {
            // A file whose content was left out can still be put into a tree. That it exists is the server's word: it
            // stands in a tree of the server, and the server looks again when it takes the push.
            git2::opts::strict_object_creation(false);
            #[expect(
                unsafe_code,
                reason = "libgit2 offers its global settings only this way"
            )]
            // SAFETY: the `OnceLock` makes this the only change, and this program uses libgit2 in this module only:
            // every repository is opened after `prepare`, so nothing reads these settings while they change.
            let prepared = unsafe {
                // A broken or unreadable configuration in the home folder would stop every read. Without search paths
                // there is none.
                [
                    ConfigLevel::ProgramData,
                    ConfigLevel::System,
                    ConfigLevel::XDG,
                    ConfigLevel::Global,
                ]
                .into_iter()
                .try_for_each(|level| git2::opts::set_search_path(level, ""))
                .and_then(|()| git2::opts::set_mwindow_size(MAPPED.0))
                .and_then(|()| git2::opts::set_mwindow_mapped_limit(MAPPED.1))
            };
            prepared.map_err(|error| error.message().to_owned())
        })
        .clone()
        .map_err(GitFault::Library)
}
