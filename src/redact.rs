//! Takes secrets out of words that came from outside, whatever form they came back in. The one place that does.
//!
//! A server may echo a secret as it was sent, percent-encoded, with JSON's backslashes, in base64 or hex, in other
//! letters, or cut off. So the text is looked at as it is and as what it decodes to, without regard to upper and lower
//! case, for each form of each secret, and what begins like one for eight characters is taken out as far as it goes.
//! What only looks like a credential of a well-known kind is taken out too, whosever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Shortest text that counts as a secret, in bytes. Shorter header values (`X-Scope-OrgID: a`) are none, and taking
/// them out would make every text unreadable.
pub(crate) const MIN_SECRET: usize = 4;

/// How much of the beginning of a secret gives it away, in bytes.
const MIN_PREFIX: usize = 8;

/// How credentials begin that are not ours, each with how many characters of a token follow at least. Source: the
/// documentation of GitHub, GitLab, Slack, Amazon, Google, Grafana, Vault and Atlassian.
const BEGINNINGS: [(&str, usize); 24] = [
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("glpat-", 16),
    ("gldt-", 16),
    ("glrt-", 16),
    ("glsa_", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
    ("xapp-", 10),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("hvs.", 16),
    ("ATATT3", 16),
    ("eyJ", 30),
    ("hooks.slack.com/services/", 8),
    ("-----BEGIN ", 0),
];

/// Shortest word of letters and digits that may be a key although nothing is known of it, and how often letters and
/// digits change places in it.
const KEY: (usize, usize) = (20, 4);

/// The forms of some secrets. Its `Debug` shows none.
#[derive(Clone, Default)]
pub(crate) struct Scanner {
    /// In small letters, each with the shortest beginning that is taken out, by what they begin with.
    forms: BTreeMap<[u8; MIN_SECRET], BTreeSet<(Vec<u8>, usize)>>,
}

impl fmt::Debug for Scanner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scanner").finish_non_exhaustive()
    }
}

impl Scanner {
    /// Prepares the forms of secrets; those that are too short to be any are left out.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scanner = Self::default();
        for secret in secrets {
            if secret.len() < MIN_SECRET {
                continue;
            }
            // Of an address only what follows the host is secret.
            match path_of(secret) {
                None => scanner.add(secret.as_bytes(), MIN_PREFIX),
                Some(path) => {
                    scanner.add(secret.as_bytes(), secret.len());
                    scanner.add(path.as_bytes(), MIN_PREFIX);
                }
            }
            // A private key has many lines, each of which gives it away.
            let is_telling = |line: &&str| (2 * MIN_PREFIX..secret.len()).contains(&line.len());
            for line in secret.lines().filter(is_telling) {
                scanner.add(line.as_bytes(), 2 * MIN_PREFIX);
            }
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            scanner.add(hex.as_bytes(), 2 * MIN_PREFIX);
            // Where it stands within something longer, one or two bytes more come first.
            for before in 0..3 {
                let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
                let whole = bytes.len() / 3 * 4;
                let skipped = [0, 2, 3][before];
                for encoded in [
                    STANDARD_NO_PAD.encode(&bytes),
                    URL_SAFE_NO_PAD.encode(&bytes),
                ] {
                    // The last characters of an incomplete group depend on what follows.
                    let certain = whole.saturating_sub(skipped).max(MIN_SECRET);
                    let form = encoded.get(skipped..).unwrap_or_default();
                    scanner.add(form.as_bytes(), certain.min(4 * MIN_PREFIX / 3 + 1));
                }
            }
        }
        scanner
    }

    /// Takes over the forms of another one.
    pub(crate) fn join(&mut self, other: &Self) {
        for (beginning, forms) in &other.forms {
            let own = self.forms.entry(*beginning).or_default();
            own.extend(forms.iter().cloned());
        }
    }

    fn add(&mut self, form: &[u8], prefix: usize) {
        let form = form.to_ascii_lowercase();
        if let Some(beginning) = form.first_chunk() {
            let prefix = prefix.clamp(MIN_SECRET, form.len());
            let forms = self.forms.entry(*beginning).or_default();
            forms.insert((form, prefix));
        }
    }

    /// Returns the forms that a text may begin with.
    fn beginning_like(&self, text: &[u8]) -> impl Iterator<Item = &(Vec<u8>, usize)> {
        let forms = text.first_chunk().and_then(|it| self.forms.get(it));
        forms.into_iter().flatten()
    }

    /// Returns a text without the secrets and without what looks like one.
    pub(crate) fn redact(&self, text: &str) -> String {
        let raw: Vec<Seen> = (0..).zip(text.bytes()).map(Seen::one).collect();
        // What cannot be seen could part a secret until it is printed.
        let seen = visible(text);
        let (from_url, from_json) = (percent(&seen), backslash(&seen));
        let twice = [
            percent(&from_url),
            percent(&from_json),
            backslash(&from_url),
        ];
        let views = [raw, seen, from_url, from_json].into_iter().chain(twice);
        let mut hidden = vec![false; text.len()];
        for view in views {
            let bytes: Vec<u8> = view.iter().map(|seen| seen.byte).collect();
            let small = bytes.to_ascii_lowercase();
            for at in 0..small.len() {
                for (form, prefix) in self.beginning_like(&small[at..]) {
                    let same = small[at..].iter().zip(form).take_while(|(a, b)| a == b);
                    let length = same.count();
                    if length >= *prefix {
                        hide(&mut hidden, &view[at..at + length]);
                    }
                }
            }
            for (from, to) in credentials(&bytes) {
                hide(&mut hidden, &view[from..to]);
            }
        }
        without(text, &hidden)
    }
}

