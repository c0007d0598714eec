#!/usr/bin/env bash
# envy 0.4.2: `envy::prefixed("APP_")` reads `APP_APP_PORT` as the same field as `APP_PORT`.
#
# Most people would guess that a prefix is taken off once. It is taken off as often as it is there, so a variable of the
# prefixed program's own name falls onto another field: alone it silently sets that field, beside the right variable the
# whole configuration is refused as a "duplicate field" that names neither. Bitten: programs in Kubernetes, which puts
# `<SERVICE>_PORT` and `<SERVICE>_<NAME>_…` of every Service into each pod.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'T'
[package]
name = "reads"
version = "0.0.0"
edition = "2021"
[dependencies]
envy = "=0.4.2"
serde = { version = "=1.0.228", features = ["derive"] }
T
cat > src/main.rs <<'R'
#[derive(Debug, serde::Deserialize)]
struct Settings {
    #[allow(dead_code)]
    port: u16,
}

fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    envy::prefixed("APP_").from_iter(variables).map_err(|error| error.to_string())
}

fn main() {
    println!("{:?}", read(&[("APP_PORT", "80")]));
    println!("{:?}", read(&[("APP_APP_PORT", "81")]));
    println!("{:?}", read(&[("APP_PORT", "80"), ("APP_APP_PORT", "81")]));
}
R
CARGO_TARGET_DIR=$folder/target cargo run --quiet > seen
cat seen
# Seen:
#   Ok(Settings { port: 80 })
#   Ok(Settings { port: 81 })
#   Err("duplicate field `port`")
[ "$(sed -n 1p seen)" = 'Ok(Settings { port: 80 })' ]
[ "$(sed -n 2p seen)" = 'Ok(Settings { port: 81 })' ]
[ "$(sed -n 3p seen)" = 'Err("duplicate field `port`")' ]
