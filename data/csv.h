#pragma once
// Tables of numbers as text: comma-separated values, strictly read.
//
//     const weft::CsvDataset iris("iris.csv", {.targets = {"species"}, .classes = {"setosa", "versicolor",
//     "virginica"}}); weft::DataLoader loader(iris, {.batch_size = 16, .shuffle = true});
//
// The form is RFC 4180's: records end with LF or CRLF (the last one may go without), fields are separated by the
// delimiter, a field may stand in double quotes and then hold delimiters, line ends and quotes (written twice). A UTF-8
// byte order mark in front is skipped; gzip is unpacked. Everything else is refused with path, line, column and byte:
// records of another length than the first (an empty line is one), a quote within an unquoted field, text behind a
// closing quote, a quote that is never closed, a carriage return alone, a zero byte, UTF-16.
//
// Numbers are read without regard to locale and rounded once to their dtype: digits with an optional minus, fraction
// and exponent. A blank, a plus, an empty field, a number out of range, and (unless allowed) "inf" and "nan" are
// refused.

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/dtype.h>
#include <weft/core/export.h>
#include <weft/data/tensor_dataset.h>

namespace weft {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;  ///< the first record holds the columns' names, each once; without one they are "0", "1", ..
  std::vector<std::string> inputs = {};   ///< columns of an example's input, in this order; none: all but the targets
  std::vector<std::string> targets = {};  ///< columns of its target; none: the last
  DType input_dtype = DType::float32;     ///< float32 or float64
  DType target_dtype = DType::int64;      ///< int64, float32 or float64
  /// Names of classes: a target is one of them and becomes its position. Needs target_dtype int64.
  std::vector<std::string> classes = {};
  bool allow_non_finite = false;
  std::int64_t max_bytes = std::int64_t{1} << 32;  ///< unpacked
  std::int64_t max_columns = 1 << 16;
  std::int64_t max_field_bytes = 1 << 16;
};

/// Input (inputs,), target rank 0 for one int64 column, (targets,) otherwise. Read into memory as a whole.
class WEFT_API CsvDataset : public TensorDataset {
 public:
  /// Throws IoError: io_open; io_truncated (a quote never closed, broken gzip), io_checksum (gzip), io_format (all
  /// other refusals named above; no row). ValueError: a column that is not there (the message lists those that are),
  /// named twice, no input column left; an option out of range. DTypeError: a dtype not among those named.
  explicit CsvDataset(const std::string& path, const CsvOptions& options = {}, CallSite at = CallSite::here());

  const std::vector<std::string>& input_names() const noexcept { return input_names_; }
  const std::vector<std::string>& target_names() const noexcept { return target_names_; }

 private:
  struct Contents {
    Tensor inputs, targets;
    std::vector<std::string> input_names, target_names;
  };
  static Contents read(const std::string& path, const CsvOptions& options, CallSite at);
  CsvDataset(Contents contents, const std::string& path, CallSite at);

  std::vector<std::string> input_names_;
  std::vector<std::string> target_names_;
};

}  // namespace weft
