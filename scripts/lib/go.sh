# Builds with Go. Sourced by the scripts beside this folder, after packages.sh; needs `set -euo pipefail`.
# The compiler itself is a pinned Go module, because Debian's is too old; Debian's Go fetches it, and is installed where it is missing.
# shellcheck shell=bash

# The newest compiler that one of the programs asks for.
toolchain=v0.0.1-go1.26.10.linux-$(dpkg --print-architecture 2>/dev/null || printf 'amd64')

# The settings of the machine's own Go do not matter here.
export GOFLAGS='' GOWORK=off GOTOOLCHAIN=local GO111MODULE=on CGO_ENABLED=0

# Prints a field of what `go mod download -json` says about a module.
field_of() {
    sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}$/\1/p"
}

# Finds or downloads the compiler, and prints its path.
compiler() {
    if ! command -v go >/dev/null && [[ -x /usr/local/go/bin/go ]]; then
        PATH=$PATH:/usr/local/go/bin
    fi
    ensure_programs go=golang-go >&2 || return
    local root
    root=$(cd / && go mod download -json "golang.org/toolchain@$toolchain" | field_of Dir) || return
    # A module keeps no permission to execute.
    chmod +x "$root"/bin/* "$root"/pkg/tool/*/* || return
    printf '%s\n' "$root/bin/go"
}
