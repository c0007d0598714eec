//! What the same look costs as the script that many places have: curl and jq, one query after the other.

use std::path::Path;

use crate::proxy::Proxy;
use crate::table::Table;
use crate::{Failure, Start, Wanted, World, repeat, report as rows};

/// Asks for the error ratios of two windows and for the budget of a month, and compares them.
const SCRIPT: &str = r#"
set -euo pipefail
ask() {
    curl -sfG --data-urlencode "query=$1" "$PROMETHEUS_URL/api/v1/query" | jq -r '.data.result[0].value[1] // "nan"'
}
labels="service=\"$SERVICE_NAME\",namespace=\"$NAMESPACE\""
ratio() {
    printf 'sum(rate(http_requests_total{%s,status=~"5.."}[%s])) / sum(rate(http_requests_total{%s}[%s]))' "$labels" "$1" "$labels" "$1"
}
fast=$(ask "$(ratio 5m)")
slow=$(ask "$(ratio 1h)")
month=$(ask "$(ratio 30d)")
jq -cn --arg fast "$fast" --arg slow "$slow" --arg month "$month" '{fast: $fast, slow: $slow, month: $month}'
"#;

pub(crate) fn report(
    wanted: &Wanted,
    prometheus: &Proxy,
    table: &mut Table,
) -> Result<(), Failure> {
    let script = Wanted {
        program: Path::new("/bin/bash").to_path_buf(),
        beside: None,
        series: None,
        ..*wanted
    };
    let runs = repeat(&script, &[prometheus], || {
        let mut world = World::new(prometheus, "healthy")?;
        world.set("PATH", &std::env::var("PATH")?);
        Ok(Start {
            passes_before: 0,
            world,
            arguments: vec!["-c", SCRIPT],
            expected: r#""month":"#,
        })
    })?;
    for (_, runs) in &runs {
        rows(table, "bash, curl and jq", runs, false);
    }
    Ok(())
}
