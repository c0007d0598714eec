//! Who may speak to the stand-in: the owner of a token, and an App that proves with its key who it is.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

/// The private key of the App that the stand-in knows, as GitHub hands it out (PKCS #1). It opens nothing elsewhere.
pub const APP_KEY: &str = include_str!("../../keys/app.pkcs1.pem");

/// The same key as openssl converts it (PKCS #8).
pub const APP_KEY_PKCS8: &str = include_str!("../../keys/app.pkcs8.pem");

/// Id of the App that the stand-in knows.
pub const APP_ID: u64 = 7;

/// Id of the App's installation.
pub const INSTALLATION_ID: u64 = 70;

/// Longest life of an App's claim, in seconds. Source: GitHub's documentation, "Generating a JSON Web Token (JWT)".
const LONGEST_CLAIM: i64 = 600;

/// Says why a claim to be the App does not count.
pub(super) fn check_claim(claim: &str) -> Result<(), String> {
    let parts: Vec<&str> = claim.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err("A JSON web token could not be decoded".to_owned());
    };
    let key = PrivatePkcs1KeyDer::from_pem_slice(APP_KEY.as_bytes()).expect("our own key");
    let pair = RsaKeyPair::from_der(key.secret_pkcs1_der()).expect("our own key");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    public
        .verify(
            format!("{header}.{payload}").as_bytes(),
            &decoded(signature)?,
        )
        .map_err(|_| "A JSON web token could not be decoded".to_owned())?;
    let header: Value = json(header)?;
    let payload: Value = json(payload)?;
    if header["alg"] != "RS256" {
        return Err("the algorithm must be RS256".to_owned());
    }
    let issuer = &payload["iss"];
    let issuer = issuer
        .as_str()
        .map_or_else(|| issuer.as_u64(), |id| id.parse().ok());
    if issuer != Some(APP_ID) {
        return Err("Integration not found".to_owned());
    }
    let (Some(issued), Some(expires)) = (payload["iat"].as_i64(), payload["exp"].as_i64()) else {
        return Err("Missing 'issued at' or 'expiration time' claim".to_owned());
    };
    let now = i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time after 1970")
            .as_secs(),
    )
    .expect("a time before the end of numbers");
    if issued > now {
        return Err("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued".to_owned());
    }
    if expires <= now || expires > now + LONGEST_CLAIM {
        return Err("'Expiration time' claim ('exp') is too far in the future".to_owned());
    }
    Ok(())
}

fn json(part: &str) -> Result<Value, String> {
    serde_json::from_slice(&decoded(part)?).map_err(|error| error.to_string())
}

/// Decodes base64 in the alphabet for URLs, without padding.
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    sextets(
        text,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    )
}

/// Decodes the password of basic authentication.
pub(super) fn password(authorization: &str) -> Option<String> {
    let text = authorization.strip_prefix("Basic ")?;
    let bytes = sextets(
        text.trim_end_matches('='),
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    )
    .ok()?;
    let pair = String::from_utf8(bytes).ok()?;
    let (user, password) = pair.split_once(':')?;
    (user == crate::git::TOKEN_USER).then(|| password.to_owned())
}

fn sextets(text: &str, alphabet: &[u8; 64]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let value = alphabet
            .iter()
            .position(|known| *known == letter)
            .ok_or("a letter outside of base64")?;
        bits = bits << 6 | u32::try_from(value).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Ok(bytes)
}
