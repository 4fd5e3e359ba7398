#include <weft/data/csv_reader.h>

#include <string_view>

#include <weft/core/message.h>

namespace weft {

CsvReader::CsvReader(const std::string& path, const CsvOptions& options, const char* op, CallSite at)
    : file_(path, op, at), options_(options), op_(op), at_(at), buffer_(std::size_t{1} << 16) {
  fill();
  const std::string_view start(buffer_.data(), end_);
  if (start.substr(0, 3) == "\xEF\xBB\xBF") {
    begin_ = 3;
    position_ = 3;
  } else if (start.substr(0, 2) == "\xFF\xFE" || start.substr(0, 2) == "\xFE\xFF") {
    throw IoError(ErrorCode::io_format, op_, message(path, ": is UTF-16 by the mark at byte 0, expected UTF-8"), at_);
  }
}

bool CsvReader::fill() {
  begin_ = 0;
  end_ = file_.read(buffer_.data(), buffer_.size());
  if (end_ == 0) {
    file_.at_end();  // for gzip: verifies the checksum, refuses what follows
    return false;
  }
  if (position_ + static_cast<std::int64_t>(end_) <= options_.max_bytes) return true;
  throw IoError(ErrorCode::io_format, op_,
                message(file_.path(), ": has more than max_bytes, ", options_.max_bytes, " bytes"), at_);
}

int CsvReader::peek() {
  if (begin_ == end_ && !fill()) return end_of_file;
  return static_cast<unsigned char>(buffer_[begin_]);
}

int CsvReader::get() {
  const int c = peek();
  if (c == end_of_file) return c;
  ++begin_;
  ++position_;
  if (c == '\n') ++line_;
  return c;
}

void CsvReader::refuse(const CsvField& field, std::size_t column, const std::string& what, ErrorCode code) const {
  throw IoError(
      code, op_,
      message(file_.path(), ": line ", field.line, ", column ", column + 1, " (byte ", field.byte, "): ", what), at_);
}

void CsvReader::refuse_here(const CsvField& field, const std::string& what) const { refuse(field, count_ - 1, what); }

void CsvReader::add(CsvField& field, int c) {
  if (c == 0) refuse_here(field, message("holds a zero byte at byte ", position_ - 1));
  if (static_cast<std::int64_t>(field.text.size()) >= options_.max_field_bytes) {
    refuse_here(field, message("is longer than max_field_bytes, ", options_.max_field_bytes));
  }
  field.text += static_cast<char>(c);
}

bool CsvReader::ends_field(int c) {
  if (c == end_of_file || c == '\n' || c == options_.delimiter) return true;
  if (c != '\r') return false;
  if (peek() == '\n') {
    get();
    return true;
  }
  refuse_here(fields_[count_ - 1], message("a carriage return at byte ", position_ - 1, " without a line feed"));
}

int CsvReader::read_quoted(CsvField& field) {
  for (;;) {
    int c = get();
    if (c == end_of_file) {
      refuse(field, count_ - 1, "its quote is never closed", ErrorCode::io_truncated);
    }
    if (c == '"') {
      if (peek() != '"') break;
      c = get();
    }
    add(field, c);
  }
  const int c = get();
  if (ends_field(c)) return c;
  refuse_here(field, message("goes on at byte ", position_ - 1, " behind its closing quote"));
}

int CsvReader::read_field() {
  if (count_ == static_cast<std::size_t>(options_.max_columns)) {
    throw IoError(
        ErrorCode::io_format, op_,
        message(file_.path(), ": line ", line_, " has more than max_columns, ", options_.max_columns, " fields"), at_);
  }
  if (count_ == fields_.size()) fields_.emplace_back();
  CsvField& field = fields_[count_++];
  field.text.clear();
  field.line = line_;
  field.byte = position_;
  int c = get();
  if (c == '"') return read_quoted(field);
  for (; !ends_field(c); c = get()) {
    if (c == '"') refuse_here(field, message("holds a quote at byte ", position_ - 1, " but does not begin with one"));
    add(field, c);
  }
  return c;
}

bool CsvReader::next() {
  count_ = 0;
  if (peek() == end_of_file) return false;
  while (read_field() == options_.delimiter) {
  }
  return true;
}

}  // namespace weft
