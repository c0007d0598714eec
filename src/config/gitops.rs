//! The GitOps repository: where it is, how it lets us in, and what in it belongs to the service.

use std::{fmt, path::PathBuf, time::Duration};

use url::Url;

use super::trailer_key::TrailerKey;
use crate::clients::forge::{ForgeSettings, RestSettings};
use crate::clients::git::{GitSettings, Ignore, SshRemote};
use crate::clients::github::{GithubAuth, GithubSettings};

use super::{
    address::{PlainHttp, base_url},
    duration::MINUTE,
    forge::RestForge,
    git_names::{BranchName, parse_paths},
    problems::{Checked, Invalid, quoted},
    reader::{Reader, file_path},
    remote::{GitopsRepo, parse_repo, web_url},
    secret,
    variables::{
        GITHUB_APP_ID, GITHUB_APP_INSTALLATION_ID, GITHUB_APP_PRIVATE_KEY, GITOPS_API_URL,
        GITOPS_AUTHOR_EMAIL, GITOPS_AUTHOR_NAME, GITOPS_BRANCH, GITOPS_CA_FILE, GITOPS_IGNORE,
        GITOPS_MAX_BYTES, GITOPS_MODE, GITOPS_PATH, GITOPS_PLAINTEXT, GITOPS_REPO,
        GITOPS_SSH_KEY_FILE, GITOPS_SSH_KNOWN_HOSTS_FILE, GITOPS_TIMEOUT, GITOPS_TOKEN,
        GITOPS_USERNAME, INCIDENT_REPO, TRAILER_KEY, VARIABLES,
    },
};

/// The GitOps repository and what in it belongs to the service.
#[derive(Debug, Clone)]
pub struct GitopsConfig {
    /// `GITOPS_REPO`: `owner/name` on GitHub, or the URL of any repository that git can push to over HTTPS or SSH.
    pub repo: GitopsRepo,
    /// `GITOPS_MODE` (push): how a rollback reaches the branch.
    pub mode: GitopsMode,
    /// `GITOPS_USERNAME` (x-access-token); `GITOPS_TOKEN`, none by default; `GITOPS_BRANCH` (main); `GITOPS_PATH`: at
    /// least one path, none inside another; `GITOPS_IGNORE` (`**/*.md`), `none` for no file; `GITOPS_CA_FILE`, none by
    /// default; `GITOPS_TIMEOUT` (60s), up to 10m; `GITOPS_MAX_BYTES` (256MiB), 1MiB to 16GiB; `GITOPS_AUTHOR_NAME`
    /// (error-budget-monitor) and `GITOPS_AUTHOR_EMAIL` (error-budget-monitor@localhost).
    pub git: GitSettings,
    /// The API of the forge that hosts the repository, where it is known.
    pub forge: Option<ForgeSettings>,
    /// The way over SSH, where `GITOPS_REPO` is an SSH address: `GITOPS_SSH_KEY_FILE`, `GITOPS_SSH_KNOWN_HOSTS_FILE`,
    /// none by default.
    pub ssh: Option<SshRemote>,
    /// `TRAILER_KEY`, none by default: signs the trailers of commits, and then only signed ones are believed.
    pub trailer_key: Option<TrailerKey>,
}

impl GitopsConfig {
    /// Returns the web page of a commit, where the forge is known.
    pub fn commit_page(&self, revision: &str) -> Option<Url> {
        self.page("commit", revision)
    }

    /// Returns the web page of what changed from one commit to another, where the forge is known.
    pub fn compare_page(&self, from: &str, to: &str) -> Option<Url> {
        self.page("compare", &format!("{from}...{to}"))
    }

    /// Returns a page of the repository: of what kind it is, and what it shows.
    fn page(&self, kind: &str, shown: &str) -> Option<Url> {
        let (mut page, path, before) = match self.forge.as_ref()? {
            ForgeSettings::Github(github) => {
                let path = format!("{}/{}", github.owner, github.name);
                (web_url(&github.api_url), path, None)
            }
            ForgeSettings::Gitlab(settings) => {
                let site = RestForge::Gitlab.site(&settings.api_url);
                (site, settings.path.clone(), Some("-"))
            }
            ForgeSettings::Gitea(settings) => {
                let site = RestForge::Gitea.site(&settings.api_url);
                (site, settings.path.clone(), None)
            }
        };
        let mut segments = page.path_segments_mut().ok()?;
        segments.pop_if_empty();
        segments
            .extend(path.split('/').chain(before))
            .push(kind)
            .push(shown);
        drop(segments);
        Some(page)
    }
}

