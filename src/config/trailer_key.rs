//! The key by which this program knows its own commits again.

use std::fmt;

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::policy::RollbackMark;

/// Signs the trailers of commits with HMAC-SHA256, and tells whether a signature is its own.
#[derive(Clone)]
pub struct TrailerKey(hmac::Key);

impl TrailerKey {
    /// Takes a secret of any length; at least 16 characters are worth the name.
    pub fn new(secret: &SecretString) -> Self {
        Self(hmac::Key::new(
            hmac::HMAC_SHA256,
            secret.expose_secret().as_bytes(),
        ))
    }

    /// Returns the signature of a mark for a service, in hexadecimal digits.
    pub fn sign(&self, mark: &RollbackMark, service: &str) -> String {
        let tag = hmac::sign(&self.0, mark.signed_text(service).as_bytes());
        tag.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Tells whether a mark carries its own signature for a service; takes the same time for every wrong one.
    pub fn signed(&self, mark: &RollbackMark, service: &str) -> bool {
        let tag = mark.signature.as_deref().and_then(bytes);
        let text = mark.signed_text(service);
        tag.is_some_and(|tag| hmac::verify(&self.0, text.as_bytes(), &tag).is_ok())
    }
}

impl fmt::Debug for TrailerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TrailerKey")
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_for_this_service_by_this_key_counts() {
        let key = TrailerKey::new(&"a key of the tests".into());
        let plain = RollbackMark {
            id: "one".to_owned(),
            from: "b".repeat(40),
            to: "a".repeat(40),
            keeps: Vec::new(),
            signature: None,
        };
        assert!(!key.signed(&plain, "shop/web"));
        let mark = RollbackMark {
            signature: Some(key.sign(&plain, "shop/web")),
            ..plain
        };
        assert!(key.signed(&mark, "shop/web"));
        assert!(!key.signed(&mark, "shop/other"));
        assert!(!TrailerKey::new(&"another".into()).signed(&mark, "shop/web"));
        for changed in [
            RollbackMark {
                id: "two".to_owned(),
                ..mark.clone()
            },
            RollbackMark {
                to: "c".repeat(40),
                ..mark.clone()
            },
            RollbackMark {
                keeps: vec!["d".repeat(40)],
                ..mark.clone()
            },
            RollbackMark {
                signature: Some("zz".to_owned()),
                ..mark.clone()
            },
        ] {
            assert!(!key.signed(&changed, "shop/web"), "{changed:?}");
        }
        assert_eq!(format!("{key:?}"), "TrailerKey");
    }
}
