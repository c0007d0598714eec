//! Switching auto-sync off, by changing one field of a specification that is otherwise sent back to the letter.
//!
//! Argo CD writes what it gets over what is there, without looking whether it changed in between. So the
//! specification is read, changed and sent in one go, and read again to see what came of it. Everything but the one
//! field stays the text that the server wrote: numbers and fields that this program does not know cannot change on
//! the way.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Argo;
use super::auto_sync::{AutoSync, AutomatedBlock};
use super::error::{ArgoError, ArgoFault};
use super::wire::ArgoRequest;
use crate::clients::http::Deadline;
use crate::clients::http::Method;

/// What became of a switch.
#[derive(Debug, Clone, PartialEq)]
pub struct Switched {
    /// The settings as they were before; nothing where there were none.
    pub before: Option<AutomatedBlock>,
    /// What came of it.
    pub to: SwitchedTo,
}

/// What came of a switch.
#[derive(Debug, Clone, PartialEq)]
pub enum SwitchedTo {
    /// It was as wished; nothing was sent.
    AlreadyThere,
    /// It was written and read back as wished. An owner may still put it back: read again after some seconds.
    Held,
    /// It was written, and read back otherwise: somebody puts it back.
    PutBack {
        /// What is there now.
        now: AutoSync,
    },
    /// It was written, and could not be read back.
    Unseen {
        /// Why.
        why: String,
    },
}

/// The parts of a specification, each as the server wrote it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Spec(BTreeMap<String, Box<RawValue>>);

#[derive(Deserialize)]
struct Whole {
    spec: Spec,
}

/// What the server says after a specification was sent.
enum Put {
    Accepted(AutoSync),
    InDoubt(ArgoFault),
}

impl Argo {
    /// Switches auto-sync off and keeps its settings. A server of Argo CD 3.0 or older forgets the field that switches;
    /// there the whole block is taken out, and [`Switched::before`] is what to put back. Keep the block that
    /// [`Argo::application`] shows before this is called: after a failure there is no answer that holds it.
    ///
    /// # Errors
    /// Fails when Argo CD refuses or cannot be asked. After a doubtful failure it may have been switched.
    pub async fn switch_auto_sync_off(&self) -> Result<Switched, ArgoError> {
        let done = async {
            let deadline = self.deadline();
            let spec = self.spec(deadline).await?;
            let before = match spec.auto_sync() {
                AutoSync::Unknown => return Err(unreadable()),
                AutoSync::Absent => return Ok(Switched::nothing(None)),
                AutoSync::Off(before) => return Ok(Switched::nothing(Some(before))),
                AutoSync::On(before) => before,
            };
            let block = before.with_enabled(Some(Value::Bool(false)));
            let mut put = self
                .put(deadline, &spec.with_automated(Some(&block))?)
                .await?;
            if put.forgot_the_field() {
                // Read anew, so that nothing which somebody else wrote in between is lost.
                let spec = self.spec(deadline).await?.with_automated(None)?;
                put = self.put(deadline, &spec).await?;
            }
            Ok(Switched {
                before: Some(before),
                to: self.look(deadline, put).await?,
            })
        };
        done.await.map_err(|fault| {
            let name = self.name();
            self.error(
                format!("switch auto-sync of application {name:?} off"),
                fault,
            )
        })
    }

    async fn spec(&self, deadline: Deadline) -> Result<Spec, ArgoFault> {
        let body = self.application_body(deadline).await?;
        self.read_application(&body)?;
        let Whole { spec } = serde_json::from_slice(&body)
            .map_err(|_| ArgoFault::answer("the application has no specification"))?;
        Ok(spec)
    }

    async fn put(&self, deadline: Deadline, spec: &Spec) -> Result<Put, ArgoFault> {
        // Without this Argo CD renders today's manifests first, which fails just when git or the release is broken.
        let mut query = vec![("validate", "false".to_owned())];
        query.extend(self.place());
        let call = ArgoRequest {
            method: Method::PUT,
            path: self.path(&["spec"]),
            query,
            body: Some(spec.to_json()),
        };
        match self.wire()?.write(deadline, &call).await {
            Ok(answer) => match serde_json::from_slice::<Spec>(&answer) {
                Ok(spec) => Ok(Put::Accepted(spec.auto_sync())),
                Err(_) => Ok(Put::InDoubt(ArgoFault::answer("it is no specification"))),
            },
            Err(fault) if fault.is_doubtful() => Ok(Put::InDoubt(fault)),
            Err(fault) => Err(fault),
        }
    }

    /// Looks what came of it.
    async fn look(&self, deadline: Deadline, put: Put) -> Result<SwitchedTo, ArgoFault> {
        let now = self.spec(deadline).await.map(|spec| spec.auto_sync());
        match (now, put) {
            (Ok(AutoSync::Off(_) | AutoSync::Absent), _) => Ok(SwitchedTo::Held),
            (Ok(now @ (AutoSync::On(_) | AutoSync::Unknown)), Put::Accepted(_)) => {
                Ok(SwitchedTo::PutBack { now })
            }
            (Err(blind), Put::Accepted(_)) => Ok(SwitchedTo::Unseen {
                why: blind.to_string(),
            }),
            (Ok(AutoSync::On(_) | AutoSync::Unknown) | Err(_), Put::InDoubt(fault)) => Err(fault),
        }
    }
}

