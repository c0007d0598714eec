//! Of which commits of the branch the commits were made that a hydrated application deploys.

use serde::Deserialize;

use super::followed::{Followed, followed};
use crate::clients::argocd::{Application, Hydrations};
use crate::clients::git::{Git, GitError, GitFault, GitSettings, Snapshot, Want};

/// The file in which the hydrator writes of which commit a hydrated one was made. Source: Argo CD's documentation,
/// "Source Hydrator".
const METADATA: &str = "hydrator.metadata";

/// What is read of that file.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "drySha")]
    dry: String,
}

/// Reads of which commits of the branch those were made that a hydrated application names. Nothing for another
/// application. What the hydrated branch does not say is left out, and so is all where the branch is not there.
///
/// # Errors
/// Fails when the remote cannot be reached or refuses.
pub async fn hydrations(
    app: &Application,
    git: &Git,
    settings: &GitSettings,
) -> Result<Option<Hydrations>, GitError> {
    let Followed::Dry(hydration) = followed(app, settings) else {
        return Ok(None);
    };
    let mut known = Hydrations::default();
    let (Some(branch), Some(path)) = (&hydration.sync_branch, &hydration.sync_path) else {
        return Ok(Some(known));
    };
    let oldest = app.history.iter().flatten().next();
    let want = Want {
        back_to: oldest.and_then(|entry| entry.revisions.first().cloned()),
        ..Want::default()
    };
    let hydrated = git.beside(branch, path);
    let revisions: Vec<String> = app.revisions().into_iter().cloned().collect();
    let own = format!("{}/{METADATA}", path.trim_matches('/'));
    let read = crate::blocking(move || {
        let snapshot = hydrated.read(&want)?;
        made_of(&snapshot, &revisions, &own)
    })
    .await;
    match read {
        Ok(found) => {
            for (hydrated, dry) in found {
                known.learn(hydrated, dry);
            }
            Ok(Some(known))
        }
        Err(error) if is_absent(&error) => {
            tracing::warn!(error = %error, "what the hydrator wrote is not there");
            Ok(Some(known))
        }
        Err(error) => Err(error),
    }
}

fn is_absent(error: &GitError) -> bool {
    matches!(
        error.fault,
        GitFault::NoBranch { .. } | GitFault::NoPath { .. }
    )
}

/// Returns each revision with the commit that it was made of, as far as the file in the application's own folder says
/// so, else the one of the whole branch, which other applications share.
fn made_of(
    snapshot: &Snapshot,
    revisions: &[String],
    own: &str,
) -> Result<Vec<(String, String)>, GitError> {
    let mut found = Vec::new();
    for file in [own, METADATA] {
        let texts = snapshot.text_at_each(revisions, file)?;
        for (revision, text) in revisions.iter().zip(texts) {
            let dry = text.and_then(|text| dry_commit(&text));
            found.extend(dry.map(|dry| (revision.clone(), dry)));
        }
    }
    Ok(found)
}

/// Reads the whole id of the commit that something was made of.
fn dry_commit(text: &str) -> Option<String> {
    let read: Metadata = serde_json::from_str(text).ok()?;
    let is_id = read.dry.len() == 40 && read.dry.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| read.dry.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_id_is_taken() {
        let id = "0123456789abcdef0123456789ABCDEF01234567";
        let text = format!(r#"{{"repoURL": "https://git/a", "drySha": "{id}", "author": "Kim"}}"#);
        assert_eq!(dry_commit(&text), Some(id.to_lowercase()));
        for text in [
            "",
            "{}",
            r#"{"drySha": "0123456"}"#,
            r#"{"drySha": 7}"#,
            r#"{"drySha": "n/a"}"#,
        ] {
            assert_eq!(dry_commit(text), None, "{text}");
        }
    }
}