/// How a rollback reaches the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitopsMode {
    /// It is pushed, never with force.
    Push,
    /// It is proposed as a pull request, which a person merges.
    PullRequest,
}

impl GitopsMode {
    /// Returns the name that `GITOPS_MODE` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pull-request",
        }
    }
}

impl fmt::Display for GitopsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the GitOps repository and the incident repository share. Each part stands alone, so that a problem of one does
/// not hide those of the rest.
pub(super) struct ApiAccess {
    /// `GITOPS_API_URL` (`https://api.github.com/`); its path ends in `/`.
    pub(super) api_url: Checked<Url>,
    pub(super) auth: Checked<GithubAuth>,
    plaintext: Checked<bool>,
}

/// The user that goes with an App's token. Source: GitHub's documentation, "Authenticating as a GitHub App
/// installation".
const APP_USER: &str = "x-access-token";

/// Reads what both repositories share, once.
pub(super) fn read_api_access(reader: &mut Reader) -> ApiAccess {
    let plaintext = reader.flag(&GITOPS_PLAINTEXT);
    let rule = PlainHttp::unless("GITOPS_PLAINTEXT", plaintext.unwrap_or(false));
    let api_url = reader.required(&GITOPS_API_URL, |text| {
        base_url(text, rule, "put the token into GITOPS_TOKEN")
    });
    ApiAccess {
        api_url,
        auth: read_auth(reader),
        plaintext,
    }
}

/// Reads the token, the GitHub App, or neither.
fn read_auth(reader: &mut Reader) -> Checked<GithubAuth> {
    let token = reader.secret(&GITOPS_TOKEN, secret::header_token);
    let github_app = read_github_app(reader);
    match (token?, github_app?) {
        (Some(_), Some(_)) => Err(reader.report(
            "GITOPS_TOKEN and GITHUB_APP_ID are both set; set the token or the App, not both",
        )),
        (Some(token), None) => Ok(GithubAuth::Token(token)),
        (None, Some(app)) => Ok(app),
        (None, None) => Ok(GithubAuth::Anonymous),
    }
}

fn read_github_app(reader: &mut Reader) -> Checked<Option<GithubAuth>> {
    let app_id = reader.optional(&GITHUB_APP_ID, parse_id);
    let installation_id = reader.optional(&GITHUB_APP_INSTALLATION_ID, parse_id);
    let private_key = reader.secret(&GITHUB_APP_PRIVATE_KEY, secret::private_key);
    let (app_id, installation_id, private_key) = (app_id?, installation_id?, private_key?);
    match (app_id, installation_id, private_key) {
        (Some(app_id), Some(installation_id), Some(private_key)) => Ok(Some(GithubAuth::App {
            app_id,
            installation_id,
            private_key,
        })),
        (None, None, None) => Ok(None),
        (app_id, installation_id, private_key) => {
            let parts = [
                ("GITHUB_APP_ID", app_id.is_some()),
                ("GITHUB_APP_INSTALLATION_ID", installation_id.is_some()),
                ("GITHUB_APP_PRIVATE_KEY", private_key.is_some()),
            ];
            let named = |is_set: bool| {
                let names: Vec<_> = parts
                    .iter()
                    .filter(|part| part.1 == is_set)
                    .map(|part| part.0)
                    .collect();
                (
                    names.join(" and "),
                    if names.len() == 1 { "is" } else { "are" },
                )
            };
            let ((set, set_verb), (missing, missing_verb)) = (named(true), named(false));
            Err(reader.report(format!(
                "{set} {set_verb} set but {missing} {missing_verb} not; set all three or none"
            )))
        }
    }
}

