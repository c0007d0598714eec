//! A service that falls to another shard than before: what the files of other shards in the same folder remember of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::shard_of;
use crate::journal::{LockState, ServiceState, State, probe_lock, read};

/// What stands between the name of the state file and the shard.
const MARK: &str = ".shard-";

/// The file of a shard of another number of shards.
pub(super) struct Sibling {
    file: PathBuf,
    /// Which shard, of how many.
    shard: (u32, u32),
    written: SystemTime,
    state: State,
    /// Who holds its lock, where somebody does.
    holder: Option<String>,
}

/// What was found of a service that moved.
pub(super) enum MovedService {
    /// Nothing that is newer than what is known here.
    Unknown,
    /// What the file that was written last remembers.
    Remembered(Box<ServiceState>),
    /// A run of before holds the lock of a file that the service fell to, and may still be working on it.
    Held { lock: String, holder: String },
}

/// Reads the files beside one that are of another number of shards, the newest first.
pub(super) fn siblings(file: &Path) -> Vec<Sibling> {
    let read = others(file).into_iter().filter_map(|(file, shard)| {
        let state = read(&file).ok()?.state;
        let holder = match probe_lock(&file) {
            LockState::Held { holder } => Some(holder.unwrap_or_else(|| "another run".to_owned())),
            LockState::Free | LockState::Missing | LockState::Unusable { .. } => None,
        };
        Some(Sibling {
            written: written(&file).unwrap_or(SystemTime::UNIX_EPOCH),
            file,
            shard,
            state,
            holder,
        })
    });
    let mut siblings: Vec<Sibling> = read.collect();
    siblings.sort_by_key(|sibling| std::cmp::Reverse(sibling.written));
    siblings
}

/// Looks for a service in those that it fell to. `own` is when our own file was written that knows it.
pub(super) fn look(siblings: &[Sibling], key: &str, own: Option<SystemTime>) -> MovedService {
    let mut newest = None;
    let its = siblings.iter().filter(|sibling| {
        let (shard, shards) = sibling.shard;
        shard_of(key, shards) == shard
    });
    for sibling in its {
        if let Some(holder) = &sibling.holder {
            return MovedService::Held {
                lock: format!("the lock of {}", sibling.file.display()),
                holder: holder.clone(),
            };
        }
        let is_newer = own.is_none_or(|own| own < sibling.written);
        if let (true, Some(service)) = (is_newer, sibling.state.services.get(key)) {
            newest.get_or_insert(service);
        }
    }
    match newest {
        Some(service) => MovedService::Remembered(Box::new(service.clone())),
        None => MovedService::Unknown,
    }
}

/// Returns when a file was written; nothing where it is not there.
pub(super) fn written(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|found| found.modified()).ok()
}

/// Returns the state files beside one that are of another number of shards, each with its shard.
fn others(file: &Path) -> Vec<(PathBuf, (u32, u32))> {
    let named = |path: &Path| parsed(&path.file_name()?.to_string_lossy());
    let Some((base, (_, own))) = named(file) else {
        return Vec::new();
    };
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    // A run that has written nothing yet has its lock alone.
    let paths = entries.flatten().map(|entry| {
        let path = entry.path();
        match path.extension().is_some_and(|ending| ending == "lock") {
            true => path.with_extension(""),
            false => path,
        }
    });
    let mut others: Vec<(PathBuf, (u32, u32))> = paths
        .filter_map(|path| {
            let (other, shard) = named(&path)?;
            (other == base && shard.1 != own).then_some((path, shard))
        })
        .collect();
    others.sort();
    others.dedup();
    others
}

/// Returns what the file of a run without shards is called, and the shard: `state.json` and 0 of 3 of
/// `state.shard-0-of-3.json`.
fn parsed(name: &str) -> Option<(String, (u32, u32))> {
    let Some((stem, rest)) = name.split_once(MARK) else {
        return Some((name.to_owned(), (0, 1)));
    };
    let (shard, rest) = rest.split_once("-of-")?;
    let (shards, ending) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let shard = (shard.parse().ok()?, shards.parse().ok()?);
    Some((format!("{stem}{ending}"), shard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_other_shards_are_known_by_their_names() {
        let base = |name: &str| parsed(name).map(|(base, _)| base);
        assert_eq!(
            parsed("state.shard-0-of-3.json"),
            Some(("state.json".to_owned(), (0, 3)))
        );
        assert_eq!(
            parsed("state.json"),
            Some(("state.json".to_owned(), (0, 1)))
        );
        assert_ne!(
            base("state.shard-0-of-3.json.prev"),
            Some("state.json".to_owned())
        );
        assert_eq!(base("state.shard-x-of-3.json"), None);
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "state.json",
            "state.json.lock",
            "state.shard-0-of-2.json",
            "state.shard-0-of-3.json",
            "state.shard-1-of-2.json.lock",
            "other.json",
        ] {
            fs::write(folder.path().join(name), "").expect("our own folder");
        }
        let found = others(&folder.path().join("state.shard-1-of-3.json"));
        let found: Vec<PathBuf> = found.into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            found,
            [
                "state.json",
                "state.shard-0-of-2.json",
                "state.shard-1-of-2.json"
            ]
            .map(|name| folder.path().join(name))
        );
    }
}
