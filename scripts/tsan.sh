#!/usr/bin/env bash
# Runs all tests under ThreadSanitizer: data races between threads that really ran.
#
#   scripts/tsan.sh [CARGO ARGUMENTS] [-- TEST ARGUMENTS]
#
# The standard library is built with the sanitizer too; without that it reports races that are none. Adds what is
# missing to the nightly toolchain. Doc tests are left out; TSAN_OPTIONS and RUSTFLAGS are kept. ThreadSanitizer does not
# understand fences: what rests on one is proved by loom (scripts/loom.sh) and Miri (scripts/miri.sh).
#
#   scripts/tsan.sh                             the whole workspace
#   scripts/tsan.sh -p tevent-executor          one crate
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/tsan.sh" "$@"

need_nightly rust-src
choose_packages --workspace -- "$@"
choose_targets --lib --tests -- "$@"
target_dir tsan
export RUSTFLAGS="-Zsanitizer=thread --cfg sanitized ${RUSTFLAGS:-}"
# A test runs the example's own program, which `--tests` alone would not build.
[ "${packages[*]}" = --workspace ] && cargo +nightly build --workspace --examples -Zbuild-std --target "$(host)"
cargo +nightly test --no-fail-fast "${packages[@]}" -Zbuild-std --target "$(host)" "${targets[@]}" "$@"
