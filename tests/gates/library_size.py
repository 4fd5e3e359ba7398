"""The shared library stays small: its size on disk after `strip --strip-unneeded`, and as built."""

import argparse
import pathlib
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--limit", type=int, required=True, help="bytes")
    args = parser.parse_args()
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "--strip-unneeded", "-o", stripped.name, args.library], check=True)
        small = pathlib.Path(stripped.name).stat().st_size
    size = args.library.resolve().stat().st_size
    print(f"{args.library.name}: {size / 1e6:.2f} MB as built, limit {args.limit / 1e6:.0f} MB; stripped {small / 1e6:.2f} MB")
    sys.exit(size > args.limit)


if __name__ == "__main__":
    main()
