#!/usr/bin/env bash
# Shows where the instructions of a row of the benchmarks go, by callgrind.
#
#   scripts/profile.sh "gate, uncontended"                 ours
#   scripts/profile.sh "gate, uncontended" "tokio Mutex"   a peer's, as the row names it
#   LINES=60 scripts/profile.sh "timers fire, 100 k due"   more lines than 20
#
# Prints which files of the source, and which functions, take most. The work is that of one measurement of
# `cargo bench -- --quick`; warming up and the start of the process count, too: compare profiles of a row with each other,
# not with a figure of the table. Processes that a measurement starts itself, such as the peers in C, are not followed.
# `cargo bench -- --list` names the rows and who runs in them. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/profile.sh" "$@"
[ $# -gt 0 ] || { echo "profile.sh: which row? see --help" >&2; exit 2; }
row=$1
contestant=${2:-tevent}
command -v valgrind >/dev/null || { echo "profile.sh: install valgrind" >&2; exit 2; }

echo "profile.sh: building" >&2
binary=$(cargo build -q --profile bench -p tevent-benches --bench all --message-format=json |
  sed -n 's/.*"executable":"\([^"]*all-[^"]*\)".*/\1/p')
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

echo "profile.sh: counting $contestant in \"$row\"; this takes fifty times as long as the row" >&2
valgrind -q --tool=callgrind --callgrind-out-file="$profile" "$binary" --quick --one "$row" "$contestant" --bench >/dev/null
# Sums the profile up: KEY TITLE, where KEY is `file` or `function`
table() {
  printf '\n%14s  %5s  %s\n' instructions share "$2"
  callgrind_annotate --auto=no --threshold=100 "$profile" | awk -v key="$1" '
    !/^ *[0-9,]+ \(.*:/ { next }
    {
      count = $1; gsub(",", "", count)
      sub(/^ *[0-9,]+ \( *[0-9.]+%\) +/, ""); sub(/ \[[^]]*\]$/, "")
      colon = match($0, /:[^:]/)
      name = key == "file" ? substr($0, 1, colon - 1) : substr($0, colon + 1)
      sub(/^.*\/registry\/src\/[^\/]*\//, "", name); sub(/^\/rustc\/[^\/]*\//, "", name)
      sum[name] += count; total += count
    }
    END { for (name in sum) printf "%14d  %4.1f%%  %s\n", sum[name], 100 * sum[name] / total, name }' |
    sort -rn | awk -v lines="${LINES:-20}" 'NR <= lines'
}

table file "by file of the source"
table function "by function, without what it calls"
