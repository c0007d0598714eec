//! What a power cut may leave of a folder.
//!
//! Nothing is on disk before its fsync, and then in no order: each name may lead where it led when the folder was
//! last brought to disk or anywhere it was led since, whatever the other names do; so a rename may be lost, come
//! before another one, or take place by halves. Of a file that was not brought to disk any block may be missing, as
//! zeros or as an end.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use super::Made;

/// In how many pieces a file comes to disk at most, so that each choice of them can be tried. No piece is smaller
/// than a sector.
const MAX_PIECES: usize = 6;

/// Size of a sector (bytes), the least that a disk writes.
const SECTOR: usize = 512;

/// The files that a power cut leaves.
pub(super) type Left = BTreeMap<OsString, Vec<u8>>;

/// Which file a name leads to, by its number; none where there is no such name.
type Target = Option<usize>;

/// A folder, as the kernel shows it and as it may be on disk.
#[derive(Debug, Default)]
pub(super) struct Folder {
    names: BTreeMap<OsString, Name>,
    files: Vec<Content>,
}

#[derive(Debug, Default)]
struct Name {
    now: Target,
    /// Where it led when the folder was last brought to disk, and everywhere since.
    on_disk: BTreeSet<Target>,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    is_on_disk: bool,
}

impl Folder {
    /// Makes a call, as the kernel would.
    pub(super) fn make(&mut self, made: &Made) {
        match made {
            Made::Folder(_) | Made::Tried(_) | Made::Read(_) => {}
            Made::Created(path) => {
                self.files.push(Content::default());
                self.lead(path, Some(self.files.len() - 1));
            }
            Made::Wrote(path, bytes) => {
                let file = self.file(path);
                file.now.extend(bytes);
                file.is_on_disk = false;
            }
            Made::Synced(path) => self.file(path).is_on_disk = true,
            Made::Renamed(from, to) => {
                let target = self.target(from);
                self.lead(to, target);
                self.lead(from, None);
            }
            Made::SyncedFolder(_) => {
                for name in self.names.values_mut() {
                    name.on_disk = BTreeSet::from([name.now]);
                }
            }
            Made::Removed(path) => self.lead(path, None),
        }
    }

    /// Returns everything that a power cut now may leave.
    pub(super) fn after_a_power_cut(&self) -> Vec<Left> {
        let mut left = vec![Left::new()];
        for (name, leads) in &self.names {
            left = leads
                .on_disk
                .iter()
                .flat_map(|target| self.with(&left, name, *target))
                .collect();
        }
        left
    }

    /// Returns each of what is left with a name more, for each content that its file may have.
    fn with(&self, left: &[Left], name: &OsString, target: Target) -> Vec<Left> {
        let Some(number) = target else {
            return left.to_vec();
        };
        let contents = self.files[number].after_a_power_cut();
        let mut more = Vec::with_capacity(left.len() * contents.len());
        for content in contents {
            for left in left {
                let mut left = left.clone();
                left.insert(name.clone(), content.clone());
                more.push(left);
            }
        }
        more
    }

    fn lead(&mut self, path: &Path, target: Target) {
        let name = path.file_name().expect("a file has a name").to_owned();
        let name = self.names.entry(name).or_insert_with(|| Name {
            now: None,
            on_disk: BTreeSet::from([None]),
        });
        name.now = target;
        name.on_disk.insert(target);
    }

    fn target(&self, path: &Path) -> Target {
        self.names.get(path.file_name()?)?.now
    }

    fn file(&mut self, path: &Path) -> &mut Content {
        let number = self.target(path).expect("the file is there");
        &mut self.files[number]
    }
}

impl Content {
    fn after_a_power_cut(&self) -> Vec<Vec<u8>> {
        if self.is_on_disk {
            return vec![self.now.clone()];
        }
        let piece = self.now.len().div_ceil(MAX_PIECES);
        let piece = piece.next_multiple_of(SECTOR).max(SECTOR);
        let pieces = self.now.len().div_ceil(piece);
        let mut contents = BTreeSet::new();
        for written in 0_u32..1 << pieces {
            let mut content = vec![0; self.now.len()];
            let mut end = 0;
            for number in (0..pieces).filter(|number| written >> number & 1 == 1) {
                let from = number * piece;
                end = (from + piece).min(self.now.len());
                content[from..end].copy_from_slice(&self.now[from..end]);
            }
            contents.insert(content[..end].to_vec());
            contents.insert(content);
        }
        contents.into_iter().collect()
    }
}

#[test]
fn the_model_loses_what_a_disk_may_lose() {
    let path = |name: &str| Path::new("/state").join(name);
    let mut folder = Folder::default();
    folder.make(&Made::Created(path("new")));
    folder.make(&Made::Wrote(path("new"), vec![7; 1000]));
    // No name; empty; the first sector, with and without zeros after it; the second behind zeros; whole; only zeros.
    assert_eq!(folder.after_a_power_cut().len(), 1 + 6);
    folder.make(&Made::Synced(path("new")));
    assert_eq!(folder.after_a_power_cut().len(), 2);
    folder.make(&Made::Renamed(path("new"), path("old")));
    // Each of the two names or none of them: the halves of a rename are on their own.
    assert_eq!(folder.after_a_power_cut().len(), 4);
    folder.make(&Made::SyncedFolder(path("")));
    let only = Left::from([("old".into(), vec![7; 1000])]);
    assert_eq!(folder.after_a_power_cut(), [only]);
}
