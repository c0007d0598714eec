#!/usr/bin/env bash
# Writes the man pages and the completions for bash, zsh and fish: scripts/man.sh [FOLDER], else target/man.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
folder=$(realpath -m "${1:-$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../target/man}")
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

ensure_programs cc=gcc,libc6-dev
ensure_cargo
cargo run --quiet --locked --example man -- "$folder"
printf 'Man pages and completions are in %s\n' "$folder"
