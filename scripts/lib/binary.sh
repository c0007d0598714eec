# Finds and runs the program. Sourced by the scripts beside this folder; needs `set -euo pipefail`.
# shellcheck shell=bash

repository=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
# shellcheck source=scripts/lib/help.sh
. "$repository/scripts/lib/help.sh"

# Becomes the program with these arguments. For --help nothing is built: the script's own help comes first, then the program's
# where it is there.
run_program() {
    local argument binary
    for argument in "$@"; do
        if [[ $argument == --help || $argument == -h ]]; then
            show_help
            if binary=$(built_binary); then
                printf '\n'
                exec "$binary" "$@"
            fi
            printf '\nThe arguments are listed here once the program is built; the script builds it when it first runs.\n'
            exit 0
        fi
    done
    binary=$(built_binary || build_binary)
    exec "$binary" "$@"
}

# Prints the path of error-budget-monitor: the one on PATH, else one that was built here. Fails where there is none.
built_binary() {
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
    return 1
}

build_binary() {
    local name=error-budget-monitor
    (cd -- "$repository" && cargo build --release --locked --bin "$name") >&2
    printf '%s\n' "${CARGO_TARGET_DIR:-$repository/target}/release/$name"
}
