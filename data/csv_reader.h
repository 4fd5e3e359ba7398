#pragma once
// Private: the records of a CSV file, one after the other.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/error.h>
#include <weft/data/csv.h>
#include <weft/data/unpacked_file.h>

namespace weft {

struct CsvField {
  std::string text;
  std::int64_t line = 0;  ///< where it begins, from 1
  std::int64_t byte = 0;  ///< of the unpacked file
};

class CsvReader {
 public:
  CsvReader(const std::string& path, const CsvOptions& options, const char* op, CallSite at);

  /// Reads the next record into fields(); false at the end of the file.
  bool next();
  std::size_t size() const noexcept { return count_; }
  const CsvField& operator[](std::size_t column) const noexcept { return fields_[column]; }

  /// "table.csv: line 3, column 2 (byte 17): <what>"
  [[noreturn]] void refuse(const CsvField& field, std::size_t column, const std::string& what,
                           ErrorCode code = ErrorCode::io_format) const;

 private:
  static constexpr int end_of_file = -1;

  int peek();
  int get();
  bool fill();
  int read_field();  // returns the character that ended it
  int read_quoted(CsvField& field);
  void add(CsvField& field, int c);
  bool ends_field(int c);  // delimiter, line end, end of file; takes the LF of a CRLF
  [[noreturn]] void refuse_here(const CsvField& field, const std::string& what) const;

  UnpackedFile file_;
  const CsvOptions& options_;
  const char* op_;
  CallSite at_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::int64_t position_ = 0;
  std::int64_t line_ = 1;
  std::vector<CsvField> fields_;  // grows, so that texts keep their memory
  std::size_t count_ = 0;
};

}  // namespace weft
