#!/usr/bin/env bash
# Runs the loom models: every interleaving of the threads in the core, the executor, the reactor, the queue and the
# roads between threads, up to a bound.
#
#   scripts/loom.sh [BOUND] [CARGO ARGUMENTS] [-- TEST ARGUMENTS]
#
# BOUND is the number of preemptions per execution (default 3). Two take under a minute, three take minutes.
#
#   scripts/loom.sh                             everything
#   scripts/loom.sh 4 -p tevent-core            one crate, deeper
#   scripts/loom.sh 3 -- b02                    the models whose name contains b02
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/loom.sh" "$@"

bound=3
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
  bound=$1
  shift
fi

choose_packages -p tevent-core -p tevent-executor -p tevent-reactor -p tevent-queue -p tevent-thread -- "$@"
target_dir loom
export RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}" LOOM_MAX_PREEMPTIONS=$bound
cargo test --release "${packages[@]}" --test 'loom*' "$@"
