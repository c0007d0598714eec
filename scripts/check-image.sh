#!/usr/bin/env bash
# Builds the root file system of the image and checks it: what is in it, how large it is, and that the program needs nothing else.
# The program is run in the empty root, without rights: it reads names, shakes hands over TLS and knows time zones there.
# Takes some minutes the first time, because it builds the program as it is shipped.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

largest=14000000  # bytes
user=65532
bundle=etc/ssl/certs/ca-certificates.crt
unavailable=69
unusable=78

main() {
    ensure_programs openssl=openssl readelf=binutils python3=python3
    world=$(mktemp -d)
    trap finish EXIT
    built=$(realpath -m "${CARGO_TARGET_DIR:-target}")/image
    root=$world/root
    scripts/image.sh --local

    cp -r "$built/root" "$root"
    # mktemp makes a folder that nobody else may enter.
    chmod 755 "$world"
    find_way_in
    check_files
    check_binary
    check_archive
    check_empty_root
    check_tls
    printf 'The image is good: %s bytes in 2 files.\n' "$size"
}

check_files() {
    local found
    found=$(cd "$root" && find . -not -type d | sort)
    [[ $found == "$(printf './%s\n' error-budget-monitor "$bundle" | sort)" ]] || fail "other files than expected: $found"
    size=$(find "$root" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
    ((size <= largest)) || fail "the image has $size bytes, more than $largest"
}

check_binary() {
    local described
    described=$(readelf --wide --program-headers --dynamic --sections "$root/error-budget-monitor")
    [[ $described != *INTERP* ]] || fail "the program wants a loader"
    [[ $described != *'(NEEDED)'* ]] || fail "the program wants libraries"
    [[ $described == *.dep-v0* ]] || fail "the program has no list of its dependencies"
    ! grep -qaF FAIL_POINT_ "$root/error-budget-monitor" || fail "the program can be made to die"
    ! grep -qaF "$PWD/" "$root/error-budget-monitor" || fail "the program holds a path of this machine"
}

# Two archives of the same files are the same, and hold the program.
check_archive() {
    local archive=$built/error-budget-monitor.tar first
    first=$(sha256sum <"$archive")
    scripts/image.sh --local >/dev/null
    [[ $first == "$(sha256sum <"$archive")" ]] || fail "the archive is another one each time"
    [[ $(tar -xOf "$archive" manifest.json) == *'"Layers"'* ]] || fail "the archive holds no image"
}

check_empty_root() {
    expect 0 "$(grep -m1 '^version' Cargo.toml | cut -d'"' -f2)" --version
    expect "$unusable" 'SERVICE_NAME is not set' --dry-run
    # A zone by name: the tables are in the program.
    settings=(SERVICE_NAME=checkout NAMESPACE=shop PROMETHEUS_URL=http://127.0.0.1:1
        'BLACKOUT_WINDOWS=Sat 00:00-06:00 Europe/Berlin')
    expect "$unavailable" 'no connection' --dry-run
}

# A server whose certificate is signed by an authority of our own, reached by a name.
check_tls() {
    local address=prometheus.test port
    make_certificates "$address"
    : >"$world/requests"
    mkfifo "$world/port"
    python3 scripts/lib/tls_server.py "$world/server.pem" "$world/server.key" "$world/requests" >"$world/port" 2>/dev/null &
    server=$!
    read -r -t 30 port <"$world/port" || fail "the TLS server does not start"
    # Kubernetes mounts this file.
    printf '127.0.0.1 %s\n' "$address" >"$root/etc/hosts"
    settings=(SERVICE_NAME=checkout NAMESPACE=shop "PROMETHEUS_URL=https://$address:$port")
    expect "$unavailable" 'TLS refused' --dry-run
    [[ ! -s $world/requests ]] || fail "a request was sent over a connection that is not trusted"
    cp "$world/authority.pem" "$root/authority.pem"
    settings+=(PROMETHEUS_CA_FILE=/authority.pem)
    expect_handshake
    unset 'settings[-1]'
    cat "$world/authority.pem" >>"$root/$bundle"
    expect_handshake
}

# The server refuses what it reads, and writes it down: so a request came through.
expect_handshake() {
    : >"$world/requests"
    expect "$unavailable" 404 --dry-run
    grep -q ' /api/v1/query$' "$world/requests" || fail "no request came through TLS: $said"
}

make_certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=authority of this check' \
        -addext 'basicConstraints=critical,CA:TRUE' -keyout "$world/authority.key" -out "$world/authority.pem" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$world/server.key" -out "$world/server.csr" 2>/dev/null
    openssl x509 -req -in "$world/server.csr" -CA "$world/authority.pem" -CAkey "$world/authority.key" -days 2 \
        -extfile <(printf 'subjectAltName=DNS:%s\nbasicConstraints=CA:FALSE\n' "$1") -out "$world/server.pem" 2>/dev/null
}

# Checks the exit code and a word of what was said: code, word, arguments.
expect() {
    local expected=$1 word=$2
    shift 2
    run_in_root "$@"
    ((code == expected)) || fail "$* ended with $code instead of $expected: $said"
    [[ $said == *"$word"* ]] || fail "$* does not say '$word': $said"
}

# Sets how a program is started with nothing but the root: as nobody in particular, or in a user namespace.
find_way_in() {
    as_root=()
    enter=(chroot "--userspec=$user:$user" "$root")
    if ((EUID != 0)); then
        if unshare --map-root-user true 2>/dev/null; then
            enter=(unshare --map-root-user --root "$root")
        else
            # Some systems keep user namespaces from everybody.
            as_root=(sudo)
        fi
    fi
}

# Runs the program there with the settings. Sets code and said.
run_in_root() {
    code=0
    said=$("${as_root[@]}" env -i "PATH=$PATH" "${settings[@]}" "${enter[@]}" /error-budget-monitor "$@" 2>&1) || code=$?
}

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    exit 1
}

finish() {
    if [[ ${server-} ]]; then
        kill "$server" 2>/dev/null || true
    fi
    rm -rf "$world"
}

settings=()
main "$@"
