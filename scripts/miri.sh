#!/usr/bin/env bash
# Runs the tests of the crates that do no input or output under Miri: undefined behaviour, leaks, data races.
#
#   scripts/miri.sh [CARGO ARGUMENTS] [-- TEST ARGUMENTS]
#
# Both models of borrowing (Stacked Borrows, then Tree Borrows), each with eight seeds for the scheduler, the addresses
# and the weak memory. Adds what is missing to the nightly toolchain. SEEDS=0..64 asks for more seeds; MIRIFLAGS are
# kept.
#
#   scripts/miri.sh                             core, executor and queue
#   scripts/miri.sh -p tevent-core              one crate
#   scripts/miri.sh -p tevent-core -- b55       the tests whose name contains b55
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/miri.sh" "$@"

need_nightly miri rust-src
choose_packages -p tevent-core -p tevent-executor -p tevent-queue -- "$@"
choose_targets --lib --tests -- "$@"
target_dir miri
flags="${MIRIFLAGS:-} -Zmiri-many-seeds=${SEEDS:-0..8}"

# What leaks on purpose is left out, and run once more with leaks allowed.
without=(--skip leaks_on_purpose)
[[ " $* " == *" -- "* ]] || without=(-- "${without[@]}")

for model in "" "-Zmiri-tree-borrows"; do
  echo "== ${model:-Stacked Borrows}"
  MIRIFLAGS="$flags $model" cargo +nightly miri test "${packages[@]}" "${targets[@]}" "$@" "${without[@]}"
  if [[ " ${packages[*]} $* " == *" tevent-executor "* ]]; then
    MIRIFLAGS="$flags $model -Zmiri-ignore-leaks" cargo +nightly miri test -p tevent-executor --test leaks
  fi
done
