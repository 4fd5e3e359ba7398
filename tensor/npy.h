#pragma once
// NumPy's files: one array (.npy), and several by name without compression (.npz, as np.savez writes it).
//
//     weft::save_npy("weights.npy", w);                          // np.load("weights.npy")
//     weft::Tensor x = weft::load_npy("images.npy", weft::cuda());
//     weft::save_npz("batch.npz", {{"x", x}, {"y", labels}});    // np.load("batch.npz")["x"]
//     for (const weft::NamedTensor& array : weft::load_npz("batch.npz")) ...
//
// The formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, PKWARE's APPNOTE.TXT for zip;
// docs/data_formats.md has the table of dtypes. weft writes version 1.0, row-major, little-endian, data at a multiple
// of 64 bytes; it reads versions 1, 2 and 3, swaps big-endian numbers, and gives a Fortran-ordered array as a
// transposed view of its memory. NumPy has no bfloat16, and weft none of int8, int16, unsigned integers over 8 bits,
// complex numbers, texts and objects: refused, with what to convert to (DTypeError when writing, IoError when reading).
//
// Reading trusts nothing, IoError names path and byte: the header has at most 10,000 bytes and is read as the three
// entries it must have, each once; the file ends where the array does; both are checked before memory is taken for the
// tensor. A .npz is read by its directory: members that are compressed or encrypted, that share a name or bytes, that
// are no .npy files or whose names are paths to somewhere else, and bytes that belong to no member are refused, as are
// contents with another CRC-32 than the directory's. Python objects (pickle) are never read.
//
// Writing leaves the old file or the new one, never a part. All functions may be called from several threads.

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/export.h>
#include <weft/tensor/named_tensor.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// Any device, any strides. DTypeError for bfloat16.
WEFT_API void save_npy(const std::string& path, const Tensor& tensor, CallSite at = CallSite::here());
WEFT_API Tensor load_npy(const std::string& path, Device device = cpu(), CallSite at = CallSite::here());

/// Members are called NAME.npy. ValueError for a name that is empty, used twice, not UTF-8, has control characters or a
/// backslash, or leads out of the folder ("../a", "/a"), and for more than 65,535 tensors or 4 GiB (zip's own limits:
/// several files, or save_safetensors).
WEFT_API void save_npz(const std::string& path, std::span<const NamedTensor> tensors, CallSite at = CallSite::here());
WEFT_API void save_npz(const std::string& path, std::initializer_list<NamedTensor> tensors,
                       CallSite at = CallSite::here());
/// In the order of the file, without the ".npy". Archives over 4 GiB (zip64) are read.
WEFT_API std::vector<NamedTensor> load_npz(const std::string& path, Device device = cpu(),
                                           CallSite at = CallSite::here());

}  // namespace weft
