#!/usr/bin/env bash
# Compares the instructions of the ten hottest paths with those of benches/instructions.toml (callgrind).
#
#   scripts/instructions.sh            exit status 0 only if none has grown by more than 3 percent
#   scripts/instructions.sh --update   writes the file anew
#
# An operation's instructions are those of a long run less those of one half as long, so that start and end do not count.
# The file names the compiler it holds for: with another one there is nothing to compare, and the exit status is 2.
# Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/instructions.sh" "$@"
command -v valgrind >/dev/null || { echo "instructions.sh: install valgrind" >&2; exit 2; }

file=benches/instructions.toml
compiler=$(rustc --version)
times=20000

cargo build -q --profile bench -p tevent-benches --bench instructions
binary=$(cargo build --profile bench -p tevent-benches --bench instructions --message-format=json 2>/dev/null |
  sed -n 's/.*"executable":"\([^"]*instructions-[^"]*\)".*/\1/p')

# Instructions of a run: PATH TIMES
instructions() {
  local collected
  collected=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$1" "$2" 2>&1 >/dev/null |
    sed -n 's/.*Collected : *//p')
  [ -n "$collected" ] || { echo "instructions.sh: valgrind counted nothing for $1" >&2; exit 2; }
  echo "$collected"
}

# Instructions of one operation: PATH
per_operation() {
  local one two
  one=$(instructions "$1" "$times")
  two=$(instructions "$1" $((2 * times)))
  awk -v one="$one" -v two="$two" -v times="$times" 'BEGIN { printf "%.1f", (two - one) / times }'
}

update() {
  local path
  echo "# Instructions of one operation on the hottest paths: written and compared by scripts/instructions.sh."
  echo "rustc = \"$compiler\""
  echo
  echo "[instructions]"
  for path in $("$binary"); do
    echo "$path = $(per_operation "$path")"
  done
}

compare() {
  local path known now failed=0
  grep -qF "rustc = \"$compiler\"" "$file" ||
    { echo "instructions.sh: $file is of another compiler than $compiler: --update writes it anew" >&2; exit 2; }
  for path in $("$binary"); do
    known=$(sed -n "s/^$path = //p" "$file")
    now=$(per_operation "$path")
    awk -v known="${known:-0}" -v now="$now" -v path="$path" 'BEGIN {
      grown = known > 0 ? 100 * (now / known - 1) : 100
      printf "%-20s %8.1f, was %8.1f: %+.1f %%%s\n", path, now, known, grown, (grown > 3 ? "  TOO MUCH" : "")
      exit (grown > 3) }' || failed=1
  done
  return $failed
}

if [ "${1:-}" = "--update" ]; then
  update >"$file.new"
  mv "$file.new" "$file"
  cat "$file"
else
  compare
fi