/// Returns what follows the host of an address, with its slash. A secret that merely holds `://` is no address.
fn path_of(secret: &str) -> Option<&str> {
    let (scheme, place) = secret.split_once("://")?;
    let is_address = ["http", "https", "ssh"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let slash = place.find('/').filter(|slash| is_address && *slash > 0)?;
    Some(&place[slash..])
}

/// Returns a text without what looks like a credential of a well-known kind.
pub(crate) fn redact(text: &str) -> String {
    Scanner::default().redact(text)
}

/// Tells whether a value may be a credential that was put into a wrong place. A whole id of a git object is none.
pub(crate) fn looks_like_credential(value: &str) -> bool {
    redact(value) != value || value.split(|c: char| !is_token(c) || c == '.').any(is_key)
}

fn is_key(word: &str) -> bool {
    let is_id = matches!(word.len(), 40 | 64) && word.bytes().all(|b| b.is_ascii_hexdigit());
    let kinds: Vec<bool> = word
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.is_ascii_digit())
        .collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    !is_id && kinds.len() >= KEY.0 && changes >= KEY.1
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=' | '~')
}

/// A byte as it is read, and where in the text it stands.
#[derive(Clone, Copy)]
struct Seen {
    byte: u8,
    from: usize,
    to: usize,
}

impl Seen {
    fn one((at, byte): (usize, u8)) -> Self {
        Self {
            byte,
            from: at,
            to: at + 1,
        }
    }
}

/// Reads only what is printed.
fn visible(text: &str) -> Vec<Seen> {
    let printed = text.char_indices().filter(|(_, c)| !is_unseen(*c));
    let bytes = printed.flat_map(|(at, c)| at..at + c.len_utf8());
    bytes
        .map(|at| Seen::one((at, text.as_bytes()[at])))
        .collect()
}

/// Tells whether a character is unseen and could make a text read otherwise: zero-width characters, marks and
/// overrides of direction, tags and fillers.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Reads `%41` as `A`.
fn percent(view: &[Seen]) -> Vec<Seen> {
    decoded(view, |rest| match rest {
        [mark, high, low, ..] if mark.byte == b'%' => Some((nibbles(&[*high, *low])?, 3)),
        _ => None,
    })
}

/// Reads `\u0041` as `A`, and `\/` as `/`.
fn backslash(view: &[Seen]) -> Vec<Seen> {
    decoded(view, |rest| match rest {
        [mark, u, a, b, c, d, ..]
            if mark.byte == b'\\' && u.byte == b'u' && a.byte == b'0' && b.byte == b'0' =>
        {
            Some((nibbles(&[*c, *d])?, 6))
        }
        [mark, escaped, ..] if mark.byte == b'\\' && escaped.byte.is_ascii_punctuation() => {
            Some((escaped.byte, 2))
        }
        _ => None,
    })
}

