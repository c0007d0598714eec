//! From the bytes of a state file to the state, and back.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::error::JournalError;
use super::migrations::migrated;
use super::paths::beside;
use super::record::{ServiceState, State};
use crate::files;
use crate::policy::Phase;

/// Version of the file's layout. A newer one is refused: what it means is not known here.
pub const SCHEMA: u32 = 5;

/// Largest state file that is read. 200 rollbacks take some 400 KB, a month of half days of 1,000 services 3 MB.
pub(super) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What was found on disk.
#[derive(Debug, PartialEq)]
pub(super) struct Loaded {
    /// Counts the saves; 0 where nothing was saved yet.
    pub(super) generation: u64,
    /// The state: that of the file, else of the generation before it, else empty.
    pub(super) state: State,
    /// What is wrong with the file, where its state had to be left: then no service's memory is whole.
    pub(super) damage: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    schema: u32,
    generation: u64,
    sha256: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: u32,
}

#[derive(Serialize)]
struct EnvelopeToWrite<'a> {
    schema: u32,
    generation: u64,
    sha256: String,
    body: &'a RawValue,
}

/// Why a text is no state.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not what was written.
    Damaged(String),
    /// It has this schema, which is newer than the program.
    Newer(u32),
}

/// One file, read.
enum StateFile {
    Sound(u64, State),
    Damaged(String),
    Missing,
}

/// Reads the state. Where the file is damaged, or gone although the generation before it is there, that generation is
/// the best that is left, and the damage is told with it.
///
/// # Errors
/// Fails when a file is there and cannot be read, or is newer than the program.
pub(super) fn load(file: &Path) -> Result<Loaded, JournalError> {
    let damage = match read(file)? {
        StateFile::Sound(generation, state) => {
            return Ok(Loaded {
                generation,
                state,
                damage: None,
            });
        }
        StateFile::Damaged(why) => Some(why),
        StateFile::Missing => None,
    };
    let (before, damage) = match (read(&beside(file, "prev"))?, damage) {
        (StateFile::Missing, None) => {
            return Ok(Loaded {
                generation: 0,
                state: State::default(),
                damage: None,
            });
        }
        (StateFile::Sound(generation, state), damage) => (Some((generation, state)), damage),
        (StateFile::Missing | StateFile::Damaged(_), damage) => (None, damage),
    };
    let (generation, mut state) = before.unwrap_or_default();
    for service in state.services.values_mut() {
        service.recovered_from = None;
        // A word that was taken back since may be all that is missing, so a person is asked again.
        for past in &mut service.rollbacks {
            if let Some(approval) = past
                .approval
                .as_mut()
                .filter(|_| past.phase == Phase::Awaiting)
            {
                approval.answer = None;
                approval.signed = None;
            }
        }
    }
    let gone = || "it is gone, and the generation before it is there".to_owned();
    Ok(Loaded {
        // One save after that generation was lost.
        generation: generation + 1,
        state,
        damage: Some(damage.unwrap_or_else(gone)),
    })
}

fn read(file: &Path) -> Result<StateFile, JournalError> {
    let text = match files::read_text(file, MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Ok(StateFile::Damaged("it is too large".to_owned()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StateFile::Missing),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Ok(StateFile::Damaged("it is not text".to_owned()));
        }
        Err(source) => {
            return Err(JournalError::Read {
                file: file.to_owned(),
                source,
            });
        }
    };
    match decode(&text) {
        Ok((generation, state)) => Ok(StateFile::Sound(generation, state)),
        Err(Unreadable::Damaged(why)) => Ok(StateFile::Damaged(why)),
        Err(Unreadable::Newer(found)) => Err(JournalError::Newer {
            file: file.to_owned(),
            found,
            known: SCHEMA,
        }),
    }
}

pub(super) fn encode(state: &State, generation: u64) -> Result<String, serde_json::Error> {
    envelope(state, generation)
}

fn envelope(body: &impl Serialize, generation: u64) -> Result<String, serde_json::Error> {
    let body = serde_json::value::to_raw_value(body)?;
    serde_json::to_string(&EnvelopeToWrite {
        schema: SCHEMA,
        generation,
        sha256: checksum(SCHEMA, generation, body.get()),
        body: &body,
    })
}

/// One service as the whole memory.
#[derive(Serialize)]
struct OneService<'a> {
    services: BTreeMap<&'a str, &'a ServiceState>,
}

/// Writes the memory of one service, as a file that holds it alone.
///
/// # Errors
/// Fails where it cannot be written as JSON.
pub fn encode_service(
    key: &str,
    service: &ServiceState,
    generation: u64,
) -> Result<String, serde_json::Error> {
    let services = BTreeMap::from([(key, service)]);
    envelope(&OneService { services }, generation)
}

