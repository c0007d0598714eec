//! What GitHub says about a branch, beside git itself.

use std::collections::BTreeSet;
use std::time::Duration;

use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http::{HttpClient, HttpSettings, HttpSettingsError, quote};

/// Total time of one question. It only explains what has already happened; without an answer the explanation is missing.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One repository on GitHub or GitHub Enterprise.
#[derive(Debug, Clone)]
pub struct Github {
    crab: Octocrab,
    owner: String,
    name: String,
}

/// Why GitHub could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// The settings cannot be used.
    #[error("prepare to reach GitHub's API: {0}")]
    Settings(#[from] HttpSettingsError),
    /// The library refused its parts.
    #[error("prepare to reach GitHub's API: {0}")]
    Library(String),
    /// GitHub did not answer, or refused.
    #[error("ask GitHub for the rules of branch {branch:?}: {why}")]
    NotAnswered {
        /// The branch.
        branch: String,
        /// What happened, in one line.
        why: String,
    },
}

impl GithubError {
    /// Tells whether the same question may be answered later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Library(_) => false,
            Self::NotAnswered { .. } => true,
        }
    }
}

impl Github {
    /// Prepares to ask about `owner/name` at the API `api`; sends nothing. The library gets the program's own HTTP client:
    /// its defaults would follow redirects, repeat requests and wait for ever.
    ///
    /// # Errors
    /// Fails when the URL or the token cannot be used.
    pub fn new(
        api: &Url,
        owner: &str,
        name: &str,
        token: Option<&SecretString>,
    ) -> Result<Self, GithubError> {
        let client = HttpClient::new(api.clone(), &HttpSettings::default())?;
        let library =
            |error: octocrab::Error| GithubError::Library(quote(error.to_string().as_bytes()));
        let mut builder = Octocrab::builder()
            .base_uri(api.as_str())
            .map_err(library)?;
        if let Some(token) = token {
            builder = builder.personal_token(token.expose_secret().to_owned());
        }
        Ok(Self {
            crab: builder
                .build_with_reqwest(client.into_inner())
                .map_err(library)?,
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Returns the kinds of rules that hold for a branch, such as `pull_request` or `required_signatures`, in order and
    /// each once. They explain why a push was refused; an empty list does not mean that it would be accepted.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn rules(&self, branch: &str) -> Result<Vec<String>, GithubError> {
        let not_answered = |why: String| GithubError::NotAnswered {
            branch: branch.to_owned(),
            why,
        };
        let repos = self.crab.repos(&self.owner, &self.name);
        let asked = repos.rulesets().rules_for_branch(branch).send();
        let rules = tokio::time::timeout(TIMEOUT, asked)
            .await
            .map_err(|_| not_answered(format!("no answer within {} s", TIMEOUT.as_secs())))?
            .map_err(|error| not_answered(why(&error)))?;
        let kinds: BTreeSet<String> = rules
            .into_iter()
            .map(|rule| quote(rule.rule_type.as_bytes()))
            .collect();
        Ok(kinds.into_iter().collect())
    }
}

fn why(error: &octocrab::Error) -> String {
    if let octocrab::Error::GitHub { source, .. } = error {
        format!(
            "HTTP {}: {}",
            source.status_code.as_u16(),
            quote(source.message.as_bytes())
        )
    } else {
        quote(error.to_string().as_bytes())
    }
}