fn nibbles(digits: &[Seen; 2]) -> Option<u8> {
    let digit = |seen: &Seen| char::from(seen.byte).to_digit(16);
    u8::try_from(digit(&digits[0])? * 16 + digit(&digits[1])?).ok()
}

fn decoded(view: &[Seen], decode: impl Fn(&[Seen]) -> Option<(u8, usize)>) -> Vec<Seen> {
    let mut read = Vec::with_capacity(view.len());
    let mut rest = view;
    while let [first, ..] = rest {
        let (byte, length) = decode(rest).unwrap_or((first.byte, 1));
        read.push(Seen {
            byte,
            from: first.from,
            to: rest[length - 1].to,
        });
        rest = &rest[length..];
    }
    read
}

fn places<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows.filter_map(move |(at, window)| (window == wanted).then_some(at))
}

/// Finds what looks like a credential.
fn credentials(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (beginning, least) in BEGINNINGS {
        for at in places(bytes, beginning.as_bytes()) {
            let is_word_begun = at > 0 && bytes[at - 1].is_ascii_alphanumeric();
            let begun = at + beginning.len();
            let follows = |byte: &&u8| match beginning {
                "-----BEGIN " => true,
                _ => is_token(char::from(**byte)) || **byte == b'/',
            };
            let length = bytes[begun..].iter().take_while(follows).count();
            let is_one = match beginning {
                "-----BEGIN " => places(&bytes[begun..bytes.len().min(begun + 40)], b"PRIVATE KEY")
                    .next()
                    .is_some(),
                _ => !is_word_begun && length >= least,
            };
            if is_one {
                found.push((at, begun + length));
            }
        }
    }
    // A password in an address.
    for at in places(bytes, b"://") {
        let place = at + 3;
        let length = bytes[place..]
            .iter()
            .take_while(|byte| byte.is_ascii_graphic() && !b"/?#\"<>".contains(byte))
            .count();
        let place = &bytes[place..place + length];
        if let Some(end) = place.iter().rposition(|byte| *byte == b'@')
            && let Some(colon) = place[..end].iter().position(|byte| *byte == b':')
        {
            found.push((at + 3 + colon + 1, at + 3 + end));
        }
    }
    found
}

fn hide(hidden: &mut [bool], view: &[Seen]) {
    for seen in view {
        hidden[seen.from..seen.to].fill(true);
    }
    // What lies between is part of it too.
    if let (Some(first), Some(last)) = (view.first(), view.last()) {
        hidden[first.from..last.to].fill(true);
    }
}