/// Reads the memory of one service and its generation.
///
/// # Errors
/// Says what is wrong with the text; also where it is the memory of another service.
pub fn decode_service(key: &str, text: &str) -> Result<(u64, ServiceState), Unreadable> {
    let (generation, mut state) = decode(text)?;
    match state.services.remove(key) {
        Some(service) if state.services.is_empty() => Ok((generation, service)),
        Some(_) | None => Err(Unreadable::Damaged("it is of another service".to_owned())),
    }
}

fn decode(text: &str) -> Result<(u64, State), Unreadable> {
    let not_json = |error: serde_json::Error| {
        Unreadable::Damaged(format!("not the JSON that was written: {error}"))
    };
    let envelope = serde_json::from_str::<Envelope<'_>>(text);
    // A newer one may be laid out otherwise: then its schema is all that is read.
    let SchemaOnly { schema } = match &envelope {
        Ok(envelope) => SchemaOnly {
            schema: envelope.schema,
        },
        Err(_) => serde_json::from_str(text).map_err(not_json)?,
    };
    if schema > SCHEMA {
        return Err(Unreadable::Newer(schema));
    }
    let envelope = envelope.map_err(not_json)?;
    if checksum(envelope.schema, envelope.generation, envelope.body.get()) != envelope.sha256 {
        return Err(Unreadable::Damaged("its checksum does not fit".to_owned()));
    }
    let body = envelope.body.get();
    let state = match schema {
        SCHEMA => serde_json::from_str(body),
        older => migrated(older, body),
    };
    Ok((envelope.generation, state.map_err(not_json)?))
}

