//! Reads files at the tip. Their contents were left out where the server knows how, and are fetched for this.

use std::path::Path;

use git2::{ObjectType, Oid, Tree};

use super::error::{GitError, GitFault, library};
use super::{Snapshot, fetch};

/// Longest file that is read (256 KiB). Protects memory; a longer one counts as not there.
const MAX_TEXT: usize = 256 * 1024;

impl Snapshot {
    /// Returns the texts of files at the tip, as far as they are there and are files.
    ///
    /// # Errors
    /// Fails when the scratch repository cannot be read, or the remote does not send the contents.
    pub fn texts(&self, paths: &[String]) -> Result<Vec<Option<String>>, GitError> {
        self.read_texts(paths)
            .map_err(|fault| self.git.error("read files", fault))
    }

    /// Returns the text of a file at each of some revisions, as far as that is there and was read.
    ///
    /// # Errors
    /// Fails when the scratch repository cannot be read, or the remote does not send the contents.
    pub fn text_at_each(
        &self,
        revisions: &[String],
        path: &str,
    ) -> Result<Vec<Option<String>>, GitError> {
        let trees = revisions.iter().map(|it| self.find(it)?.tree().ok());
        let files = trees.map(|tree| file_in(&tree?, path)).collect();
        self.contents_as_text(files)
            .map_err(|fault| self.git.error("read a file", fault))
    }

    fn read_texts(&self, paths: &[String]) -> Result<Vec<Option<String>>, GitFault> {
        let tip = Oid::from_str(&self.tip).map_err(library)?;
        let tree = self
            .repo
            .find_commit(tip)
            .and_then(|tip| tip.tree())
            .map_err(library)?;
        self.contents_as_text(paths.iter().map(|path| file_in(&tree, path)).collect())
    }

    fn contents_as_text(&self, ids: Vec<Option<Oid>>) -> Result<Vec<Option<String>>, GitFault> {
        let tip = Oid::from_str(&self.tip).map_err(library)?;
        let odb = self.repo.odb().map_err(library)?;
        let is_missing = |id: &Oid| !odb.exists(*id);
        let mut missing: Vec<Oid> = ids.iter().flatten().copied().filter(is_missing).collect();
        missing.sort();
        missing.dedup();
        if !missing.is_empty() {
            let mut session = self.git.session()?;
            let branch = &self.git.settings.branch;
            let at = (tip, self.depth);
            fetch::fetch_contents(&mut session, &self.repo, branch, at, &missing)?;
        }
        ids.into_iter()
            .map(|id| {
                let Some(id) = id else {
                    return Ok(None);
                };
                let blob = self.repo.find_blob(id).map_err(library)?;
                let is_read = blob.size() <= MAX_TEXT;
                Ok(is_read.then(|| String::from_utf8_lossy(blob.content()).into_owned()))
            })
            .collect()
    }
}

/// Returns the id of a file; nothing where something else is there, or nothing.
fn file_in(tree: &Tree<'_>, path: &str) -> Option<Oid> {
    let entry = tree.get_path(Path::new(path)).ok()?;
    (entry.kind() == Some(ObjectType::Blob)).then(|| entry.id())
}
