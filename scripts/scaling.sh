#!/usr/bin/env bash
# Shows that a queue's operations cost the same however many wait: instructions (callgrind) and time.
#
#   scripts/scaling.sh
#
# Counts the instructions of a turn (leave, enter, join) and of a leave from the middle among 1000 and among 1 000 000
# waiters. Exit status 0 only if they differ by no more than 5 percent, and the time by no more than a factor of 4 (the
# larger line does not fit the processor's caches). Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/scaling.sh" "$@"
command -v valgrind >/dev/null || { echo "scaling.sh: install valgrind" >&2; exit 2; }

target_dir scaling
cargo test -q --release -p tevent-queue --test scaling --no-run
binary=$(cargo test --release -p tevent-queue --test scaling --no-run 2>&1 | sed -n 's/.*(\(.*scaling-[0-9a-f]*\))/\1/p')

# Instructions of a function of the test program: TEST FUNCTION WAITING OPERATIONS
instructions() {
  WAITING=$3 TURNS=$4 valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="scaling::$2" \
    "$binary" --exact "$1" --test-threads=1 2>&1 >/dev/null | sed -n 's/.*Collected : *//p'
}

# TEST FUNCTION OPERATIONS WHAT
compare() {
  local few many
  few=$(instructions "$1" "$2" 1000 "$3")
  many=$(instructions "$1" "$2" 1000000 "$3")
  awk -v few="$few" -v many="$many" -v what="$4" 'BEGIN {
    printf "%s: %d instructions among 1000, %d among 1 000 000 waiters: %+.2f %%\n", what, few, many, 100 * (many / few - 1)
    exit !(few > 0 && many / few < 1.05 && many / few > 0.95) }'
}

nanoseconds() {
  WAITING=$1 TURNS=2000000 "$binary" --exact turns_among_many_waiters --nocapture | sed -n 's/.*waiting: \(.*\) ns.*/\1/p'
}

compare turns_among_many_waiters counted_turns 10000 "turns"
compare leaves_from_the_middle counted_leaves 100000 "leaves from the middle"
few=$(nanoseconds 1000)
many=$(nanoseconds 1000000)
awk -v few="$few" -v many="$many" 'BEGIN {
  printf "time of a turn: %s ns among 1000, %s ns among 1 000 000 waiters: %.2f times\n", few, many, many / few
  exit !(many / few <= 4) }'
