//! Roles as YAML, for kubectl.

/// What may be done with objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule<'a> {
    /// Their group; empty for the core.
    pub group: &'a str,
    /// Their kind in the plural.
    pub plural: &'a str,
    /// What may be done, such as `get`.
    pub verbs: Vec<&'a str>,
    /// With which of them; with all where it is empty.
    pub names: Vec<String>,
}

/// Writes a Role. Names are quoted, because `1234` and `on` are no texts in YAML.
pub fn role_text(name: &str, namespace: Option<&str>, rules: &[RoleRule<'_>]) -> String {
    let mut text = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: \"{name}\"\n"
    );
    if let Some(namespace) = namespace {
        text.push_str(&format!("  namespace: \"{namespace}\"\n"));
    }
    text.push_str("rules:\n");
    for rule in rules {
        text.push_str(&format!(
            "  - apiGroups: [\"{}\"]\n    resources: [{}]\n    verbs: [{}]\n",
            rule.group,
            rule.plural,
            rule.verbs.join(", ")
        ));
        if !rule.names.is_empty() {
            text.push_str("    resourceNames:\n");
        }
        for name in &rule.names {
            text.push_str(&format!("      - \"{name}\"\n"));
        }
    }
    text
}
