#include <weft/data/csv.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/csv_reader.h>
#include <weft/tensor/creation.h>

namespace weft {
namespace {

constexpr const char* op = "CsvDataset";

void check_options(const CsvOptions& options, CallSite at) {
  const auto refuse = [&](const std::string& text) { throw ValueError(ErrorCode::value_out_of_range, op, text, at); };
  const char d = options.delimiter;
  if (d == '"' || d == '\r' || d == '\n' || d == '\0' || static_cast<unsigned char>(d) > 127) {
    refuse("delimiter is a quote, a line end or no ASCII character");
  }
  const auto check = [&](const char* what, std::int64_t value) {
    if (value < 1) refuse(message(what, " is ", value, ", expected 1 or more"));
  };
  check("max_bytes", options.max_bytes);
  check("max_columns", options.max_columns);
  check("max_field_bytes", options.max_field_bytes);
  const auto check_dtype = [&](const char* what, DType dtype, bool integers) {
    if (dtype == DType::float32 || dtype == DType::float64 || (integers && dtype == DType::int64)) return;
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message(what, " is ", dtype, ", expected ", integers ? "int64, " : "", "float32 or float64"), at);
  };
  check_dtype("input_dtype", options.input_dtype, false);
  check_dtype("target_dtype", options.target_dtype, true);
  if (!options.classes.empty() && options.target_dtype != DType::int64) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message("target_dtype is ", options.target_dtype, ", classes are int64"), at);
  }
}

std::string shortened(const std::string& text) {
  return message('"', text.size() <= 60 ? text : text.substr(0, 57) + "...", '"');
}

// A column while it is read.
class Values {
 public:
  Values(CsvReader& reader, const CsvOptions& options, DType dtype, std::vector<std::string> classes)
      : reader_(reader), options_(options), dtype_(dtype), classes_(std::move(classes)) {}

  void add(std::size_t column) {
    if (!classes_.empty()) {
      integers_.push_back(position_of_class(column));
    } else if (dtype_ == DType::int64) {
      integers_.push_back(number<std::int64_t>(column, "whole number"));
    } else if (dtype_ == DType::float32) {
      floats_.push_back(real<float>(column));
    } else {
      doubles_.push_back(real<double>(column));
    }
  }

  Tensor tensor(const Shape& shape, CallSite at) const {
    if (dtype_ == DType::int64) return from_vector(integers_, shape, cpu(), at);
    if (dtype_ == DType::float32) return from_vector(floats_, shape, cpu(), at);
    return from_vector(doubles_, shape, cpu(), at);
  }

 private:
  template <class T>
  T number(std::size_t column, const char* kind) const {
    const CsvField& field = reader_[column];
    const char* end = field.text.data() + field.text.size();
    T value{};
    const auto [stop, error] = std::from_chars(field.text.data(), end, value);
    if (error == std::errc::result_out_of_range) {
      reader_.refuse(field, column, message(shortened(field.text), " is out of the range of ", dtype_of<T>));
    }
    if (error != std::errc() || stop != end) {
      reader_.refuse(field, column,
                     field.text.empty() ? message("is empty, expected a ", kind)
                                        : message(shortened(field.text), " is no ", kind));
    }
    return value;
  }

  template <class T>
  T real(std::size_t column) const {
    const T value = number<T>(column, "number");
    if (!std::isfinite(value) && !options_.allow_non_finite) {
      reader_.refuse(reader_[column], column, message(shortened(reader_[column].text), " is not finite"));
    }
    return value;
  }

  std::int64_t position_of_class(std::size_t column) const {
    const std::string& text = reader_[column].text;
    const auto found = std::find(classes_.begin(), classes_.end(), text);
    if (found != classes_.end()) return found - classes_.begin();
    reader_.refuse(reader_[column], column, message(shortened(text), " is none of the ", classes_.size(), " classes"));
  }

  CsvReader& reader_;
  const CsvOptions& options_;
  DType dtype_;
  std::vector<std::string> classes_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
  std::vector<std::int64_t> integers_;
};

class Columns {
 public:
  Columns(const std::string& path, std::vector<std::string> names, CallSite at)
      : path_(path), names_(std::move(names)), at_(at) {}

