# Installs missing programs on Debian and Ubuntu. Sourced by the scripts beside this folder; needs `set -euo pipefail`.
# With --help or -h as the first argument of the script it shows the script's help and ends: nothing is installed or built for it.
# shellcheck shell=bash

# shellcheck source=scripts/lib/help.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/help.sh"
if [[ ${1-} == --help || ${1-} == -h ]]; then
    show_help
    exit 0
fi

# Each argument names a program and the packages that bring it: `cc=gcc,libc6-dev`. A program with a slash is a file.
# Does nothing, and needs no rights, when every program is there.
ensure_programs() {
    local wanted program programs=() packages=()
    for wanted in "$@"; do
        program=${wanted%%=*}
        if [[ $program == */* && -e $program ]] || command -v "$program" >/dev/null; then
            continue
        fi
        programs+=("$program")
        IFS=, read -r -a wanted <<<"${wanted#*=}"
        packages+=("${wanted[@]}")
    done
    if ((${#packages[@]} == 0)); then
        return
    fi

    local as_root=()
    if ((EUID != 0)); then
        as_root=(sudo)
    fi
    if ! command -v apt-get >/dev/null || ! command -v "${as_root[@]:-true}" >/dev/null; then
        printf 'Missing: %s. Install them (Debian packages: %s) and run this again.\n' \
            "${programs[*]}" "${packages[*]}" >&2
        return 1
    fi
    printf 'Installing %s\n' "${packages[*]}" >&2
    install_packages "${packages[@]}" >&2
}

# Installs packages without starting the services they bring: Debian's prometheus would begin to listen on 9090.
install_packages() (
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
)

# Puts cargo on PATH when it is installed but the shell does not know yet.
ensure_cargo() {
    if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    fi
    if ! command -v cargo >/dev/null; then
        printf 'Missing: cargo. Install Rust and run this again.\n' >&2
        return 1
    fi
}
