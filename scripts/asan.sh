#!/usr/bin/env bash
# Runs all tests under AddressSanitizer: use after free, overruns, leaks.
#
#   scripts/asan.sh [CARGO ARGUMENTS] [-- TEST ARGUMENTS]
#
# With the cfg `sanitized` the executor keeps no memory of finished tasks: a use of it would not be seen.
# Adds the nightly toolchain if it is missing. Doc tests are left out; ASAN_OPTIONS and RUSTFLAGS are kept.
#
#   scripts/asan.sh                             the whole workspace
#   scripts/asan.sh -p tevent-reactor           one crate
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
help_if_asked "scripts/asan.sh" "$@"

need_nightly
choose_packages --workspace -- "$@"
choose_targets --lib --tests -- "$@"
target_dir asan
export RUSTFLAGS="-Zsanitizer=address --cfg sanitized ${RUSTFLAGS:-}"
export LSAN_OPTIONS="suppressions=$PWD/scripts/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
export ASAN_OPTIONS="detect_stack_use_after_return=1:${ASAN_OPTIONS:-}"
# A test runs the example's own program, which `--tests` alone would not build.
[ "${packages[*]}" = --workspace ] && cargo +nightly build --workspace --examples --target "$(host)"
cargo +nightly test --no-fail-fast "${packages[@]}" --target "$(host)" "${targets[@]}" "$@"