impl Put {
    /// Tells whether the server took the specification and dropped the field that switches, which it does not know.
    fn forgot_the_field(&self) -> bool {
        match self {
            Self::Accepted(AutoSync::On(block)) => block.enabled().is_none(),
            Self::Accepted(AutoSync::Off(_) | AutoSync::Absent | AutoSync::Unknown)
            | Self::InDoubt(_) => false,
        }
    }
}

impl Switched {
    fn nothing(before: Option<AutomatedBlock>) -> Self {
        Self {
            before,
            to: SwitchedTo::AlreadyThere,
        }
    }
}

impl Spec {
    fn auto_sync(&self) -> AutoSync {
        let mut spec = serde_json::Map::new();
        if let Some(policy) = self.0.get("syncPolicy") {
            match serde_json::from_str(policy.get()) {
                Ok(policy) => spec.insert("syncPolicy".to_owned(), policy),
                Err(_) => return AutoSync::Unknown,
            };
        }
        AutoSync::read(&Value::Object(spec))
    }

    /// Returns the same specification with this block, or without any.
    fn with_automated(mut self, block: Option<&AutomatedBlock>) -> Result<Self, ArgoFault> {
        let mut policy: Spec = match self.0.get("syncPolicy") {
            Some(policy) if policy.get() != "null" => {
                serde_json::from_str(policy.get()).map_err(|_| unreadable())?
            }
            Some(_) | None => Self(BTreeMap::new()),
        };
        match block {
            Some(block) => policy.0.insert("automated".to_owned(), raw(block)),
            None => policy.0.remove("automated"),
        };
        self.0.insert("syncPolicy".to_owned(), raw(&policy.0));
        Ok(self)
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("parts that were read as JSON are JSON")
    }
}

fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("what was read as JSON is JSON")
}

fn unreadable() -> ArgoFault {
    ArgoFault::answer("the application's syncPolicy cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that a detour through binary floating point would change, and fields that nobody knows.
    const SPEC: &str = r#"{
        "project": "payments",
        "source": {"helm": {"valuesObject": {"ratio": 1.10, "id": 123456789012345678901234567890, "tiny": 0.1e-7}}},
        "syncPolicy": {"automated": {"prune": true, "future": {"a": 1.0}}, "retry": {"limit": 5, "x": 2.50}},
        "unknownToUs": [1.00, {"b": null}]
    }"#;

    fn spec(text: &str) -> Spec {
        serde_json::from_str(text).expect("a specification")
    }

    fn block_of(spec: &Spec) -> AutomatedBlock {
        match spec.auto_sync() {
            AutoSync::On(block) | AutoSync::Off(block) => block,
            other @ (AutoSync::Absent | AutoSync::Unknown) => panic!("{other:?}"),
        }
    }

    fn switched(text: &str, enabled: bool) -> String {
        let spec = spec(text);
        let block = block_of(&spec).with_enabled(Some(Value::Bool(enabled)));
        let changed = spec.with_automated(Some(&block)).expect("a policy");
        String::from_utf8(changed.to_json()).expect("text")
    }

    #[test]
    fn changes_one_field_and_no_letter_of_the_rest() {
        let text = switched(SPEC, false);
        for kept in [
            r#""valuesObject": {"ratio": 1.10, "id": 123456789012345678901234567890, "tiny": 0.1e-7}"#,
            r#""unknownToUs":[1.00, {"b": null}]"#,
            r#""retry":{"limit": 5, "x": 2.50}"#,
            r#""automated":{"enabled":false,"future":{"a":1.0},"prune":true}"#,
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }

    #[test]
    fn switching_back_gives_the_same_meaning() {
        let back = switched(&switched(SPEC, false), true);
        let back: Value = serde_json::from_str(&back).expect("JSON");
        let mut before: Value = serde_json::from_str(SPEC).expect("JSON");
        before["syncPolicy"]["automated"]["enabled"] = true.into();
        assert_eq!(back, before);
    }

    #[test]
    fn takes_the_block_out_and_puts_it_back_where_the_policy_is_gone() {
        let before = spec(SPEC).auto_sync();
        let without = spec(SPEC).with_automated(None).expect("a policy");
        assert_eq!(without.auto_sync(), AutoSync::Absent);
        for emptied in ["{}", r#"{"syncPolicy":null}"#, r#"{"syncPolicy":{}}"#] {
            let again = spec(emptied)
                .with_automated(Some(&block_of(&spec(SPEC))))
                .expect("a policy");
            assert_eq!(again.auto_sync(), before, "{emptied}");
        }
    }

    #[test]
    fn a_policy_that_cannot_be_read_is_left_alone() {
        let odd = spec(r#"{"syncPolicy": "automated"}"#);
        assert_eq!(odd.auto_sync(), AutoSync::Unknown);
        assert!(odd.with_automated(None).is_err());
    }
}
