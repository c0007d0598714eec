#!/usr/bin/env bash
# git 2.39: two of git's own readers find different trailers in one message that holds a line of three dashes.
#
# Most people would guess that `git log --format=%(trailers)` and `git interpret-trailers --parse` read the same trailers.
# A line that begins with `---` ends the message for the second (what follows would be a patch), not for the first. With a
# paragraph of the form `Key: value` above the line, the second even reports that as the trailers. libgit2 (pygit2 1.18.2)
# goes with the second. Bitten: whoever writes trailers below a Markdown rule or a front-matter block (bots and squashed
# merge messages do) and reads them with another tool than the one they were tested with. `--no-divider` mends it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
python3 -m venv venv
venv/bin/pip install --quiet pygit2==1.18.2
printf 'Restore v1\n\nWhy: too many errors\n\n---\nnotes of the bot\n\nRolls-Back: abc\n' > message
git init --quiet repository
git -C repository commit --quiet --allow-empty --cleanup=verbatim --file=../message
by_log=$(git -C repository log -1 --format='%(trailers)')
by_interpret=$(git interpret-trailers --parse < message)
without_divider=$(git interpret-trailers --parse --no-divider < message)
by_libgit2=$(venv/bin/python -c 'import pygit2; print(dict(pygit2.Repository("repository").head.peel().message_trailers))')
printf '%s\n' "log: $by_log" "interpret-trailers: $by_interpret" "with --no-divider: $without_divider" "libgit2: $by_libgit2"
# Seen with git 2.39.5 and libgit2 1.9.1:
#   log: Rolls-Back: abc
#   interpret-trailers: Why: too many errors
#   with --no-divider: Rolls-Back: abc
#   libgit2: {'Why': 'too many errors'}
[ "$by_log" = 'Rolls-Back: abc' ]
[ "$by_interpret" = 'Why: too many errors' ]
[ "$without_divider" = 'Rolls-Back: abc' ]
[ "$by_libgit2" = "{'Why': 'too many errors'}" ]
