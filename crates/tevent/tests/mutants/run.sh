#!/usr/bin/env bash
# Seeds a fault per patch in this folder and shows that the test the patch names kills it.
#
#   run.sh [NAME ...]     all patches, or those named (without `.patch`)
#
# A patch begins with three lines: what the fault is, `Rule:` the rule it breaks, `Test:` package, test target (`lib` for
# unit tests), test name, and `loom` if it runs under the model checker. The tree is copied, so nothing here is changed.
# First all named tests have to pass without a fault; then each has to fail, hang or crash with its own. Exit status 0
# only if every fault is killed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
[ "${1:-}" = --help ] && sed -n '2,9s/^# \{0,1\}//p' "$0" && exit 0

work="$root/target/mutants"
tree="$work/tree"
export CARGO_TARGET_DIR="$work/build" RUST_BACKTRACE=0
rm -rf "$tree" && mkdir -p "$tree"
(cd "$root" && git ls-files -co --exclude-standard -z | tar --null -T - -cf - 2>/dev/null) | tar -xf - -C "$tree"
cd "$tree" || exit 2

# Builds, then runs the named test of a patch: 0 passed, 1 failed (or hung, or crashed), 2 not built, 3 no such test.
run_test() {
  local package target name mode
  read -r package target name mode <<<"$(sed -n 's/^Test: //p' "$1")"
  local select=(--test "$target") flags=() limit=30 env=(RUSTFLAGS=)
  [ "$target" = lib ] && select=(--lib)
  if [ "${mode:-}" = loom ]; then
    flags=(--release) limit=300
    env=(RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 CARGO_TARGET_DIR="$CARGO_TARGET_DIR-loom")
  fi
  env "${env[@]}" cargo test -q "${flags[@]}" -p "$package" "${select[@]}" --no-run >"$work/log" 2>&1 || return 2
  env "${env[@]}" timeout $limit cargo test "${flags[@]}" -p "$package" "${select[@]}" -- --exact "$name" >"$work/log" 2>&1
  local status=$?
  grep -q 'running 1 test' "$work/log" || return 3
  [ $status -eq 0 ] && return 0 || return 1
}

names=("$@")
[ $# -eq 0 ] && mapfile -t names < <(cd "$here" && ls -- *.patch | sed 's/\.patch$//')
declare -A sound
survivors=0
for name in "${names[@]}"; do
  patch="$here/$name.patch"
  test=$(sed -n 's/^Test: //p' "$patch")
  if [ -z "${sound[$test]:-}" ]; then
    run_test "$patch"
    sound[$test]=$?
  fi
  if [ "${sound[$test]}" -ne 0 ]; then
    word="BROKEN: the test does not pass without the fault"
  elif ! patch -s -p1 --no-backup-if-mismatch <"$patch" >"$work/log" 2>&1; then
    word="STALE: the patch does not apply"
  else
    run_test "$patch"
    case $? in
      0) word="SURVIVED" ;;
      1) word="killed" ;;
      2) word="NOT BUILT" ;;
      *) word="NO SUCH TEST" ;;
    esac
    patch -s -R -p1 --no-backup-if-mismatch <"$patch"
  fi
  printf '%-40s %-10s by %s\n' "$name" "$word" "$test"
  [ "$word" = killed ] || survivors=$((survivors + 1))
done
printf '%d of %d killed\n' $((${#names[@]} - survivors)) ${#names[@]}
[ $survivors -eq 0 ]