fn parse_id(text: &str) -> Result<u64, Invalid> {
    text.parse().ok().filter(|id| *id > 0).ok_or_else(|| {
        Invalid::because(format!(
            "is {}; write the number that GitHub shows",
            quoted(text)
        ))
    })
}

pub(super) fn read(reader: &mut Reader, access: &ApiAccess) -> Checked<Option<GitopsConfig>> {
    let complete = check_complete(reader);
    let repo = read_repo(reader, access);
    let username = reader.required(&GITOPS_USERNAME, parse_username);
    let branch = reader.required(&GITOPS_BRANCH, str::parse::<BranchName>);
    let paths = reader.optional(&GITOPS_PATH, parse_paths);
    let ignore = reader.required(&GITOPS_IGNORE, parse_ignore);
    let mode = reader.required(&GITOPS_MODE, parse_mode);
    let ca_file = reader.file(&GITOPS_CA_FILE);
    let ssh_key_file = reader.optional(&GITOPS_SSH_KEY_FILE, parse_ssh_file);
    let ssh_known_hosts_file = reader.optional(&GITOPS_SSH_KNOWN_HOSTS_FILE, parse_ssh_file);
    let timeout = reader.duration(&GITOPS_TIMEOUT, Duration::from_millis(1)..=10 * MINUTE);
    let max_bytes = reader.required(&GITOPS_MAX_BYTES, parse_max_bytes);
    let author_name = reader.required(&GITOPS_AUTHOR_NAME, parse_author);
    let author_email = reader.required(&GITOPS_AUTHOR_EMAIL, parse_author);
    let trailer_key = reader.secret(&TRAILER_KEY, secret::password);
    complete?;
    let (Some(repo), Some(paths)) = (repo?, paths?) else {
        return Ok(None);
    };
    let (mode, auth) = (mode?, access.auth.clone()?);
    let hosted = read_hosted(reader, &repo, access)?;
    check_forge(reader, &repo, hosted.as_ref(), mode, &auth)?;
    check_ssh(reader, &repo, hosted.is_some())?;
    access.plaintext?;
    let (username, token) = match &auth {
        GithubAuth::Anonymous => (username?, None),
        GithubAuth::Token(token) => (username?, Some(token.clone())),
        GithubAuth::App { .. } => (APP_USER.to_owned(), None),
    };
    let (ca_file, timeout) = (ca_file?, timeout?);
    let (key_file, known_hosts_file) = (ssh_key_file?, ssh_known_hosts_file?);
    Ok(Some(GitopsConfig {
        git: GitSettings {
            url: repo.remote_url(),
            name: repo.to_string(),
            username,
            token: token.clone(),
            branch: branch?.into(),
            paths: paths.into_iter().map(String::from).collect(),
            ignore: ignore?,
            ca_file: ca_file.clone(),
            timeout,
            max_bytes: max_bytes?,
            author_name: author_name?,
            author_email: author_email?,
        },
        forge: match (&repo, hosted) {
            (
                GitopsRepo::Github {
                    owner,
                    name,
                    api_url,
                },
                _,
            ) => Some(ForgeSettings::Github(GithubSettings {
                ca_file,
                timeout,
                ..GithubSettings::new(api_url.clone(), owner, name, auth)
            })),
            (GitopsRepo::Url(_) | GitopsRepo::Ssh(_), Some((forge, settings))) => {
                let settings = RestSettings {
                    token,
                    ca_file,
                    timeout,
                    ..settings
                };
                Some(match forge {
                    RestForge::Gitlab => ForgeSettings::Gitlab(settings),
                    RestForge::Gitea => ForgeSettings::Gitea(settings),
                })
            }
            (GitopsRepo::Url(_) | GitopsRepo::Ssh(_), None) => None,
        },
        ssh: match &repo {
            GitopsRepo::Ssh(address) => Some(SshRemote {
                program: "ssh".into(),
                user: address.user.clone(),
                host: address.host.clone(),
                port: address.port,
                path: address.path.clone(),
                key_file,
                known_hosts_file,
                hidden_variables: VARIABLES.iter().map(|it| it.name.to_owned()).collect(),
            }),
            GitopsRepo::Github { .. } | GitopsRepo::Url(_) => None,
        },
        repo,
        mode,
        trailer_key: trailer_key?.as_ref().map(TrailerKey::new),
    }))
}