  std::vector<std::size_t> find(const std::vector<std::string>& wanted, const char* option) const {
    std::vector<std::size_t> found;
    for (const std::string& name : wanted) {
      const auto at = std::find(names_.begin(), names_.end(), name);
      if (at == names_.end()) refuse(message(option, " names ", shortened(name), ", the columns are ", list()));
      found.push_back(static_cast<std::size_t>(at - names_.begin()));
      if (std::count(found.begin(), found.end(), found.back()) > 1) {
        refuse(message(option, " names ", shortened(name), " twice"));
      }
    }
    return found;
  }

  std::vector<std::size_t> all_but(const std::vector<std::size_t>& taken) const {
    std::vector<std::size_t> rest;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (std::find(taken.begin(), taken.end(), i) == taken.end()) rest.push_back(i);
    }
    if (rest.empty()) refuse(message("no column is left for the input, the columns are ", list()));
    return rest;
  }

  std::vector<std::string> names_of(const std::vector<std::size_t>& columns) const {
    std::vector<std::string> names;
    for (const std::size_t i : columns) names.push_back(names_[i]);
    return names;
  }

  std::size_t size() const noexcept { return names_.size(); }

 private:
  [[noreturn]] void refuse(const std::string& text) const {
    throw ValueError(ErrorCode::value_invalid, op, message(path_, ": ", text), at_);
  }

  std::string list() const {
    std::string text;
    for (std::size_t i = 0; i < names_.size() && i < 20; ++i) text += (i == 0 ? "" : ", ") + shortened(names_[i]);
    return names_.size() > 20 ? message(text, " and ", names_.size() - 20, " more") : text;
  }

  const std::string& path_;
  std::vector<std::string> names_;
  CallSite at_;
};

std::vector<std::string> column_names(const CsvReader& reader, bool header) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < reader.size(); ++i) {
    const std::string name = header ? reader[i].text : message(i);
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      reader.refuse(reader[i], i, message("the header names ", shortened(name), " twice"));
    }
    names.push_back(name);
  }
  return names;
}

}  // namespace

CsvDataset::Contents CsvDataset::read(const std::string& path, const CsvOptions& options, CallSite at) {
  check_options(options, at);
  CsvReader reader(path, options, op, at);
  bool more = reader.next();
  const auto refuse = [&](const char* what) { throw IoError(ErrorCode::io_format, op, message(path, ": ", what), at); };
  if (!more) refuse("is empty");
  const Columns columns(path, column_names(reader, options.header), at);
  if (options.header) more = reader.next();
  if (!more) refuse("has a header but no row");

  const std::vector<std::size_t> targets =
      options.targets.empty() ? std::vector<std::size_t>{columns.size() - 1} : columns.find(options.targets, "targets");
  const std::vector<std::size_t> inputs =
      options.inputs.empty() ? columns.all_but(targets) : columns.find(options.inputs, "inputs");
  Values input_values(reader, options, options.input_dtype, {});
  Values target_values(reader, options, options.target_dtype, options.classes);
  std::int64_t rows = 0;
  for (; more; more = reader.next(), ++rows) {
    if (reader.size() != columns.size()) {
      const bool empty = reader.size() == 1 && reader[0].text.empty();
      reader.refuse(reader[0], 0,
                    empty ? message("an empty line, expected ", columns.size(), " fields")
                          : message("a record of ", reader.size(), " fields, the first has ", columns.size()));
    }
    for (const std::size_t column : inputs) input_values.add(column);
    for (const std::size_t column : targets) target_values.add(column);
  }

  const auto width = [](const std::vector<std::size_t>& list) { return static_cast<std::int64_t>(list.size()); };
  const bool labels = options.target_dtype == DType::int64 && targets.size() == 1;
  Contents contents;
  contents.inputs = input_values.tensor({rows, width(inputs)}, at);
  contents.targets = target_values.tensor(labels ? Shape{rows} : Shape{rows, width(targets)}, at);
  contents.input_names = columns.names_of(inputs);
  contents.target_names = columns.names_of(targets);
  return contents;
}

CsvDataset::CsvDataset(Contents contents, const std::string& path, CallSite at)
    : TensorDataset(contents.inputs, contents.targets, path, at),
      input_names_(std::move(contents.input_names)),
      target_names_(std::move(contents.target_names)) {}

CsvDataset::CsvDataset(const std::string& path, const CsvOptions& options, CallSite at)
    : CsvDataset(read(path, options, at), path, at) {}

}  // namespace weft