fn checksum(schema: u32, generation: u64, body: &str) -> String {
    let digest = Sha256::digest(format!("{schema}\n{generation}\n{body}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::fs;

    use super::*;
    use crate::journal::store::fixture::rollback;
    use crate::journal::{NewsKind, RecoveredHistory, Rollback, ServiceState};
    use crate::slo::Level;

    fn state() -> State {
        let service = ServiceState {
            rollbacks: vec![rollback("one")],
            ..ServiceState::default()
        };
        let mut state = State::default();
        state.services.insert("shop/checkout".to_owned(), service);
        state
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let state = state();
        let text = encode(&state, 7).unwrap();
        assert_eq!(decode(&text), Ok((7, state.clone())));
        for index in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[index] ^= 1 << bit;
                let Ok(flipped) = String::from_utf8(bytes) else {
                    continue;
                };
                // White space outside the body may change form without changing meaning; nothing else may pass.
                assert!(
                    decode(&flipped).map_or(true, |read| read == (7, state.clone())),
                    "bit {bit} of byte {index} changed what was read"
                );
            }
        }
    }

    #[test]
    fn a_lost_or_damaged_file_is_not_an_empty_memory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let mut before = state();
        before
            .services
            .get_mut("shop/checkout")
            .unwrap()
            .recovered_from = Some(RecoveredHistory {
            read_at: chrono::DateTime::UNIX_EPOCH,
            source: "git".to_owned(),
        });
        fs::write(beside(&file, "prev"), encode(&before, 3).unwrap()).unwrap();
        let found = load(&file).unwrap();
        assert!(found.damage.unwrap().contains("it is gone"));
        assert_eq!((found.generation, found.state), (4, state()));
        for damaged in ["", "not json", "{}", "[]", r#"{"schema":1}"#, "\0\0"] {
            fs::write(&file, damaged).unwrap();
            let found = load(&file).unwrap();
            assert!(found.damage.is_some(), "{damaged:?}");
            assert_eq!(found.state, state(), "{damaged:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
        }
        fs::remove_file(beside(&file, "prev")).unwrap();
        let found = load(&file).unwrap();
        assert!(found.damage.is_some());
        assert_eq!(found.state, State::default());
    }

    #[test]
    fn a_newer_file_is_refused_also_where_it_is_the_generation_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let newer = format!(r#"{{"schema":{},"anything":true}}"#, SCHEMA + 1);
        for place in [beside(&file, "prev"), file.clone()] {
            fs::write(place, &newer).unwrap();
            assert!(matches!(
                load(&file),
                Err(JournalError::Newer { found, .. }) if found == SCHEMA + 1
            ));
        }
    }

    /// Reads a file that a program of an older schema wrote, and checks that it is the same once it is written anew.
    fn read_from(golden: &str) -> ServiceState {
        let (generation, state) = decode(golden.trim_end()).unwrap();
        let anew = encode(&state, generation + 1).unwrap();
        assert_eq!(decode(&anew), Ok((generation + 1, state.clone())));
        let mut services = state.services.into_values();
        let service = services.next().unwrap();
        assert_eq!(services.next(), None);
        service
    }

    fn steps(rollback: &Rollback) -> Vec<String> {
        let steps = rollback.steps.iter();
        steps
            .map(|it| format!("{} {}", it.step, it.state))
            .collect()
    }

    #[test]
    fn schema_1_is_read_as_a_whole_memory() {
        let golden = include_str!("golden/schema-1.json");
        assert_eq!(decode(golden.trim_end()).unwrap().0, 2);
        let service = read_from(golden);
        let rollback = &service.rollbacks[0];
        assert_eq!(rollback.id, "one");
        assert_eq!(rollback.approval, None);
        assert_eq!(rollback.told, NewsKind::of_a_life());
        assert_eq!(steps(rollback), ["gitops_revert done", "verify planned"]);
        let source = service.recovered_from.unwrap().source;
        assert_eq!(source, "the state of an older version");
    }

    #[test]
    fn schema_2_is_read_with_what_is_still_to_be_told() {
        let service = read_from(include_str!("golden/schema-2-told.json"));
        let rollback = &service.rollbacks[0];
        assert_eq!(rollback.phase, Phase::Recovered);
        assert_eq!(steps(rollback), ["gitops_revert done", "verify done"]);
        assert_eq!(rollback.told, [NewsKind::Started, NewsKind::Recovered]);
        assert!(rollback.goes_back.tip_state.is_empty());
        assert_eq!(rollback.goes_back.undone.len(), 1);
        assert!(service.series_seen.is_some() && service.watch.is_some());
        let told = service.notifications;
        assert_eq!(told.last_told.level, None);
        let kinds = told.outbox.iter().map(|item| item.news.kind);
        let kinds: Vec<NewsKind> = kinds.collect();
        assert_eq!(kinds, [NewsKind::Started, NewsKind::Recovered]);
        for item in &told.outbox {
            assert_eq!(item.channels, ["webhook"]);
            assert_eq!(item.news.standing.level, Some(Level::Ok));
            assert!(item.news.rollback.as_ref().is_some_and(|it| !it.worse));
        }
    }

    #[test]
    fn schema_2_is_read_with_the_steps_of_each_order() {
        let service = read_from(include_str!("golden/schema-2-argocd.json"));
        let rollback = &service.rollbacks[0];
        let whole = [
            "argocd_rollback done",
            "gitops_revert done",
            "argocd_sync done",
            "verify planned",
        ];
        assert_eq!(steps(rollback), whole);
        let operation = rollback.argocd.as_ref().unwrap();
        assert!(operation.bad_revisions.contains(&rollback.from));
        assert_eq!(operation.entry.as_ref().unwrap().revisions, [&*rollback.to]);

        let service = read_from(include_str!("golden/schema-2-proposed.json"));
        let rollback = &service.rollbacks[0];
        assert_eq!(rollback.phase, Phase::Proposed);
        assert_eq!(steps(rollback), ["gitops_revert pending", "verify planned"]);
        assert_eq!(rollback.proposal.as_ref().unwrap().number, Some(1));

        let service = read_from(include_str!("golden/schema-2-asked.json"));
        let plan = service.pending().unwrap();
        assert_eq!(steps(plan), ["gitops_revert planned", "verify planned"]);
        assert_eq!(plan.answer(), None);
        assert_eq!(service.notifications.last_told.level, None);
    }

    #[test]
    fn what_no_program_of_an_older_schema_wrote_is_damage() {
        let golden = include_str!("golden/schema-2-asked.json").trim_end();
        let body: Envelope<'_> = serde_json::from_str(golden).unwrap();
        let body = body.body.get();
        for (from, to) in [
            (r#""phase":"awaiting""#, r#""phase":"unheard_of""#),
            (r#""attempted":false"#, r#""attempted":0"#),
            (r#""attempted":false"#, r#""attempted":false,"new":1"#),
            (r#""steps":[]"#, r#""steps":[{"step":"new"}]"#),
            (r#""steps":[]"#, r#""steps":{}"#),
        ] {
            let other = body.replace(from, to);
            assert_ne!(body, other, "{from}");
            let sha256 = checksum(2, 7, &other);
            let text =
                format!(r#"{{"schema":2,"generation":7,"sha256":"{sha256}","body":{other}}}"#);
            let read = decode(&text);
            assert!(matches!(read, Err(Unreadable::Damaged(_))), "{to}");
        }
    }
}
