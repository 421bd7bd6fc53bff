# What the scripts share. Sourced by them, not run.

# Prints the comment at the head of a script and ends, if the first argument asks for it.
help_if_asked() {
  local script=$1
  shift
  case "${1:-}" in
    -h | --help)
      awk 'NR == 1 { next } !/^#/ { exit } { sub(/^# ?/, ""); print }' "$script"
      exit 0
      ;;
  esac
}

# Fills the array `packages` with the defaults given, unless the arguments after `--` choose packages themselves.
choose_packages() {
  choose packages '-p*|--package|--package=*|--workspace|--all' "$@"
}

# Fills the array `targets` in the same way.
choose_targets() {
  choose targets '--lib|--test|--test=*|--tests|--example|--example=*|--examples|--doc' "$@"
}

# ARRAY PATTERN DEFAULT... -- ARGUMENT...: the defaults, unless an argument before the next `--` matches the pattern.
choose() {
  local -n chosen=$1
  local pattern=$2 argument
  shift 2
  chosen=()
  while [ "$1" != "--" ]; do
    chosen+=("$1")
    shift
  done
  shift
  shopt -s extglob
  for argument in "$@"; do
    [ "$argument" != "--" ] || return 0
    # shellcheck disable=SC2053
    if [[ $argument == @($pattern) ]]; then
      chosen=()
    fi
  done
}

# Sees to it that the nightly toolchain is there, with these components.
need_nightly() {
  rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
  local installed component
  installed=$(rustup component list --toolchain nightly --installed)
  for component in "$@"; do
    grep -q "^$component" <<<"$installed" || rustup component add --toolchain nightly "$component"
  done
}

# A target folder of its own for each kind of build.
target_dir() {
  export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/$1"
}

# The platform this machine compiles for; the sanitizers want it said.
host() {
  rustc +nightly -vV | sed -n 's/^host: //p'
}
