#!/usr/bin/env bash
# tokio-retry 0.3.2: `ExponentialBackoff::from_millis(100)` waits 0.1 s, 10 s, 1,000 s, 100,000 s.
#
# Most people would guess that the number is the first delay, which then doubles. It is the base: the n-th delay is 100 to
# the n-th power, in milliseconds. Bitten: a retry that was meant to take a second and a half waits more than a day before
# the fourth try, and `max_delay` alone turns it into one short wait and then the maximum every time. What was meant is
# `from_millis(2).factor(50)`. FibonacciBackoff of the same crate does take its number as the first delay.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'T'
[package]
name = "waits"
version = "0.0.0"
edition = "2021"
[dependencies]
tokio-retry = "=0.3.2"
T
cat > src/main.rs <<'R'
use tokio_retry::strategy::{ExponentialBackoff, FibonacciBackoff};

fn main() {
    println!("{:?}", ExponentialBackoff::from_millis(100).take(4).collect::<Vec<_>>());
    println!("{:?}", ExponentialBackoff::from_millis(2).factor(50).take(4).collect::<Vec<_>>());
    println!("{:?}", FibonacciBackoff::from_millis(100).take(4).collect::<Vec<_>>());
}
R
CARGO_TARGET_DIR=$folder/target cargo run --quiet > seen
cat seen
# Seen:
#   [100ms, 10s, 1000s, 100000s]
#   [100ms, 200ms, 400ms, 800ms]
#   [100ms, 100ms, 200ms, 300ms]
[ "$(sed -n 1p seen)" = '[100ms, 10s, 1000s, 100000s]' ]
[ "$(sed -n 2p seen)" = '[100ms, 200ms, 400ms, 800ms]' ]
[ "$(sed -n 3p seen)" = '[100ms, 100ms, 200ms, 300ms]' ]
