//! Which parts of a manifest hold a secret, by its words alone.

use serde_json::Value;

/// Kinds of objects that hold a secret, or say where one comes from.
const KINDS: [&str; 5] = [
    "Secret",
    "SealedSecret",
    "ExternalSecret",
    "ClusterExternalSecret",
    "SopsSecret",
];

/// Returns the documents of a file that hold a secret: Kubernetes secrets of every usual kind, and what SOPS encrypted.
pub(super) fn secret_parts(content: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        return match is_secret(&value) {
            true => vec![value.to_string()],
            false => Vec::new(),
        };
    }
    let mut parts = Vec::new();
    let mut part: Vec<&str> = Vec::new();
    let mut end = |part: &mut Vec<&str>| {
        if is_secret_document(part) {
            parts.push(part.join("\n").trim_end().to_owned());
        }
        part.clear();
    };
    for line in text.lines().map(str::trim_end) {
        if line == "---" || line.starts_with("--- ") {
            end(&mut part);
        } else {
            part.push(line);
        }
    }
    end(&mut part);
    parts
}

fn is_secret(value: &Value) -> bool {
    let kind = value.get("kind").and_then(Value::as_str);
    let items = value.get("items").and_then(Value::as_array);
    kind.is_some_and(|kind| KINDS.contains(&kind))
        || value.get("sops").is_some_and(Value::is_object)
        || items.is_some_and(|items| items.iter().any(is_secret))
}

fn is_secret_document(lines: &[&str]) -> bool {
    // SOPS writes its block into environment and INI files too.
    let is_sops = |line: &&str| {
        line.starts_with("sops_version=") || *line == "[sops]" || line.starts_with("sops:")
    };
    if lines.iter().any(is_sops) {
        return true;
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_text = |line: &&&str| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with(['#', '%']) && !line.starts_with("{{")
    };
    let Some(top) = lines.iter().find(is_text).map(|line| indent(line)) else {
        return false;
    };
    let kind_of = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ").trim_start();
        let value = line
            .strip_prefix("kind:")
            .or_else(|| line.strip_prefix("\"kind\":"))?;
        let value = value.split(" #").next().unwrap_or_default();
        Some(value.trim().trim_matches(['"', '\'', ',']).to_owned())
    };
    let top_kind = lines
        .iter()
        .filter(|line| indent(line) == top)
        .find_map(|line| kind_of(line));
    let is_one = |kind: &String| KINDS.contains(&kind.as_str());
    match top_kind {
        Some(kind) if is_one(&kind) => true,
        // The objects of a list are indented.
        Some(kind) if kind.ends_with("List") => lines
            .iter()
            .filter_map(|line| kind_of(line))
            .any(|kind| is_one(&kind)),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::secret_parts;

    #[test]
    fn finds_secrets_by_kind_and_by_sops() {
        for text in [
            "apiVersion: v1\nkind: Secret\ndata:\n  a: b\n",
            "# words\n---\n{{- if .Values.on }}\nkind: SealedSecret # sealed\n{{- end }}\n",
            "kind: \"ExternalSecret\"\n",
            "  kind: 'Secret'\n",
            "a: ENC[x]\nsops:\n    version: 3.9.0\n",
            "A=ENC[x]\nsops_version=3.9.0\n",
            "[a]\nb = ENC[x]\n[sops]\nversion = 3.9.0\n",
            "kind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n",
            r#"{"kind": "Secret", "data": {}}"#,
            r#"{"kind": "List", "items": [{"kind": "Secret"}]}"#,
            r#"{"a": "ENC[x]", "sops": {"version": "3.9.0"}}"#,
        ] {
            assert_eq!(secret_parts(text.as_bytes()).len(), 1, "{text}");
        }
    }

    #[test]
    fn leaves_out_what_only_names_one() {
        for text in [
            "kind: Deployment\nspec:\n  envFrom:\n  - secretRef:\n      name: a\n",
            "kind: HelmRelease\nspec:\n  valuesFrom:\n    - kind: Secret\n      name: a\n",
            "kind: SecretStore\n",
            "# kind: Secret\nkind: ConfigMap\n",
            r#"{"kind": "Deployment"}"#,
            "",
        ] {
            assert_eq!(
                secret_parts(text.as_bytes()),
                Vec::<String>::new(),
                "{text}"
            );
        }
    }

    #[test]
    fn gives_only_the_documents_that_hold_one() {
        let text = "kind: Deployment\nimage: v2\n---\nkind: Secret\ndata: x\n---\nkind: Service\n";
        assert_eq!(secret_parts(text.as_bytes()), ["kind: Secret\ndata: x"]);
    }
}
