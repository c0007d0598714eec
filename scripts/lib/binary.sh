# Finds the program. Sourced by the scripts beside this folder; needs `set -euo pipefail`.
# shellcheck shell=bash

repository=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)

# Prints the path of error-budget-monitor: the one on PATH, else one that was built here, else one that is built now.
find_binary() {
    local name=error-budget-monitor target=${CARGO_TARGET_DIR:-$repository/target} profile
    if command -v "$name"; then
        return
    fi
    for profile in release debug; do
        if [[ -x $target/$profile/$name ]]; then
            printf '%s\n' "$target/$profile/$name"
            return
        fi
    done
    (cd -- "$repository" && cargo build --release --locked --bin "$name") >&2
    printf '%s\n' "$target/release/$name"
}
