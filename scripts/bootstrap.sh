#!/usr/bin/env bash
# Installs what weft needs on a fresh Debian or Ubuntu, and nothing twice.
#
#   bash scripts/bootstrap.sh build    compiler, CMake, libraries
#   bash scripts/bootstrap.sh test     also what the tests use; what only some of them use is tried, not required
#
# Other scripts source it and call weft_bootstrap, weft_find_cuda and weft_has_gpu.

WEFT_PACKAGES_BUILD="ca-certificates cmake g++ ninja-build pkg-config libeigen3-dev nlohmann-json3-dev zlib1g-dev libcli11-dev
  libcurl4-openssl-dev libpng-dev"
WEFT_PACKAGES_TEST="binutils ccache clang clang-format clang-tidy curl git libgtest-dev googletest make python3"
WEFT_PACKAGES_EXTRA="doxygen g++-aarch64-linux-gnu libtorch-dev python3-numpy python3-torch qemu-user-static valgrind"

weft_missing_packages() {
  local package
  for package in "$@"; do
    # No pipe into `grep -q`: it may close the pipe first, which `set -o pipefail` in a caller would call a failure.
    case "$(dpkg-query -W -f '${db:Status-Status} ' "$package" 2> /dev/null)" in
      "installed "*) ;;
      *) echo "$package" ;;
    esac
  done
}

weft_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

weft_apt() {
  weft_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# weft_install required|tried package..
weft_install() {
  local need=$1 missing
  shift
  missing=$(weft_missing_packages "$@" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
    echo "bootstrap: not root and no sudo; please install: $missing" >&2
    [ "$need" = tried ]
    return
  fi
  echo "bootstrap: installing $missing"
  # The package lists may be empty (a fresh system) or old (a package has moved on): refresh them and try once more.
  # shellcheck disable=SC2086
  if ! weft_apt install -y --no-install-recommends $missing > /dev/null 2>&1; then
    weft_apt update > /dev/null || [ "$need" = tried ] || return 1
    if ! weft_apt install -y --no-install-recommends $missing > /dev/null; then
      echo "bootstrap: could not install: $missing" >&2
      [ "$need" = tried ]
    fi
  fi
}

# Puts nvcc on the PATH where a toolkit lies in its usual place.
weft_find_cuda() {
  local folder
  command -v nvcc > /dev/null && return 0
  for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /opt/cuda; do
    if [ -n "$folder" ] && [ -x "$folder/bin/nvcc" ]; then
      export PATH="$folder/bin:$PATH"
      return 0
    fi
  done
  return 1
}

weft_has_gpu() {
  [ -e /dev/nvidia0 ] || [[ "$(nvidia-smi -L 2> /dev/null)" == GPU* ]]
}

weft_bootstrap() {
  local level=$1 package
  weft_find_cuda || true
  if ! command -v apt-get > /dev/null; then
    echo "bootstrap: no apt-get here; going on with what is installed; needed are:"
    echo "$WEFT_PACKAGES_BUILD"
    return 0
  fi
  # shellcheck disable=SC2086
  weft_install required $WEFT_PACKAGES_BUILD || return 1
  [ "$level" = test ] || return 0
  # shellcheck disable=SC2086
  weft_install required $WEFT_PACKAGES_TEST || return 1
  for package in $WEFT_PACKAGES_EXTRA; do weft_install tried "$package"; done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  case ${1:-build} in
    build | test) weft_bootstrap "${1:-build}" ;;
    *) echo "usage: bootstrap.sh [build|test]" >&2; exit 2 ;;
  esac
fi
