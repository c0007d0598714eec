//! Changing what is wanted of an application.

use serde_json::{Value, json};

use super::application::Application;
use super::rbac::Key;
use super::refusal::Refusal;
use super::requests::{ApiRequest, read};
use super::spec::Spec;
use super::world::World;

impl World {
    pub(super) fn put_spec(
        &mut self,
        request: &ApiRequest<'_>,
        name: &str,
    ) -> Result<Value, Refusal> {
        let spec = self.read_spec(request.json()?)?;
        let key = self.key_of(request, "update", name)?;
        self.check(&key, &spec, request.parameter("validate") != "false")?;
        let app = self.apps.get_mut(&key).expect("found a moment ago");
        app.spec = spec;
        app.touch();
        Ok(json!(app.spec))
    }

    fn read_spec(&mut self, value: Value) -> Result<Spec, Refusal> {
        let mut spec: Spec = read(value.clone())?;
        if !self.knows_enabled()
            && let Some(automated) = spec
                .sync_policy
                .as_mut()
                .and_then(|policy| policy.automated.as_mut())
        {
            automated.enabled = None;
        }
        note_dropped(&value, &json!(spec), &mut self.dropped);
        Ok(spec)
    }

    /// Checks a spec: the project always, the repository only if asked to.
    fn check(&self, key: &Key, spec: &Spec, validates: bool) -> Result<(), Refusal> {
        let name = &key.1;
        let invalid = |why: String| {
            Refusal::invalid(format!(
                "application spec for {name} is invalid: InvalidSpecError: {why}"
            ))
        };
        if !self.projects.contains_key(spec.project()) {
            let project = spec.project();
            return Err(invalid(format!(
                "Application referencing project {project} which does not exist"
            )));
        }
        if !validates {
            return Ok(());
        }
        let pairs: Result<Vec<_>, _> = spec
            .all_sources()
            .into_iter()
            .map(|source| {
                let revision = self.repository.resolve(&source, "")?;
                Ok((source, revision))
            })
            .collect();
        let rendered = pairs.and_then(|pairs| self.repository.render(&pairs));
        rendered
            .map(drop)
            .map_err(|why: String| invalid(format!("Unable to generate manifests: {why}")))
    }
}

/// Notes the fields that were in a request and are not in what was read of it. Values that Go leaves
/// out when it writes are no loss.
fn note_dropped(sent: &Value, kept: &Value, dropped: &mut Vec<String>) {
    let empty = json!({});
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => {
            for (name, value) in sent {
                match kept.get(name) {
                    Some(kept) => note_dropped(value, kept, dropped),
                    None if is_nothing(value) => {}
                    None => dropped.push(name.clone()),
                }
            }
        }
        (Value::Array(sent), Value::Array(kept)) => {
            for (sent, kept) in sent
                .iter()
                .zip(kept.iter().chain(std::iter::repeat(&empty)))
            {
                note_dropped(sent, kept, dropped);
            }
        }
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) => false,
    }
}

impl Application {
    /// Tells whether auto-sync counts as on.
    pub fn is_auto_synced(&self) -> bool {
        self.spec.auto_sync().is_some()
    }
}
