#!/usr/bin/env bash
# aarch64_sysroot.sh <folder>: unpacks what weft links (zlib) for 64-bit Arm into a folder, for cross builds on Debian.
# The system itself stays as it is: apt works in a state directory of its own, and nothing is installed.
set -euo pipefail
to=$1
[ ! -e "$to/usr/lib/aarch64-linux-gnu/libz.a" ] || exit 0
mkdir -p "$to"
to=$(cd "$to" && pwd)
state=$to/apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
touch "$state/status"
options=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" -o Dir::State::status="$state/status"
  -o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache" -o APT::Sandbox::User="$(id -un)"
  -o Acquire::Languages=none)
# Other sources than the system's own may not serve arm64; one failing source is not the end.
apt-get "${options[@]}" update > /dev/null 2>&1 || true
cd "$state"
apt-get "${options[@]}" download zlib1g:arm64 zlib1g-dev:arm64 > /dev/null
for package in zlib1g*_arm64.deb; do dpkg-deb -x "$package" "$to"; done
[ -e "$to/usr/lib/aarch64-linux-gnu/libz.a" ]
rm -rf "$state"
