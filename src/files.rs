//! Opens files whose paths come from outside, so that none of them can hold a run up or fill its memory.
//!
//! A path may lead to a pipe that nobody writes to, to a terminal, or to a device that never ends. Only regular files
//! are opened: a look at the kind comes first, the open itself waits for nothing, and the kind of what was opened is
//! looked at again, in case the name was given to something else in between.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// What becomes of a name that is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// It leads where it points, as mounted ConfigMaps and Secrets do.
    Followed,
    /// It is refused: whoever may write the folder could point it at a file of somebody else.
    Refused,
}

/// Opens a regular file as `options` say.
///
/// # Errors
/// As opening a file does, and where the name leads to something else than a regular file.
pub(crate) fn open(path: &Path, options: &mut OpenOptions, links: Links) -> io::Result<File> {
    let found = match links {
        Links::Followed => fs::metadata(path),
        Links::Refused => fs::symlink_metadata(path),
    };
    match found {
        Ok(found) => only_regular(&found)?,
        // `options` say whether one is made.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    }
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    only_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file to be read, also through symbolic links.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true), Links::Followed)
}

/// Reads a regular file of at most `most` bytes, also through symbolic links.
///
/// # Errors
/// As [`open`] and as reading does; [`ErrorKind::FileTooLarge`] where there is more, which is never read.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_to_read(path)?;
    let too_large = || {
        io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is larger than {most} bytes"),
        )
    };
    if file.metadata()?.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may have grown since, and files of the kernel say no size.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

/// Reads a text as [`read`] does.
///
/// # Errors
/// As [`read`]; [`ErrorKind::InvalidData`] where it is not UTF-8.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn only_regular(found: &Metadata) -> io::Result<()> {
    match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    fn pipe(folder: &Path) -> PathBuf {
        let pipe = folder.join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        pipe
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(folder.path());
        let link = folder.path().join("link");
        symlink(&pipe, &link).unwrap();
        let others = [Path::new("/dev/zero"), Path::new("/dev/tty"), folder.path()];
        for path in [&*pipe, &*link].into_iter().chain(others) {
            let refused = [
                read(path, 10).unwrap_err(),
                open(path, OpenOptions::new().append(true), Links::Followed).unwrap_err(),
            ];
            for error in refused {
                assert_eq!(error.to_string(), "it is not a regular file", "{path:?}");
            }
        }
    }

    #[test]
    fn the_open_itself_waits_for_no_other_end() {
        // The look before it may have seen a regular file under the name.
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(folder.path());
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&pipe);
        let found = opened.unwrap().metadata().unwrap();
        assert!(only_regular(&found).is_err());
    }

    #[test]
    fn no_more_is_read_than_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "1234567890").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"1234567890");
        assert_eq!(read(&path, 9).unwrap_err().kind(), ErrorKind::FileTooLarge);
        // It says that it is empty.
        let kernels = Path::new("/proc/self/status");
        assert_eq!(
            read(kernels, 9).unwrap_err().kind(),
            ErrorKind::FileTooLarge
        );
        fs::write(&path, b"\xff").unwrap();
        let error = read_text(&path, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_link_is_followed_only_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "").unwrap();
        symlink(&path, &link).unwrap();
        assert!(open_to_read(&link).is_ok());
        for link in [link, folder.path().join("dangling")] {
            let _ = symlink(folder.path().join("nothing"), &link);
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            assert!(open(&link, &mut options, Links::Refused).is_err());
        }
        assert!(!folder.path().join("nothing").exists());
    }
}
