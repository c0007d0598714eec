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

ensure_programs prometheus=prometheus promtool=prometheus git=git cc=gcc,libc6-dev curl=curl jq=jq
ensure_cargo

# The program as it is shipped: cargo builds it for the benchmark again, with what only tests need in its dependencies.
cargo build --release --locked --bin error-budget-monitor
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "${CARGO_TARGET_DIR:-target}/release/error-budget-monitor" "$folder"

cargo bench --locked --bench pass -- "$folder/error-budget-monitor" "$@"
