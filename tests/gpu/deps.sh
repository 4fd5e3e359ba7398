#!/usr/bin/env bash
# Gathers what tests/gpu/run.sh needs on a machine without a network: headers, GoogleTest, zlib, libpng and the MNIST files, in
# one folder of under 40 MB that is copied there. Runs on a Debian or Ubuntu with a network.
#
#   bash tests/gpu/deps.sh FOLDER            MNIST from $WEFT_DATA_DIR/mnist, or else from the net
set -euo pipefail
folder=${1:?usage: deps.sh FOLDER}
mkdir -p "$folder/root" "$folder/mnist"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

(cd "$work" && apt-get -q download libeigen3-dev nlohmann-json3-dev libcli11-dev libgtest-dev libgmock-dev zlib1g-dev libpng-dev)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
# Shared libraries are that system's own and links to them lead nowhere elsewhere; the archives beside them are complete.
find "$folder/root" -name '*.so*' -delete
find "$folder/root" -xtype l -delete
rm -rf "$folder/root/usr/share/doc" "$folder/root/usr/share/man" "$folder/root/usr/bin"

files="train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte"
for file in $files; do
  [ -s "$folder/mnist/$file.gz" ] && continue
  if [ -s "${WEFT_DATA_DIR:-/nowhere}/mnist/$file.gz" ]; then
    cp "$WEFT_DATA_DIR/mnist/$file.gz" "$folder/mnist/"
  else
    curl -fsSL -o "$folder/mnist/$file.gz" "https://storage.googleapis.com/cvdf-datasets/mnist/$file.gz"
  fi
done
du -sh "$folder"
