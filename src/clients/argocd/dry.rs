//! A hydrated application in the words of its dry source.

use super::application::Application;
use super::hydration::Hydrations;

impl Application {
    /// Returns every revision that it names, each once.
    pub fn revisions(&self) -> Vec<&String> {
        let mut all: Vec<&String> = self
            .history
            .iter()
            .flatten()
            .flat_map(|entry| &entry.revisions)
            .chain(self.operation.iter().flat_map(|it| &it.revisions))
            .chain(self.operation_state.iter().flat_map(|state| {
                let asked = state.request.revisions.iter();
                asked.chain(&state.resolved)
            }))
            .chain(&self.sync.revisions)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Names the commits of the dry source in the place of those that were made of them. What is not known stays. That
    /// something was compared with the newest hydrated commit says that it is as the newest commit that it stands for.
    pub(super) fn read_as_dry(&mut self, known: &mut Hydrations) {
        let last = self.hydration.as_ref().and_then(|it| it.last.clone());
        if let Some(last) = last {
            for revision in &mut self.sync.revisions {
                if *revision == last.hydrated {
                    revision.clone_from(&last.dry);
                }
            }
            known.learn(last.hydrated, last.dry);
        }
        known.in_dry_terms(&mut self.sync.revisions);
        let mut unknown = Vec::new();
        for entry in self.history.iter_mut().flatten() {
            unknown.extend(known.in_dry_terms(&mut entry.revisions));
        }
        if let Some(request) = &mut self.operation {
            known.in_dry_terms(&mut request.revisions);
        }
        if let Some(state) = &mut self.operation_state {
            known.in_dry_terms(&mut state.request.revisions);
            unknown.extend(known.in_dry_terms(&mut state.resolved));
        }
        if let Some(hydration) = &mut self.hydration {
            hydration.unknown = unknown;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hydrated(last: &Value) -> Application {
        Application::read(&json!({
            "metadata": {"name": "web"},
            "spec": {"sourceHydrator": {
                "drySource": {"repoURL": "https://git/a", "targetRevision": "main", "path": "dry"},
                "syncSource": {"targetBranch": "env/prod", "path": "web"},
            }},
            "status": {
                "sync": {"status": "Synced", "revision": "h2"},
                "history": [{"id": 0, "revision": "h1"}, {"id": 1, "revision": "h2"}],
                "operationState": {
                    "phase": "Succeeded",
                    "operation": {"sync": {"revision": "h2"}},
                    "syncResult": {"revision": "h2"},
                },
                "sourceHydrator": {"lastSuccessfulOperation": last},
            },
        }))
    }

    #[test]
    fn an_application_is_read_in_the_words_of_its_dry_source() {
        let mut known = Hydrations::default();
        known.learn("h1".to_owned(), "d1".to_owned());
        known.learn("h2".to_owned(), "d2".to_owned());
        // A newer commit renders the same, so nothing new was made of it.
        let mut app = hydrated(&json!({"drySHA": "d3", "hydratedSHA": "h2"}));
        assert_eq!(app.revisions(), ["h1", "h2"]);
        app.read_as_dry(&mut known);
        assert_eq!(app.revisions(), ["d1", "d2", "d3"]);
        assert_eq!(app.sync.revisions, ["d3"]);
        assert_eq!(known.made_of(&["d2".to_owned()]), ["h2"]);
        assert_eq!(known.made_of(&["d3".to_owned()]), [""; 0]);
    }

    #[test]
    fn what_is_not_known_stays_as_it_is_named() {
        let mut app = hydrated(&Value::Null);
        app.read_as_dry(&mut Hydrations::default());
        assert_eq!(app.revisions(), ["h1", "h2"]);
        let hydration = app.hydration.expect("it is hydrated");
        assert_eq!(hydration.unknown, ["h1", "h2", "h2"]);
    }
}
