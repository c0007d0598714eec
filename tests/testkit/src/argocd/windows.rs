//! Sync windows: when nobody may deploy.

use serde_json::{Map, Value, json};

/// A project.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// Its windows.
    pub windows: Vec<SyncWindow>,
}

/// A window. Tests open and close it; its schedule is only shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncWindow {
    /// Whether deployments are allowed in it, or denied.
    pub kind: WindowKind,
    /// Whether it is open.
    pub is_active: bool,
    /// Whether people may deploy regardless.
    pub manual_sync: bool,
}

/// What a window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Deployments are allowed in it and denied outside.
    Allow,
    /// Deployments are denied in it.
    Deny,
}

impl SyncWindow {
    /// Returns an open window that denies; `manual_sync` lets people deploy regardless.
    pub fn deny(manual_sync: bool) -> Self {
        Self {
            kind: WindowKind::Deny,
            is_active: true,
            manual_sync,
        }
    }

    /// Returns a closed window that would allow; `manual_sync` lets people deploy regardless.
    pub fn closed_allow(manual_sync: bool) -> Self {
        Self {
            kind: WindowKind::Allow,
            is_active: false,
            manual_sync,
        }
    }

    fn to_json(&self) -> Value {
        let kind = match self.kind {
            WindowKind::Allow => "allow",
            WindowKind::Deny => "deny",
        };
        let is_manual = self.manual_sync;
        json!({ "kind": kind, "schedule": "* * * * *", "duration": "1h", "manualSync": is_manual })
    }
}

impl Project {
    /// Tells whether something may be deployed now, by a person or by auto-sync.
    pub fn can_sync(&self, is_manual: bool) -> bool {
        let of = |kind, is_active| -> Vec<&SyncWindow> {
            let is_meant =
                |window: &&SyncWindow| window.kind == kind && window.is_active == is_active;
            self.windows.iter().filter(is_meant).collect()
        };
        let lets_people =
            |windows: &[&SyncWindow]| is_manual && windows.iter().all(|window| window.manual_sync);
        let denying = of(WindowKind::Deny, true);
        if !denying.is_empty() {
            return lets_people(&denying);
        }
        let closed = of(WindowKind::Allow, false);
        let is_allowing = !of(WindowKind::Allow, true).is_empty();
        is_allowing || closed.is_empty() || lets_people(&closed)
    }

    /// Returns the windows as the API shows them.
    pub(super) fn windows_json(&self) -> Value {
        let mut answer = Map::new();
        let assigned: Vec<_> = self.windows.iter().map(SyncWindow::to_json).collect();
        let open = self.windows.iter().filter(|window| window.is_active);
        let active: Vec<_> = open.map(SyncWindow::to_json).collect();
        for (name, windows) in [("activeWindows", active), ("assignedWindows", assigned)] {
            if !windows.is_empty() {
                answer.insert(name.to_owned(), json!(windows));
            }
        }
        answer.insert("canSync".to_owned(), json!(self.can_sync(true)));
        Value::Object(answer)
    }
}