fn read_repo(reader: &mut Reader, access: &ApiAccess) -> Checked<Option<GitopsRepo>> {
    let rule = PlainHttp::unless("GITOPS_PLAINTEXT", access.plaintext.unwrap_or(false));
    let github = Url::parse("https://api.github.com/").expect("it is a URL");
    let api_url = access.api_url.as_ref().unwrap_or(&github);
    let repo = reader.optional(&GITOPS_REPO, |text| parse_repo(text, api_url, rule));
    access.api_url.as_ref().map_err(|reported| *reported)?;
    repo
}

/// Reports the parts of the group that are set without the others.
fn check_complete(reader: &mut Reader) -> Checked<()> {
    let mut complete = reader.both_or_neither(&GITOPS_REPO, &GITOPS_PATH);
    for key in [
        &GITOPS_CA_FILE,
        &GITOPS_SSH_KEY_FILE,
        &GITOPS_SSH_KNOWN_HOSTS_FILE,
    ] {
        complete = complete.and(reader.needs(key, &GITOPS_REPO));
    }
    if !reader.is_set(&INCIDENT_REPO) {
        for key in [&GITOPS_TOKEN, &GITHUB_APP_PRIVATE_KEY] {
            complete = complete.and(reader.needs(key, &GITOPS_REPO));
        }
    }
    complete
}

/// Finds out which forge hosts a repository that is not on GitHub, where that is known.
fn read_hosted(
    reader: &mut Reader,
    repo: &GitopsRepo,
    access: &ApiAccess,
) -> Checked<Option<(RestForge, RestSettings)>> {
    let api_url = access.api_url.clone()?;
    let of_api = RestForge::of_api(&api_url).map(|forge| (forge, api_url));
    let known = |host: Option<&str>| host.and_then(RestForge::of_host);
    let (forge, api_url, path) = match repo {
        GitopsRepo::Github { .. } => return Ok(None),
        GitopsRepo::Url(url) => {
            let Some((forge, api_url)) = of_api.or_else(|| known(url.host_str())) else {
                return Ok(None);
            };
            let Some(path) = forge.path_below(&api_url, url) else {
                return Err(reader.report(format!(
                    "GITOPS_REPO is not on the {} of GITOPS_API_URL; correct one of them, or unset GITOPS_API_URL",
                    forge.name()
                )));
            };
            (forge, api_url, path)
        }
        GitopsRepo::Ssh(address) => {
            let Some((forge, api_url)) = of_api.or_else(|| known(Some(&address.host))) else {
                return Ok(None);
            };
            (forge, api_url, address.path.clone())
        }
    };
    match forge.settings(api_url, &path) {
        Some(settings) => Ok(Some((forge, settings))),
        None => Err(reader.report(format!(
            "GITOPS_REPO names no repository of {}; write the address that it shows for cloning",
            forge.name()
        ))),
    }
}

/// Reports what only works on GitHub when the repository is elsewhere, and a pull request that nobody could open.
fn check_forge(
    reader: &mut Reader,
    repo: &GitopsRepo,
    hosted: Option<&(RestForge, RestSettings)>,
    mode: GitopsMode,
    auth: &GithubAuth,
) -> Checked<()> {
    let mut checked = Ok(());
    let mut report = |problem: &str| checked = Err(reader.report(problem));
    let opens_pulls = mode == GitopsMode::PullRequest;
    let is_known = repo.is_on_github() || hosted.is_some();
    if opens_pulls && !is_known {
        report(
            "GITOPS_MODE is pull-request, but the API of GITOPS_REPO's server is not known; write it as owner/name \
             where it is on GitHub, set GITOPS_API_URL to the API (GitLab's ends in /api/v4, Gitea's and Forgejo's in \
             /api/v1), or set the mode to push",
        );
    } else if opens_pulls && matches!(auth, GithubAuth::Anonymous) {
        report(match repo.is_on_github() {
            true => {
                "GITOPS_MODE is pull-request without credentials; set GITOPS_TOKEN, or GITHUB_APP_ID with the other two"
            }
            false => "GITOPS_MODE is pull-request without credentials; set GITOPS_TOKEN",
        });
    }
    if !repo.is_on_github() && matches!(auth, GithubAuth::App { .. }) {
        report(
            "GITHUB_APP_ID is set, but GITOPS_REPO is not on the GitHub of GITOPS_API_URL; write it as \
             owner/name, or use GITOPS_TOKEN",
        );
    }
    checked
}

