//! Merge patches (RFC 7396) and JSON patches (RFC 6902).

use serde_json::{Map, Value};

/// Applies a merge patch: `null` removes.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// Applies a JSON patch; says why it does not apply.
pub(super) fn apply(target: &mut Value, patch: &Value) -> Result<(), String> {
    for step in patch.as_array().ok_or("Invalid JSON Patch")? {
        let text = |name: &str| step[name].as_str().ok_or_else(|| format!("missing {name}"));
        let path = text("path")?;
        let value = || step.get("value").cloned().ok_or("missing value");
        match text("op")? {
            "add" => add(target, path, value()?)?,
            "remove" => drop(remove(target, path)?),
            "replace" => {
                remove(target, path)?;
                add(target, path, value()?)?;
            }
            "copy" => {
                let copied = read(target, text("from")?)?.clone();
                add(target, path, copied)?;
            }
            "move" => {
                let moved = remove(target, text("from")?)?;
                add(target, path, moved)?;
            }
            "test" => {
                if *read(target, path)? != value()? {
                    return Err(format!("testing value {path} failed: test failed"));
                }
            }
            other => return Err(format!("Unexpected kind: {other}")),
        }
    }
    Ok(())
}

fn read<'a>(target: &'a Value, path: &str) -> Result<&'a Value, String> {
    target.pointer(path).ok_or_else(|| absent(path))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, name) = parent_of(target, path)?;
    match parent {
        Value::Object(fields) => {
            fields.insert(name, value);
        }
        Value::Array(items) if name == "-" => items.push(value),
        Value::Array(items) => {
            let index = name.parse().ok().filter(|index| *index <= items.len());
            items.insert(index.ok_or_else(|| absent(path))?, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(absent(path));
        }
    }
    Ok(())
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, name) = parent_of(target, path)?;
    let removed = match parent {
        Value::Object(fields) => fields.remove(&name),
        Value::Array(items) => name
            .parse()
            .ok()
            .filter(|index| *index < items.len())
            .map(|index: usize| items.remove(index)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    removed.ok_or_else(|| absent(path))
}

fn parent_of<'a>(target: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let (parent, name) = path.rsplit_once('/').ok_or_else(|| absent(path))?;
    let name = name.replace("~1", "/").replace("~0", "~");
    let parent = target.pointer_mut(parent).ok_or_else(|| absent(path))?;
    Ok((parent, name))
}

fn absent(path: &str) -> String {
    format!("error in patch for path: '{path}': missing value")
}
