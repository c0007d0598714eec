//! A folder in which other programs of the demo read what one of them knows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::publish;

/// A folder that is kept equal to a set of texts. A reader sees each file whole, before or after a change.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    held: BTreeMap<String, String>,
}

impl Mirror {
    /// Starts with a folder that holds nothing.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            held: BTreeMap::new(),
        }
    }

    /// Makes the folder hold these texts and no others, each at its path below the folder.
    ///
    /// # Panics
    /// If the folder is not writable.
    pub fn hold(&mut self, texts: BTreeMap<String, String>) {
        for name in self.held.keys().filter(|name| !texts.contains_key(*name)) {
            fs::remove_file(self.folder.join(name)).expect("the folder is writable");
        }
        for (name, text) in &texts {
            if self.held.get(name) != Some(text) {
                let file = self.folder.join(name);
                let parent = file.parent().expect("it lies in the folder");
                fs::create_dir_all(parent).expect("the folder is writable");
                publish(&file, text);
            }
        }
        self.held = texts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_is_given_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mirror = Mirror::new(folder.path());
        let texts = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            owned.collect()
        };
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();

        mirror.hold(texts(&[("apps/shop/a.yaml", "1"), ("b", "2")]));
        assert_eq!(read("apps/shop/a.yaml").as_deref(), Some("1"));
        assert_eq!(read("b").as_deref(), Some("2"));

        mirror.hold(texts(&[("apps/shop/a.yaml", "3")]));
        assert_eq!(read("apps/shop/a.yaml").as_deref(), Some("3"));
        assert_eq!(read("b"), None);
        let left = fs::read_dir(folder.path().join("apps/shop")).expect("a folder");
        assert_eq!(left.count(), 1);
    }
}
