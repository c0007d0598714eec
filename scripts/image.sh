#!/usr/bin/env bash
# Builds the image with docker, podman or buildah, or without any of them.
#
#   scripts/image.sh [--tag NAME] [--platform linux/amd64|linux/arm64] [--tool docker|podman|buildah]
#   scripts/image.sh --local [--tag NAME]
#
# With --local no registry and no container tool is needed: the program is built by the Rust on this machine, for this machine's
# architecture, and the image is written to target/image/error-budget-monitor.tar, which `docker load`, `podman load` and
# `skopeo copy oci-archive:…` read.
set -euo pipefail

misused=64
# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

main() {
    local is_local='' tool='' platform='' tag=''
    version=$(sed -n '/^\[workspace.package\]/,/^$/ s/^version = "\(.*\)"$/\1/p' Cargo.toml)
    while (($#)); do
        case $1 in
            --local) is_local=yes ;;
            --tag | --platform | --tool)
                [[ ${2-} ]] || misuse "$1 wants a value"
                printf -v "${1#--}" '%s' "$2"
                shift
                ;;
            *) misuse "unknown argument $1" ;;
        esac
        shift
    done
    tag=${tag:-error-budget-monitor:$version}
    revision=$(git rev-parse HEAD)
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
    created=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

    if [[ $is_local ]]; then
        [[ ! $platform$tool ]] || misuse "--local builds for this machine, and needs no tool"
        build_locally "$tag"
    else
        build_in_container "$tag" "$platform" "$tool"
    fi
}

build_locally() {
    local folder
    folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/image
    ensure_programs python3=python3
    scripts/lib/build-root.sh "$folder/root"
    python3 scripts/lib/image_archive.py --root "$folder/root" --archive "$folder/error-budget-monitor.tar" --tag "$1" \
        --version "$version" --revision "$revision" --created "$created" --epoch "$SOURCE_DATE_EPOCH"
}

build_in_container() {
    local tag=$1 platform=$2 tool=$3 candidate
    for candidate in docker podman buildah; do
        if [[ ! $tool ]] && command -v "$candidate" >/dev/null; then
            tool=$candidate
        fi
    done
    local arguments=(--file Dockerfile --tag "$tag" --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH"
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "CREATED=$created"
        --build-arg "SOURCE=$(git config --get remote.origin.url | sed 's#//[^/@]*@#//#' || true)")
    if [[ $platform ]]; then
        arguments+=(--platform "$platform")
    fi
    case $tool in
        docker) docker build "${arguments[@]}" . ;;
        # Docker's own layout; the time stamps of layers are those of the commit.
        podman | buildah) "$tool" build --format docker --timestamp "$SOURCE_DATE_EPOCH" "${arguments[@]}" . ;;
        '')
            printf 'Missing: docker, podman or buildah. Install one, or build with --local.\n' >&2
            return 1
            ;;
        *) misuse "unknown tool $tool" ;;
    esac
}

misuse() {
    printf '%s\nusage: %s [--tag NAME] [--platform PLATFORM] [--tool docker|podman|buildah] | --local [--tag NAME]\n' "$1" "$0" >&2
    exit "$misused"
}

main "$@"
