//! Secrets, from a variable or from the file that its `_FILE` form names.

use std::{io::ErrorKind, path::Path};

use secrecy::SecretString;

use super::problems::Invalid;
use crate::files;

/// Largest secret file that is read, in bytes. It keeps a wrong path (a log, a device) from filling the memory; a
/// private key of 16,384 bits is a fifth of it.
const LARGEST: u64 = 64 * 1024;

/// Reads a secret file; line breaks at its end are not part of the secret.
pub(super) fn read_file(path: &str) -> Result<SecretString, Invalid> {
    let shown = shown_path(path);
    let content = files::read_text(Path::new(path), LARGEST).map_err(|error| {
        let (what, remedy) = if error.kind() == ErrorKind::FileTooLarge {
            (
                format!("is larger than {LARGEST} bytes"),
                "name the file that holds only the secret",
            )
        } else if error.kind() == ErrorKind::InvalidData {
            (
                "is not text".to_owned(),
                "write the secret into it as UTF-8",
            )
        } else {
            (
                format!("cannot be opened ({error})"),
                "check the path and the mount",
            )
        };
        Invalid::because(format!("names {shown}, which {what}; {remedy}"))
    })?;
    let secret = content.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Invalid::because(format!(
            "names {shown}, which is empty; write the secret into it, or unset the variable"
        )));
    }
    Ok(SecretString::from(secret))
}

/// Returns the path for a message. What does not look like a path may be the secret itself, put into the wrong
/// variable.
fn shown_path(path: &str) -> String {
    if ["/", "./", "../"]
        .iter()
        .any(|start| path.starts_with(start))
    {
        path.escape_debug().to_string()
    } else {
        "a relative path (not shown: it may be the secret itself)".to_owned()
    }
}

/// Accepts what an HTTP header can carry as a token: visible ASCII without blanks.
pub(super) fn header_token(secret: &str) -> Result<(), Invalid> {
    if secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Invalid::because(
            "holds a blank, a line break or another character that a token cannot have; remove it",
        ))
    }
}

/// Accepts every text without control characters.
pub(super) fn password(secret: &str) -> Result<(), Invalid> {
    if secret.chars().any(char::is_control) {
        Err(Invalid::because(
            "holds a line break or another control character; remove it",
        ))
    } else {
        Ok(())
    }
}

/// Accepts a private key in PEM form.
pub(super) fn private_key(secret: &str) -> Result<(), Invalid> {
    let key = secret.trim();
    let begins = key.starts_with("-----BEGIN ") && key.ends_with("PRIVATE KEY-----");
    if begins && key.lines().count() > 2 && !key.contains("ENCRYPTED") {
        Ok(())
    } else {
        Err(Invalid::because(
            "is not an unencrypted private key in PEM form with real line breaks; mount the downloaded file and \
             name it in GITHUB_APP_PRIVATE_KEY_FILE",
        ))
    }
}