/// Writes the mark once for each piece that is hidden; a character is hidden with any of its bytes.
fn without(text: &str, hidden: &[bool]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut is_within = false;
    for (at, c) in text.char_indices() {
        let is_hidden = hidden[at..at + c.len_utf8()].contains(&true);
        match (is_hidden, is_within) {
            (true, false) => shown.push_str(REDACTED),
            (true, true) => {}
            (false, _) => shown.push(c),
        }
        is_within = is_hidden;
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percent_encoded(secret: &str) -> String {
        secret.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    proptest! {
        #[test]
        fn no_form_of_a_secret_gets_through(
            secret in "[A-Za-z0-9!-~]{16,60}",
            before in "[ -~]{0,40}",
            after in "[ -~]{0,40}",
            user in "[a-z]{1,5}",
        ) {
            let scanner = Scanner::new([&*secret]);
            let json = serde_json::to_string(&secret).expect("a text");
            let parted_by = |unseen: char| secret.chars().flat_map(|c| [c, unseen]).collect::<String>();
            let forms = [
                secret.clone(),
                secret.to_lowercase(),
                secret.to_uppercase(),
                percent_encoded(&secret),
                percent_encoded(&secret).to_lowercase(),
                percent_encoded(&percent_encoded(&secret)),
                json,
                parted_by('\u{200b}'),
                parted_by('\u{ad}'),
                parted_by('\u{e0041}'),
                STANDARD_NO_PAD.encode(&secret),
                URL_SAFE_NO_PAD.encode(&secret),
                STANDARD_NO_PAD.encode(format!("{user}:{secret}")),
                secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ];
            for form in forms {
                let said = scanner.redact(&format!("{before} {form} {after}"));
                prop_assert!(said.contains(REDACTED), "{form}: {said}");
                let middle: String = form.chars().skip(8).take(8).collect();
                let is_plain = before.contains(&middle) || after.contains(&middle);
                prop_assert!(is_plain || !said.contains(&middle), "{form}: {said}");
            }
            for length in MIN_PREFIX..secret.len() {
                let said = scanner.redact(&format!("cut {}… off", &secret[..length]));
                prop_assert!(said.contains(REDACTED), "{length}: {said}");
                prop_assert!(!said.contains(&secret[..length]), "{length}: {said}");
            }
        }

        #[test]
        fn any_text_can_be_read(secrets in prop::collection::vec(".{0,30}", 0..4), text in ".{0,200}") {
            let scanner = Scanner::new(secrets.iter().map(|secret| &**secret));
            let said = scanner.redact(&text);
            for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET) {
                prop_assert!(!said.replace(REDACTED, "").contains(&**secret) || REDACTED.contains(&**secret));
            }
        }
    }

    #[test]
    fn only_what_is_secret_of_an_address_is_taken_out() {
        let scanner = Scanner::new(["https://hooks.example.com/T1/B2/canary"]);
        let said = scanner.redact(
            "https://other.example.com and /T1/B2/canary and https://hooks.example.com/T1/B2/cana",
        );
        assert_eq!(
            said,
            "https://other.example.com and [redacted] and https://hooks.example.com[redacted]"
        );
    }

    #[test]
    fn a_secret_that_merely_holds_the_mark_of_an_address_is_taken_out_where_it_is_cut_off() {
        let said = Scanner::new(["ab://c/!a0AA!aa!aa!"]).redact("cut ab://c/!a0… off");
        assert_eq!(said, "cut [redacted]… off");
    }

    #[test]
    fn each_line_of_a_private_key_is_taken_out() {
        let lines = [
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
            "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
        ];
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        );
        let scanner = Scanner::new([&*key]);
        for line in lines {
            assert_eq!(scanner.redact(&format!("v2 {line}")), "v2 [redacted]");
        }
    }

    #[test]
    fn the_secrets_of_several_are_taken_out_in_one_pass() {
        let mut all = Scanner::new(["first-secret"]);
        all.join(&Scanner::new(["other-secret", "first-secret"]));
        let said = all.redact("first-secret, other-secret and a word");
        assert_eq!(said, "[redacted], [redacted] and a word");
        assert_eq!(format!("{all:?}"), "Scanner { .. }");
    }

    #[test]
    fn what_looks_like_a_credential_is_known() {
        let tail = "a1B2".repeat(10);
        for beginning in [
            "ghp_",
            "github_pat_",
            "glpat-",
            "xoxb-",
            "AKIA",
            "hvs.",
            "eyJ",
        ] {
            assert!(
                looks_like_credential(&format!("{beginning}{tail}")),
                "{beginning}"
            );
            assert_eq!(
                redact(&format!("was \"{beginning}{tail}\".")),
                "was \"[redacted]\"."
            );
        }
        assert_eq!(
            redact("at https://me:pass@h/p, not"),
            "at https://me:[redacted]@h/p, not"
        );
        for key in [
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
            "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "https://hooks.slack.com/services/T00000000/B00000000/x",
        ] {
            assert!(looks_like_credential(key), "{key}");
        }
        for plain in [
            "error-budget-monitor@localhost",
            "http://prometheus-k8s-0.monitoring.svc.cluster.local:9090/a",
            "0123456789abcdef0123456789abcdef01234567",
            "Sat,Sun 00:00-06:00 UTC; Mon 09:00-10:00 Europe/Berlin",
            "sum(rate(http_requests_total{code=~\"5..\",job=\"shop-v2\"}[5m]))",
            "-----BEGIN CERTIFICATE-----",
            "eyJustice",
        ] {
            assert!(!looks_like_credential(plain), "{plain}");
        }
    }
}
