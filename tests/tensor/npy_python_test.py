"""Arrays travel both ways between weft and NumPy, bit for bit.

usage: npy_python_test.py NPY_TOOL        (exit 77: skipped, with the reason)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print(f"npy_python_test: Skipped\n{sys.executable} has no numpy (python3-numpy)")
    sys.exit(77)

EXPECTED = {
    "float32": np.array([[0, 1.5, -2], [3e38, 1e-40, 0.1]], np.float32),
    "float64": np.array([0.1, -1e300], np.float64),
    "float16": np.array([1, -0.5, 65504], np.float16),
    "int64": np.array([[-1, 2**62]], np.int64),
    "int32": np.array([1, -2, 3], np.int32),
    "uint8": np.array([0, 1, 2, 254, 255], np.uint8),
    "bool": np.array([True, False, True]),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "é name": np.array([7], np.float32),
}
REFUSED = {
    "int16.npy": (np.zeros(3, np.int16), "int16"),
    "complex.npy": (np.zeros(3, np.complex64), "complex"),
    "text.npy": (np.array(["a", "b"]), "<U1"),
    "fields.npy": (np.zeros(3, [("a", "<f4"), ("b", "<i4")]), "structured"),
    "objects.npy": (np.array([{}, None], object), "objects"),
    "rank9.npy": (np.zeros((1,) * 9, np.float32), "8 dimensions"),
}


def same(got, array, name):
    assert got.dtype == array.dtype and got.shape == array.shape, (name, got.dtype, got.shape)
    assert got.tobytes() == array.tobytes(), (name, got)


def written_by_weft(tool, folder):
    subprocess.run([tool, "write", folder], check=True)
    for name, array in EXPECTED.items():
        path = folder / f"{name}.npy"
        same(np.load(path), array, name)
        same(np.lib.format.open_memmap(path) if array.size else np.load(path), array, name)
        np.save(folder / "numpy.npy", array)
        assert path.read_bytes() == (folder / "numpy.npy").read_bytes(), f"{name}: other bytes than np.save writes"
    with np.load(folder / "all.npz") as archive:
        assert archive.files == list(EXPECTED), archive.files
        for name, array in EXPECTED.items():
            same(archive[name], array, name)
        assert archive.zip.testzip() is None


def written_by_numpy(tool, folder):
    for name, array in EXPECTED.items():
        np.save(folder / f"{name}.npy", array)
        np.save(folder / f"{name}.fortran.npy", np.asfortranarray(array) if array.ndim else array)
        np.save(folder / f"{name}.big.npy", array.astype(array.dtype.newbyteorder(">")))
    np.savez(folder / "all.npz", **EXPECTED)
    subprocess.run([tool, "check", folder], check=True)


def refused(tool, folder):
    for name, (array, word) in REFUSED.items():
        np.save(folder / name, array)
        result = subprocess.run([tool, "load", folder / name], stdout=subprocess.PIPE, text=True)
        assert result.returncode == 1 and word in result.stdout, (name, result.stdout)
    np.savez_compressed(folder / "packed.npz", a=np.zeros(100))
    result = subprocess.run([tool, "load", folder / "packed.npz"], stdout=subprocess.PIPE, text=True)
    assert result.returncode == 1 and "np.savez" in result.stdout, result.stdout


def main():
    tool = sys.argv[1]
    for step in (written_by_weft, written_by_numpy, refused):
        with tempfile.TemporaryDirectory() as folder:
            step(tool, Path(folder))
    print(f"NumPy {np.__version__}: {len(EXPECTED)} arrays both ways, {len(REFUSED) + 1} refused")


main()
