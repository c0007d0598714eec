# The part of the demo in which a rollback does not go smoothly. Sourced by demo.sh, whose settings and functions it uses.
# shellcheck shell=bash

locked=75  # exit code of a run that finds another one at work

# Kills the program as soon as anything of its rollback can be seen from outside, and has the next run finish it.
kill_midway() {
    wait_for "a rollback to kill" "$patience" "$pass_every" is_killed_midway
    say "Killed (SIGKILL) when this was left behind: $(traces). The next run finishes it:"
    wait_for "the end of the rollback" "$patience" "$pass_every" finishes
}

is_killed_midway() {
    local program
    become_program >"$world/killed.log" &
    program=$!
    children+=("$program")
    while [[ ! $(traces) ]] && kill -0 "$program" 2>/dev/null; do
        sleep 0.02
    done
    kill -KILL "$program" 2>/dev/null || true
    wait "$program" 2>/dev/null || true
    unset 'children[-1]'
    [[ $(traces) ]]
}

# Names what a rollback has left in git and in Argo CD so far; nothing if there is nothing.
traces() {
    local left=
    if [[ $auto_sync ]] && [[ $(operations_by "$program_user") != 0 ]]; then
        left+=" and an operation in Argo CD"
    fi
    if [[ $(tip) != "$bad_tip" ]]; then
        left+=" and a commit in git"
    fi
    printf '%s' "${left# and }"
}

finishes() {
    pass >"$world/pass.log" || fail "the program ended with code $?: $(cat "$world/pass.log")"
    has_recovered "$world/pass.log"
}

# Starts the program twice at the same moment: one acts, the other finds it at work and leaves.
race() {
    local first second codes=()
    become_program >"$world/first.log" &
    first=$!
    become_program >"$world/second.log" &
    second=$!
    children+=("$first" "$second")
    codes[0]=0 codes[1]=0
    wait "$first" || codes[0]=$?
    wait "$second" || codes[1]=$?
    unset 'children[-1]' 'children[-1]'
    say "Two runs were started at the same moment. They ended with ${codes[0]} and ${codes[1]}; $locked is: another run is at work."
    case ${codes[*]} in
        "0 $locked") mv "$world/first.log" "$world/pass.log" ;;
        "$locked 0") mv "$world/second.log" "$world/pass.log" ;;
        *) fail "not exactly one of two runs acted: $(tail -n 4 "$world/program.log")" ;;
    esac
    [[ $(tip) != "$bad_tip" ]] || fail "neither of two runs rolled back"
}
