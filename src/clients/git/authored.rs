//! Whose words a file holds: a comparison of words, and not of lines, from commit to commit.

use std::collections::BTreeSet;

use git2::{DiffOptions, Patch};

use super::error::{GitFault, library};

/// Puts each word, and each run of what lies between words, on a line of its own: then a comparison of lines is one
/// of words.
pub(super) fn one_a_line(content: &[u8]) -> Vec<u8> {
    let is_word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | 0x80..);
    let mut lines = Vec::with_capacity(content.len() * 2);
    let mut was_word = None;
    for byte in content {
        let is_word = is_word(*byte);
        if was_word.is_some_and(|was| was != is_word) {
            lines.push(b'\n');
        }
        was_word = Some(is_word);
        // The line breaks of the file itself must not be those of the words.
        lines.push(if *byte == b'\n' { b' ' } else { *byte });
    }
    if !lines.is_empty() {
        lines.push(b'\n');
    }
    lines
}

/// The words of a file, each with the commit that wrote it.
pub(super) struct Authored {
    words: Vec<u8>,
    /// Nothing where a word was there at the target.
    by: Vec<Option<String>>,
}

impl Authored {
    pub(super) fn new(words: Vec<u8>) -> Self {
        let count = words.iter().filter(|byte| **byte == b'\n').count();
        Self {
            words,
            by: vec![None; count],
        }
    }

    /// Goes on to what a commit made of it, and returns the commits whose words are gone.
    pub(super) fn become_of(
        &mut self,
        then: Vec<u8>,
        revision: &str,
    ) -> Result<BTreeSet<String>, GitFault> {
        let mut replaced = BTreeSet::new();
        let mut by: Vec<Option<String>> = Vec::new();
        let mut at = 0;
        {
            let mut options = DiffOptions::new();
            options.context_lines(0).force_text(true);
            let patch = Patch::from_buffers(&self.words, None, &then, None, Some(&mut options));
            let patch = patch.map_err(library)?;
            let lines: Vec<&[u8]> = self.words.split(|byte| *byte == b'\n').collect();
            for number in 0..patch.num_hunks() {
                let (hunk, _) = patch.hunk(number).map_err(library)?;
                let (start, count) = (hunk.old_start() as usize, hunk.old_lines() as usize);
                // A hunk that only adds names the line before it.
                let begin = if count == 0 { start } else { start - 1 };
                by.extend(self.by.get(at..begin).into_iter().flatten().cloned());
                at = begin + count;
                for gone in begin..at {
                    let is_word = lines.get(gone).is_some_and(|line| {
                        line.first().is_some_and(|byte| {
                            !byte.is_ascii_whitespace() && !byte.is_ascii_punctuation()
                        })
                    });
                    let author = self.by.get(gone).and_then(Option::as_ref);
                    replaced.extend(author.filter(|_| is_word).cloned());
                }
                by.extend(vec![Some(revision.to_owned()); hunk.new_lines() as usize]);
            }
        }
        by.extend(self.by.get(at..).into_iter().flatten().cloned());
        *self = Self { words: then, by };
        Ok(replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is replaced by the last of several versions of a file, each written by its number.
    fn replaced(versions: &[&str]) -> Vec<String> {
        let mut words = Authored::new(one_a_line(versions[0].as_bytes()));
        let mut last = BTreeSet::new();
        for (number, version) in versions.iter().enumerate().skip(1) {
            let then = one_a_line(version.as_bytes());
            last = words
                .become_of(then, &number.to_string())
                .expect("a comparison");
            let lines = words.words.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(words.by.len(), lines, "{version}");
        }
        last.into_iter().collect()
    }

    #[test]
    fn whose_words_are_replaced_is_told_by_words_and_not_by_lines() {
        let none: [&str; 0] = [];
        assert_eq!(
            replaced(&["image: v1\n", "image: v2\n", "image: v3\n"]),
            ["1"]
        );
        let shared = |a: &str, b: &str| format!("a:\n  image: {a}\nb:\n  image: {b}\n");
        let versions = [shared("v1", "o1"), shared("v2", "o1"), shared("v2", "o2")];
        assert_eq!(replaced(&versions.each_ref().map(String::as_str)), none);
        // The same on one line.
        assert_eq!(
            replaced(&["{a: v1, b: o1}", "{a: v2, b: o1}", "{a: v2, b: o2}"]),
            none
        );
        assert_eq!(
            replaced(&["{a: v1, b: o1}", "{a: v2, b: o1}", "{a: v3, b: o1}"]),
            ["1"]
        );
        // Lines that others add between do not confuse it.
        assert_eq!(
            replaced(&[
                "a: 1\n",
                "a: 2\n",
                "# words\nb: 3\na: 2\n",
                "# words\nb: 3\na: 4\n"
            ]),
            ["1"]
        );
        assert_eq!(
            replaced(&["a: 1\n", "a: 2\n", "b: 3\na: 2\n", "b: 4\na: 2\n"]),
            ["2"]
        );
        // A file that is new, and one that is gone.
        assert_eq!(replaced(&["", "a: 1\n", "a: 2\n"]), ["1"]);
        assert_eq!(replaced(&["a: 1\n", "a: 2\n", ""]), ["1"]);
        assert_eq!(replaced(&["a: 1\n", "", "a: 2\n"]), none);
    }
}
