#include <weft/data/unpacked_file.h>

#include <zlib.h>

#include <algorithm>
#include <string_view>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {
constexpr std::size_t packed_chunk = std::size_t{1} << 18;
constexpr std::size_t largest_step = std::size_t{1} << 30;  // zlib counts in unsigned int
}  // namespace

struct UnpackedFile::Gzip {
  z_stream stream{};
  std::vector<unsigned char> packed;
  bool finished = false;

  ~Gzip() { inflateEnd(&stream); }
};

UnpackedFile::UnpackedFile(const std::string& path, const char* op, CallSite at)
    : file_(path, op, at), op_(op), at_(at) {
  unsigned char magic[2] = {};
  const std::size_t got = file_.read(magic, sizeof magic);
  file_.seek(0);
  if (got < 2 || magic[0] != 0x1F || magic[1] != 0x8B) return;
  auto gzip = std::make_unique<Gzip>();
  constexpr int gzip_only = 16 + MAX_WBITS;
  if (inflateInit2(&gzip->stream, gzip_only) != Z_OK) {
    throw OutOfMemoryError(ErrorCode::out_of_memory, op_, message(path, ": no memory for inflating"), at_);
  }
  gzip->packed.resize(packed_chunk);
  gzip_ = std::move(gzip);
}

UnpackedFile::~UnpackedFile() = default;

std::size_t UnpackedFile::read(void* to, std::size_t bytes) {
  const std::size_t got =
      gzip_ == nullptr ? file_.read(to, bytes) : inflate_into(static_cast<unsigned char*>(to), bytes);
  position_ += static_cast<std::int64_t>(got);
  return got;
}

std::size_t UnpackedFile::inflate_into(unsigned char* to, std::size_t bytes) {
  z_stream& z = gzip_->stream;
  std::size_t done = 0;
  while (done < bytes && !gzip_->finished) {
    if (z.avail_in == 0) {
      z.next_in = gzip_->packed.data();
      z.avail_in = static_cast<uInt>(file_.read(gzip_->packed.data(), gzip_->packed.size()));
    }
    const std::size_t room = std::min(bytes - done, largest_step);
    z.next_out = to + done;
    z.avail_out = static_cast<uInt>(room);
    const bool input_ended = z.avail_in == 0;
    const int status = inflate(&z, Z_NO_FLUSH);
    done += room - z.avail_out;
    if (status == Z_STREAM_END) {
      gzip_->finished = true;
    } else if (status == Z_BUF_ERROR && input_ended) {
      throw IoError(ErrorCode::io_truncated, op_,
                    message(file_.path(), ": the gzip stream is cut off at byte ", file_.size(), ", its end, after ",
                            position_ + static_cast<std::int64_t>(done), " unpacked bytes"),
                    at_);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      refuse_stream(status);
    }
  }
  return done;
}

void UnpackedFile::refuse_stream(int status) {
  const z_stream& z = gzip_->stream;
  if (status == Z_MEM_ERROR) {
    throw OutOfMemoryError(ErrorCode::out_of_memory, op_, message(path(), ": no memory for inflating"), at_);
  }
  const std::int64_t offset = file_.position() - static_cast<std::int64_t>(z.avail_in);
  const std::string_view why = status == Z_NEED_DICT ? "it needs a dictionary" : z.msg == nullptr ? "bad data" : z.msg;
  if (why == "incorrect data check") {
    throw IoError(ErrorCode::io_checksum, op_,
                  message(path(), ": the CRC-32 of the gzip stream, at byte ", offset, ", is not that of its contents"),
                  at_);
  }
  throw IoError(ErrorCode::io_format, op_, message(path(), ": broken gzip stream near byte ", offset, ": ", why), at_);
}

bool UnpackedFile::at_end() {
  if (gzip_ == nullptr) return file_.position() >= file_.size();
  unsigned char more;
  if (inflate_into(&more, 1) != 0) return false;
  const std::int64_t offset = file_.position() - static_cast<std::int64_t>(gzip_->stream.avail_in);
  if (offset < file_.size()) {
    throw IoError(ErrorCode::io_format, op_,
                  message(path(), ": ", file_.size() - offset, " bytes follow the gzip stream at byte ", offset,
                          ", expected a single member and nothing else"),
                  at_);
  }
  return true;
}

}  // namespace weft
