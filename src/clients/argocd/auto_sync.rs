//! Whether an application follows its repository by itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::json::present;

/// The name of the field that switches auto-sync off without losing its settings. Argo CD 3.0 and older do not know it.
const ENABLED: &str = "enabled";

/// Whether an application follows its repository by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum AutoSync {
    /// It does.
    On(AutomatedBlock),
    /// It does not; its settings are kept.
    Off(AutomatedBlock),
    /// It does not, and there are no settings.
    Absent,
    /// It cannot be read.
    Unknown,
}

/// The settings of auto-sync as they stand in `spec.syncPolicy.automated`, with all that this program does not know.
/// This is what a journal keeps, so that they can be put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AutomatedBlock(Map<String, Value>);

impl AutoSync {
    /// Reads the `syncPolicy` of a specification.
    pub(super) fn read(spec: &Value) -> Self {
        match present(spec, "/syncPolicy") {
            None => return Self::Absent,
            Some(Value::Object(_)) => {}
            Some(_) => return Self::Unknown,
        }
        match present(spec, "/syncPolicy/automated") {
            None => Self::Absent,
            Some(Value::Object(block)) => {
                let block = AutomatedBlock(block.clone());
                match block.is_on() {
                    Some(true) => Self::On(block),
                    Some(false) => Self::Off(block),
                    None => Self::Unknown,
                }
            }
            Some(_) => Self::Unknown,
        }
    }
}

impl AutomatedBlock {
    /// Tells whether auto-sync is on: the block is there and `enabled` is not false.
    pub(super) fn is_on(&self) -> Option<bool> {
        match self.enabled() {
            None | Some(Value::Null) => Some(true),
            Some(value) => value.as_bool(),
        }
    }

    /// Tells whether what git no longer has is removed; nothing where that cannot be read.
    pub fn prune(&self) -> Option<bool> {
        self.flag("prune")
    }

    /// Tells whether changes in the cluster are undone; nothing where that cannot be read.
    pub fn self_heal(&self) -> Option<bool> {
        self.flag("selfHeal")
    }

    /// Returns the field that switches, as it stands there.
    pub(super) fn enabled(&self) -> Option<&Value> {
        self.0.get(ENABLED)
    }

    /// Returns the same settings with the field that switches as given, or without it.
    pub(super) fn with_enabled(&self, enabled: Option<Value>) -> Self {
        let mut block = self.0.clone();
        match enabled {
            Some(value) => block.insert(ENABLED.to_owned(), value),
            None => block.remove(ENABLED),
        };
        Self(block)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        match self.0.get(name) {
            None | Some(Value::Null) => Some(false),
            Some(value) => value.as_bool(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(automated: Value) -> AutoSync {
        AutoSync::read(&json!({"syncPolicy": {"automated": automated}}))
    }

    fn on(automated: Value) -> AutomatedBlock {
        match read(automated) {
            AutoSync::On(block) => block,
            other @ (AutoSync::Off(_) | AutoSync::Absent | AutoSync::Unknown) => {
                panic!("{other:?}")
            }
        }
    }

    #[test]
    fn is_on_where_the_block_is_there_and_not_disabled() {
        for (automated, is_on) in [
            (json!({}), true),
            (json!({"enabled": true}), true),
            (json!({"enabled": null}), true),
            (json!({"prune": true, "selfHeal": true}), true),
            (json!({"enabled": false, "prune": true}), false),
        ] {
            match read(automated.clone()) {
                AutoSync::On(_) => assert!(is_on, "{automated}"),
                AutoSync::Off(_) => assert!(!is_on, "{automated}"),
                other @ (AutoSync::Absent | AutoSync::Unknown) => panic!("{automated}: {other:?}"),
            }
        }
    }

    #[test]
    fn is_absent_without_a_block_and_unknown_where_it_cannot_be_read() {
        for spec in [
            json!({}),
            json!({"syncPolicy": null}),
            json!({"syncPolicy": {"automated": null}}),
        ] {
            assert_eq!(AutoSync::read(&spec), AutoSync::Absent, "{spec}");
        }
        assert_eq!(
            AutoSync::read(&json!({"syncPolicy": "automated"})),
            AutoSync::Unknown
        );
        assert_eq!(read(json!(true)), AutoSync::Unknown);
        assert_eq!(read(json!({"enabled": "no"})), AutoSync::Unknown);
    }

    #[test]
    fn flags_are_off_where_left_out_and_nothing_where_unreadable() {
        let block = on(json!({"prune": true}));
        assert_eq!(block.prune(), Some(true));
        assert_eq!(block.self_heal(), Some(false));
        assert_eq!(on(json!({"prune": "maybe"})).prune(), None);
    }

    #[test]
    fn a_journal_can_keep_the_block_with_what_is_not_known_in_it() {
        let block = on(json!({"prune": true, "later": {"x": [1, null]}}));
        let kept = serde_json::to_string(&block).expect("it is JSON");
        assert_eq!(kept, r#"{"later":{"x":[1,null]},"prune":true}"#);
        let again: AutomatedBlock = serde_json::from_str(&kept).expect("the same");
        assert_eq!(again, block);
        assert!(serde_json::from_str::<AutomatedBlock>("true").is_err());
    }
}
