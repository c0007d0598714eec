//! Several quantities in one request, told apart by a label.

/// Label that tells which quantity of a combined answer a series is.
pub(super) const PART: &str = "error_budget_part";

/// Joins several queries into one; each of their series carries its name in [`PART`].
pub(super) fn combine<N: AsRef<str>>(parts: impl IntoIterator<Item = (N, String)>) -> String {
    let marked: Vec<String> = parts
        .into_iter()
        .map(|(name, query)| {
            let name = name.as_ref();
            format!("label_replace({query}, \"{PART}\", \"{name}\", \"\", \"\")")
        })
        .collect();
    marked.join(" or ")
}

/// Takes apart what `combine` joined: the name and the query of each part. Any other query is one part without a
/// name.
pub fn parts_of(query: &str) -> Vec<(String, String)> {
    let marker = format!(", \"{PART}\", \"");
    let end = "\", \"\", \"\")";
    let mut parts = Vec::new();
    let mut rest = query;
    while let Some(begun) = rest.strip_prefix("label_replace(")
        && let Some((part, behind)) = begun.split_once(&marker)
        && let Some((name, behind)) = behind.split_once(end)
    {
        parts.push((name.to_owned(), part.trim().to_owned()));
        match behind.strip_prefix(" or ") {
            Some(next) => rest = next,
            None if behind.is_empty() => return parts,
            None => break,
        }
    }
    vec![(String::new(), query.trim().to_owned())]
}
