#!/usr/bin/env bash
# Runs the stress tests at full length: eight threads send a million messages each into contexts that come and go, and
# a burst of ten million messages gives its memory back.
#
#   scripts/stress.sh [MESSAGES] [TEST ARGUMENTS]
#
# MESSAGES is the number per thread (default 1000000). The sanitizers run the same tests at their usual length;
# TEVENT_STRESS_MESSAGES and TEVENT_BURST make those longer, too.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/stress.sh" "$@"

messages=1000000
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
  messages=$1
  shift
fi

export TEVENT_STRESS_MESSAGES=$messages TEVENT_BURST=${TEVENT_BURST:-10000000}
cargo test --release -p tevent-thread --test stress --test memory -- "$@"
