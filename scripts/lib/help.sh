# The help of the scripts. Sourced by packages.sh and binary.sh before anything else; needs `set -euo pipefail`.
# shellcheck shell=bash

# Shows the comment that the script begins with.
show_help() {
    printf '%s\n\n' "$0"
    # From the second line to the first one that is no comment.
    sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' -- "$0"
}