/// Reports what belongs to the other way of signing in: a key over SSH, a token elsewhere. A forge's API takes the
/// token either way.
fn check_ssh(reader: &mut Reader, repo: &GitopsRepo, has_api: bool) -> Checked<()> {
    let mut checked = Ok(());
    if repo.is_over_ssh() {
        // The token of the incident repository goes to GitHub alone.
        if reader.is_set(&GITOPS_TOKEN) && !reader.is_set(&INCIDENT_REPO) && !has_api {
            checked = Err(reader.report(
                "GITOPS_TOKEN is set, but GITOPS_REPO is an SSH address, which takes a key; unset the token, or write \
                 the HTTPS address",
            ));
        }
        return checked;
    }
    for key in [&GITOPS_SSH_KEY_FILE, &GITOPS_SSH_KNOWN_HOSTS_FILE] {
        if reader.is_set(key) {
            checked = Err(reader.report(format!(
                "{} is set, but GITOPS_REPO is not an SSH address; unset it",
                key.variable.name
            )));
        }
    }
    checked
}

/// Accepts a number of bytes, or of a unit. Even a small repository needs some hundred KiB, and more than the upper
/// bound no volume for scratch files holds.
fn parse_max_bytes(text: &str) -> Result<u64, Invalid> {
    const MIB: u64 = 1024 * 1024;
    let (number, unit) = [("KiB", 1024), ("MiB", MIB), ("GiB", 1024 * MIB)]
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), unit)))
        .unwrap_or((text, 1));
    number
        .parse()
        .ok()
        .filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|number: u64| number.checked_mul(unit))
        .filter(|bytes| (MIB..=16 * 1024 * MIB).contains(bytes))
        .ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write a size from 1MiB to 16GiB, such as 256MiB",
                quoted(text)
            ))
        })
}

fn parse_ignore(text: &str) -> Result<Ignore, Invalid> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Ignore::default());
    }
    Ignore::parse(text).map_err(|why| {
        Invalid::because(format!(
            "{why}; write patterns such as **/*.md,**/CODEOWNERS, or none"
        ))
    })
}

fn parse_mode(text: &str) -> Result<GitopsMode, Invalid> {
    match text {
        "push" => Ok(GitopsMode::Push),
        "pull-request" => Ok(GitopsMode::PullRequest),
        _ => Err(Invalid::because(format!(
            "is {}; write push or pull-request",
            quoted(text)
        ))),
    }
}

/// Accepts a user of basic authentication.
fn parse_username(text: &str) -> Result<String, Invalid> {
    if text.chars().any(|c| c == ':' || c.is_control()) {
        return Err(Invalid::because(
            "holds a colon or a control character; write the user's name only",
        ));
    }
    Ok(text.to_owned())
}

/// Accepts what git can write into the author line of a commit.
fn parse_author(text: &str) -> Result<String, Invalid> {
    if text.chars().count() > 200 || text.chars().any(|c| c.is_control() || c == '<' || c == '>') {
        return Err(Invalid::because(format!(
            "is {}; write at most 200 characters without < > and control characters",
            quoted(text)
        )));
    }
    Ok(text.to_owned())
}

/// Accepts the path of a file that `ssh` takes as it is written: it puts other things in the place of `~`, `%` and `$`.
fn parse_ssh_file(text: &str) -> Result<PathBuf, Invalid> {
    let is_plain = text.starts_with('/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c));
    if !is_plain {
        return Err(Invalid::because(
            "does not name a file in a way that ssh takes as it is written; write a path from the root, of letters, \
             digits and . _ - + @",
        ));
    }
    file_path(text)
}
