#!/usr/bin/env bash
# VictoriaMetrics 1.151: a query that reads ten samples is refused by a limit of 5,000 samples.
#
# `-search.maxSamplesPerQuery` is "the maximum number of raw samples a single query can process", and the error advises to "reduce
# time range for the query". Counted are whole blocks on disk, each with up to 8,192 samples of one series, however few of
# them lie in the range; so a limit below some ten thousand for each series refuses ranges of any length, and neither the
# advice nor asking piece by piece helps. Bitten: whoever sets the limit by the samples that the longest query should read,
# and clients that answer "too many samples" with smaller questions.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; wait; rm -rf "$folder"' EXIT
program=${XDG_CACHE_HOME:-$HOME/.cache}/error-budget-monitor/servers/victoria-metrics-1.151.0/victoria-metrics
# Built from its Go module with its checksum, once for this user.
[[ -x $program ]] || "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../scripts/lib/servers.sh"
"$program" -httpListenAddr=127.0.0.1:0 -storageDataPath="$folder/data" -retentionPeriod=1y \
    -search.maxSamplesPerQuery=5000 2> "$folder/log" &
server=$!
address() {
    sed -n 's|.*started server at \(http://[^/]*\)/.*|\1|p' "$folder/log" | head -n 1
}
for _ in $(seq 100); do
    url=$(address)
    [[ -z $url ]] || break
    sleep 0.1
done
# Five days of one series, a sample a minute: 7,200 of them, in one block.
now=$(($(date +%s) / 60 * 60))
for ((time = now - 5 * 86400; time < now; time += 60)); do
    printf 'm 1 %d000\n' "$time"
done > "$folder/series"
curl -sf --data-binary "@$folder/series" "$url/api/v1/import/prometheus"
curl -sf "$url/internal/force_flush"
# The answer to how many samples lie in a range that ends a day ago.
ask() {
    curl -s "$url/api/v1/query" -d nocache=1 -d "time=$((now - 86400))" --data-urlencode "query=count_over_time(m[$1])"
    printf '\n'
}
# Seen with 1.151.0: "cannot select more than -search.maxSamplesPerQuery=5000 samples" for ten minutes, where ten samples are.
ask 10m | tee "$folder/ten-minutes"
ask 1d
grep -q 'cannot select more than -search.maxSamplesPerQuery=5000 samples' "$folder/ten-minutes"
