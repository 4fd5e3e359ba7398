"""Files travel both ways between weft and Python's safetensors, bit for bit.

usage: safetensors_python_test.py SAFETENSORS_TOOL        (exit 77: skipped, with the reason)
"""

import struct
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import safetensors
    from safetensors import safe_open
except ImportError as error:
    print(f"safetensors_python_test: Skipped\n{sys.executable} has no {error.name} (pip install safetensors numpy)")
    sys.exit(77)

EXPECTED = {
    "layer.weight": np.array([[0, 1.5, -2], [3e38, 1e-40, 0.1]], np.float32),
    "double": np.array([0.1, -1e300], np.float64),
    "half": np.array([1, -0.5, 65504], np.float16),
    "long": np.array([[-1, 2**62]], np.int64),
    "int": np.array([1, -2, 3], np.int32),
    "bytes": np.array([0, 1, 2, 254, 255], np.uint8),
    "flags": np.array([True, False, True]),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    'é "quoted" \\ name': np.array([7], np.float32),
}
BFLOAT = np.frombuffer(struct.pack("<2H", 0x3F80, 0xC040), np.uint8)  # 1 and -3, which NumPy has no dtype for


def data_of(path):
    raw = path.read_bytes()
    (header,) = struct.unpack("<Q", raw[:8])
    assert header % 8 == 0, "the data are not aligned"
    return raw[8 + header :]


def written_by_weft(tool, path):
    subprocess.run([tool, "write", path], check=True)
    with safe_open(path, framework="numpy") as file:
        names = set(file.keys())
        metadata = file.metadata()
        assert names == set(EXPECTED) | {"bfloat"}, names
        for name, array in EXPECTED.items():
            got = file.get_tensor(name)
            assert got.dtype == array.dtype and got.shape == array.shape, (name, got)
            assert got.tobytes() == array.tobytes(), (name, got)
        assert file.get_slice("bfloat").get_dtype() == "BF16" and file.get_slice("bfloat").get_shape() == [2]
    assert metadata["note"] == "café", metadata
    assert sorted(key for key in metadata if key != "note") == sorted("weft.crc32c." + name for name in names)
    return metadata


def spec(dtype, shape, array):
    if hasattr(safetensors, "TensorSpec"):  # from 0.8 on
        return safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes)
    return {"dtype": dtype, "shape": shape, "data": array.tobytes()}


def written_by_python(path, metadata):
    tensors = {name: spec(array.dtype.name, list(array.shape), array) for name, array in EXPECTED.items()}
    tensors["bfloat"] = spec("bfloat16", [2], BFLOAT)
    safetensors.serialize_file(tensors, path, metadata)


def main():
    tool = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "weft.safetensors"), Path(folder, "python.safetensors")
        metadata = written_by_weft(tool, ours)
        for kept in ({"note": "café"}, metadata):  # without weft's checksums, then with them
            written_by_python(theirs, kept)
            subprocess.run([tool, "check", theirs], check=True)
        assert data_of(ours) == data_of(theirs), "the same tensors lie in another order"
        damaged = bytearray(theirs.read_bytes())
        damaged[-1] ^= 1
        theirs.write_bytes(damaged)
        result = subprocess.run([tool, "check", theirs], stdout=subprocess.PIPE, text=True)
        assert result.returncode == 1 and "CRC-32C" in result.stdout, result.stdout
    print(f"safetensors {safetensors.__version__}: {len(EXPECTED) + 1} tensors both ways")


main()
