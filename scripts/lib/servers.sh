#!/usr/bin/env bash
# Builds the servers of tests/testkit/servers.txt, once, into the user's cache folder:
# ${XDG_CACHE_HOME:-~/.cache}/error-budget-monitor/servers/<name>-<version>/. Says which cannot be had here, and fails then
# where CI=true. Arguments name the ones that are wanted; all of them without any. Installs Java and Maven from Debian where they
# are missing.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/packages.sh"
# shellcheck source=scripts/lib/go.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/go.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.."

list=$PWD/tests/testkit/servers.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/error-budget-monitor/servers

# Builds one server: its name, version, module, the module's version and checksum, tags and packages. Or copies files of a module.
build() {
    if [[ $3 == maven ]]; then
        fetch_jars "$1" "$2" "$4"
        return
    fi
    if [[ $3 == here ]]; then
        build_here "$1" "$2" "$4"
        return
    fi
    local name=$1 version=$2 module=$3@$4 sum=$5 tags=${6#-} go about folder
    shift 6
    go=$(compiler) || return
    about=$(cd / && "$go" mod download -json "$module") || return
    if [[ $(field_of Sum <<<"$about") != "$sum" ]]; then
        printf '%s has another checksum than %s.\n' "$module" "$list" >&2
        return 1
    fi
    folder=$(mktemp -d "$cache/.$name-XXXXXX") || return
    chmod 755 "$folder"
    if [[ $tags == files ]]; then
        (cd -- "$(field_of Dir <<<"$about")" && cp --no-preserve=mode -- "$@" "$folder/") || return
        mv -T -- "$folder" "$cache/$name-$version"
        return
    fi
    # In the module's own folder its go.sum and its replacements count.
    (
        cd -- "$(field_of Dir <<<"$about")" || exit
        # Its database is C.
        [[ $tags != *sqlite* ]] || export CGO_ENABLED=1
        nice "$go" build -mod=readonly -trimpath -buildvcs=false -ldflags='-s -w' -tags "$tags" -o "$folder/" "$@" || exit
        # What it reads while it runs, where it comes with such files.
        [[ ! -d templates ]] || cp -r --no-preserve=mode -- templates options public "$folder/"
    ) || return
    mv -T -- "$folder" "$cache/$name-$version"
}

# Builds a program whose source is here: its name, version and folder.
build_here() {
    local name=$1 version=$2 go folder
    go=$(compiler) || return
    folder=$(mktemp -d "$cache/.$name-XXXXXX") || return
    chmod 755 "$folder"
    (
        cd -- "tests/testkit/$3" || exit
        nice "$go" vet -mod=readonly . || exit
        nice "$go" build -mod=readonly -trimpath -buildvcs=false -ldflags='-s -w' -o "$folder/$name" .
    ) || return
    mv -T -- "$folder" "$cache/$name-$version"
}

# Fetches a server that consists of jars: its name, version and folder. Java runs its source as it is.
fetch_jars() {
    local name=$1 version=$2 about=$PWD/tests/testkit/$3 folder
    ensure_programs java=default-jdk-headless javac=default-jdk-headless mvn=maven || return
    folder=$(mktemp -d "$cache/.$name-XXXXXX") || return
    chmod 755 "$folder"
    mvn --batch-mode --quiet -Dstyle.color=never --file "$about/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$folder" >&2 || return
    cp -- "$about/jars.sha256" "$folder/" || return
    # Neither another jar than those of the list, nor one more.
    (cd -- "$folder" && sha256sum --quiet --check jars.sha256 && [[ $(find . -name '*.jar' | wc -l) == $(wc -l <jars.sha256) ]]) || return
    mv -T -- "$folder" "$cache/$name-$version"
}

mkdir -p "$cache"
# Two runs on one machine build once.
exec 9>"$cache/.lock"
flock 9
# What a run left that was killed.
find "$cache" -mindepth 1 -maxdepth 1 -name '.*-??????' -exec rm -rf {} +
missing=()
while read -r -a server; do
    if [[ ${server[0]:-#} == \#* || -d $cache/${server[0]}-${server[1]} ]]; then
        continue
    fi
    if (($#)) && [[ " $* " != *" ${server[0]} "* ]]; then
        continue
    fi
    printf 'Building %s %s\n' "${server[0]}" "${server[1]}" >&2
    started=$SECONDS
    if build "${server[@]}" </dev/null; then
        printf 'Built %s %s in %d s\n' "${server[0]}" "${server[1]}" "$((SECONDS - started))" >&2
    else
        missing+=("${server[0]} ${server[1]}")
    fi
done <"$list"
if ((${#missing[@]})); then
    printf 'NOT BUILT: %s: what needs it is left out, and fails where CI=true.\n' "${missing[@]}" >&2
    [[ ${CI:-} != true ]]
fi
