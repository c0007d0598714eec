#!/usr/bin/env bash
# Measures what one pass costs and prints a table; fails when a limit is passed. Needs Rust; installs the rest with apt-get.
# Arguments go to the benchmark: `--runs N`; `--beside PROGRAM` for another build, which takes turns with this one; `--git` for the git side of a rollback in large repositories, beside git itself,
# and on JGit where scripts/lib/servers.sh fetched it;
# `--series N` for the times of the single answers when a service has N series.
# Only a quiet machine gives numbers that can be compared.
#
# `--year [N]` instead simulates N service-years of passes (72 unless told otherwise) with the core alone and prints what was
# rolled back rightly and wrongly; further arguments go to that benchmark, such as `--seed S`. The same ones always print the
# same table.
#
# `--fleet` instead measures a pass over 200 and over 1,000 services with a month of history, beside the build of an older commit in
# which each service asks for itself. Both are built where they are not yet; the older one and the month stay in the user's cache
# folder. `--slow` adds the older build without a proxy, which takes minutes; `--beside PROGRAM` takes another one in its place.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

if [ "${1-}" = --year ]; then
  shift
  ensure_programs cc=gcc,libc6-dev
  ensure_cargo
  case "${1-}" in
    '' | --*) ;;
    *) set -- --service-years "$@" ;;
  esac
  cargo bench --locked --bench year -- "$@"
  exit
fi

if [ "${1-}" = --git ]; then
  # The benchmark starts itself for this, with the program's own library: no Prometheus, no second build.
  ensure_programs git=git cc=gcc,libc6-dev
  ensure_cargo
  cargo bench --locked --bench pass -- "$@"
  exit
fi

# The commit that a fleet is compared with.
older=a0e0a67

# Builds the program of a commit in the user's cache folder, once, and prints where it is.
build_older() (
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/error-budget-monitor/builds
  mkdir -p "$cache"
  exec 9>"$cache/.lock"
  flock 9
  if [ ! -x "$cache/$older" ]; then
    source=$(mktemp -d "$cache/.source-XXXXXX")
    trap 'rm -rf "$source"' EXIT
    git archive "$older" | tar -x -C "$source"
    target=${CARGO_TARGET_DIR:-$PWD/target}
    # In the same folder as this one: what both builds have in common is compiled once.
    cargo build --manifest-path "$source/Cargo.toml" --target-dir "$target" --release --locked --bin error-budget-monitor >&2
    cp "$target/release/error-budget-monitor" "$source/program"
    mv "$source/program" "$cache/$older"
  fi
  printf '%s\n' "$cache/$older"
)

ensure_programs prometheus=prometheus promtool=prometheus git=git cc=gcc,libc6-dev curl=curl jq=jq
ensure_cargo

# The program as it is shipped: cargo builds it for the benchmark again, with what only tests need in its dependencies.
cargo build --release --locked --bin error-budget-monitor
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "${CARGO_TARGET_DIR:-target}/release/error-budget-monitor" "$folder"

if [ "${1-}" = --fleet ]; then
  scripts/lib/servers.sh fleet victoria-metrics
  beside=()
  if [[ " $* " != *' --beside '* ]]; then
    beside=(--beside "$(build_older)")
  fi
  cargo bench --locked --bench pass -- "$folder/error-budget-monitor" "$@" "${beside[@]}"
  exit
fi

cargo bench --locked --bench pass -- "$folder/error-budget-monitor" "$@"
