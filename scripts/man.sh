#!/usr/bin/env bash
# Writes the man pages and the completions for bash, zsh and fish: scripts/man.sh [FOLDER], else target/man.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
folder=$(realpath -m "${1:-$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../target/man}")
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

ensure_programs cc=gcc,libc6-dev
ensure_cargo
cargo build --quiet --locked
program=${CARGO_TARGET_DIR:-target}/debug/error-budget-monitor
mkdir -p "$folder/man1" "$folder/completions"
"$program" man >"$folder/man1/error-budget-monitor.1"
# The commands stand in their own list, two blanks to the right.
"$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' | while read -r command; do
    [[ $command == help ]] || "$program" man "$command" >"$folder/man1/error-budget-monitor-$command.1"
done
"$program" completions bash >"$folder/completions/error-budget-monitor.bash"
"$program" completions zsh >"$folder/completions/_error-budget-monitor"
"$program" completions fish >"$folder/completions/error-budget-monitor.fish"
printf 'Man pages and completions are in %s\n' "$folder"
