#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <weft/core/atomic_file.h>
#include <weft/core/checksum.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/host_bytes.h>
#include <weft/tensor/make.h>
#include <weft/tensor/npy.h>
#include <weft/tensor/npy_format.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/safetensors_header.h>
#include <weft/tensor/tensor_impl.h>

// Zip as PKWARE's APPNOTE.TXT (6.3.10) has it, and of it what np.savez writes: stored members one after the other, the
// directory, its end. The directory decides; what a member says of itself has to agree.

namespace weft {
namespace {

using npy::in_quotes;
using npy::Part;

constexpr std::uint32_t local_signature = 0x04034b50, entry_signature = 0x02014b50, end_signature = 0x06054b50,
                        end64_signature = 0x06064b50, locator_signature = 0x07064b50;
constexpr std::uint64_t local_bytes = 30, entry_bytes = 46, end_bytes = 22, end64_bytes = 56, locator_bytes = 20;
constexpr std::uint64_t most_members = 100'000;  // and a directory of at most
constexpr std::uint64_t longest_directory = std::uint64_t{32} << 20;
constexpr std::uint32_t in_zip64 = 0xFFFFFFFF;
constexpr unsigned encrypted = 1u << 0, sizes_behind = 1u << 3, utf8_name = 1u << 11;
constexpr std::string_view suffix = ".npy";

// ---- reading

// Little-endian numbers of a piece of the file that was read.
struct Bytes {
  std::vector<std::byte> bytes;

  std::uint64_t number(std::size_t at, std::size_t count) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= std::to_integer<std::uint64_t>(bytes[at + i]) << 8 * i;
    return value;
  }
  std::uint32_t u32(std::size_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }
  unsigned u16(std::size_t at) const { return static_cast<unsigned>(number(at, 2)); }
  std::string text(std::size_t at, std::size_t count) const {
    return {reinterpret_cast<const char*>(bytes.data()) + at, count};
  }
};

struct Member {
  std::string file_name;
  std::uint64_t entry = 0;  // where the directory's entry begins
  unsigned flags = 0;
  std::uint32_t crc = 0;
  std::uint64_t size = 0;
  std::uint64_t local = 0;  // where the member begins
  std::uint64_t data = 0;   // and its contents
};

struct Directory {
  std::uint64_t begin = 0, size = 0, count = 0;
};

// Why a name cannot be a member's; null where it can.
const char* wrong_with(std::string_view name) {
  if (name.empty()) return "is empty";
  if (!safetensors::is_utf8(name)) return "is not UTF-8";
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return "has a control character";
    if (c == '\\') return "has a backslash";
  }
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('/', start), name.size());
    const std::string_view step = name.substr(start, end - start);
    if (step.empty() || step == "." || step == "..") return "is a path that leads elsewhere";
    start = end + 1;
  }
  return nullptr;
}

class ArchiveReader {
 public:
  explicit ArchiveReader(const Part& whole) : whole_(whole) {}

  std::vector<Member> members() {
    const Directory directory = find_directory();
    if (directory.count > most_members || directory.size > longest_directory) {
      refuse(ErrorCode::io_format, directory.begin,
             message("the directory has ", directory.count, " members in ", directory.size, " bytes; at most ",
                     most_members, " in ", longest_directory, " are read"));
    }
    std::vector<Member> found = read_entries(directory);
    std::unordered_map<std::string_view, std::uint64_t> names;
    for (const Member& member : found) {
      const auto [before, added] = names.try_emplace(member.file_name, member.entry);
      if (!added) {
        refuse(ErrorCode::io_format, member.entry,
               message("the name ", in_quotes(member.file_name), " is used twice: here and at byte ", before->second));
      }
    }
    check_cover(found, directory);
    return found;
  }

 private:
  [[noreturn]] void refuse(ErrorCode code, std::uint64_t byte, std::string_view what) const {
    whole_.refuse(code, byte, what);
  }
  Bytes read(std::uint64_t at, std::uint64_t count) const {
    Bytes piece{std::vector<std::byte>(static_cast<std::size_t>(count))};
    whole_.read(at, piece.bytes);
    return piece;
  }

  Directory find_directory() const {
    const std::uint64_t size = whole_.size;
    const Bytes start = read(0, std::min<std::uint64_t>(size, 6));
    if (start.bytes.size() == 6 && start.text(0, 6) == "\x93NUMPY") {
      refuse(ErrorCode::io_format, 0, "this is a single array (.npy): load_npy reads it");
    }
    const bool begins = start.bytes.size() >= 4 && (start.u32(0) == local_signature || start.u32(0) == end_signature);
    if (!begins) refuse(ErrorCode::io_format, 0, "this is no zip archive, as np.savez writes it");
    if (size < end_bytes) refuse(ErrorCode::io_truncated, size, "the file ends before the archive's directory");
    const std::uint64_t end_at = size - end_bytes;
    const Bytes end = read(end_at, end_bytes);
    if (end.u32(0) != end_signature || end.u16(20) != 0) {
      refuse(ErrorCode::io_truncated, end_at,
             "the file does not end with the archive's directory: it was cut off, or something was added");
    }
    if (end.u16(4) != 0 || end.u16(6) != 0 || end.u16(8) != end.u16(10)) {
      refuse(ErrorCode::io_format, end_at, "the archive is one of several volumes");
    }
    Directory directory{end.u32(16), end.u32(12), end.u16(10)};
    std::uint64_t closes = end_at;  // where the directory has to end
    if (directory.begin == in_zip64 || directory.size == in_zip64 || directory.count == 0xFFFF) {
      directory = find_directory64(end_at, &closes);
    }
    if (directory.size > closes || directory.begin != closes - directory.size) {
      refuse(ErrorCode::io_format, end_at,
             message("the directory is said to be ", directory.size, " bytes from byte ", directory.begin,
                     ", but ends at byte ", closes));
    }
    return directory;
  }

  Directory find_directory64(std::uint64_t end_at, std::uint64_t* closes) const {
    if (end_at < locator_bytes + end64_bytes) refuse(ErrorCode::io_format, end_at, "the zip64 directory is missing");
    const Bytes locator = read(end_at - locator_bytes, locator_bytes);
    *closes = end_at - locator_bytes - end64_bytes;
    const Bytes end = read(*closes, end64_bytes);
    if (locator.u32(0) != locator_signature || locator.u32(4) != 0 || locator.u32(16) != 1 ||
        locator.number(8, 8) != *closes || end.u32(0) != end64_signature || end.number(4, 8) != end64_bytes - 12 ||
        end.u32(16) != 0 || end.u32(20) != 0 || end.number(24, 8) != end.number(32, 8)) {
      refuse(ErrorCode::io_format, *closes, "the end of the zip64 directory does not follow the format");
    }
    return {end.number(48, 8), end.number(40, 8), end.number(32, 8)};
  }

  std::vector<Member> read_entries(const Directory& directory) const {
    const Bytes bytes = read(directory.begin, directory.size);
    std::vector<Member> found;
    std::uint64_t place = 0;
    for (std::uint64_t i = 0; i < directory.count; ++i) {
      const std::uint64_t at = directory.begin + place, left = directory.size - place;
      if (left < entry_bytes || bytes.u32(place) != entry_signature) {
        refuse(ErrorCode::io_format, at,
               message("entry ", i, " of the directory is missing, which is said to have ", directory.count));
      }
      const std::uint64_t name = bytes.u16(place + 28), extra = bytes.u16(place + 30), comment = bytes.u16(place + 32);
      if (left - entry_bytes < name + extra + comment) {
        refuse(ErrorCode::io_format, at, message("entry ", i, " of the directory reaches past its end"));
      }
      Member member;
      member.entry = at;
      member.file_name = bytes.text(place + entry_bytes, static_cast<std::size_t>(name));
      member.flags = bytes.u16(place + 8);
      member.crc = bytes.u32(place + 16);
      const std::string label = in_quotes(member.file_name);
      const unsigned method = bytes.u16(place + 10);
      if ((member.flags & encrypted) != 0) refuse(ErrorCode::io_format, at, message(label, " is encrypted"));
      if (method != 0) {
        refuse(ErrorCode::io_format, at,
               message(label, " is compressed (method ", method, "); save it with np.savez, not np.savez_compressed"));
      }
      std::uint64_t packed = bytes.u32(place + 20);
      member.size = bytes.u32(place + 24);
      member.local = bytes.u32(place + 42);
      read_zip64(bytes, place + entry_bytes + name, extra, &member.size, &packed, &member.local, at, label);
      if (packed != member.size) {
        refuse(ErrorCode::io_format, at,
               message(label, " is stored in ", packed, " bytes and said to have ", member.size));
      }
      if (!member.file_name.ends_with(suffix)) {
        refuse(ErrorCode::io_format, at, message(label, " is no .npy file; an .npz holds nothing else"));
      }
      const std::string_view key =
          std::string_view(member.file_name).substr(0, member.file_name.size() - suffix.size());
      if (const char* why = wrong_with(key)) refuse(ErrorCode::io_format, at, message("the name ", label, " ", why));
      found.push_back(std::move(member));
      place += entry_bytes + name + extra + comment;
    }
    if (place != directory.size) {
      refuse(ErrorCode::io_format, directory.begin + place, "the directory has more entries than it says");
    }
    return found;
  }

  // Field 1 of the extra bytes: what did not fit in 32 bits, in this order.
  void read_zip64(const Bytes& bytes, std::uint64_t place, std::uint64_t length, std::uint64_t* size,
                  std::uint64_t* packed, std::uint64_t* local, std::uint64_t at, const std::string& label) const {
    if (*size != in_zip64 && *packed != in_zip64 && *local != in_zip64) return;
    while (length >= 4) {
      const unsigned kind = bytes.u16(place);
      const std::uint64_t field = bytes.u16(place + 2);
      if (field > length - 4) break;
      if (kind == 1) {
        std::uint64_t used = 0;
        for (std::uint64_t* value : {size, packed, local}) {
          if (*value != in_zip64) continue;
          if (field - used < 8) break;
          *value = bytes.number(place + 4 + used, 8);
          used += 8;
        }
        if (*size != in_zip64 && *packed != in_zip64 && *local != in_zip64) return;
        break;
      }
      place += 4 + field;
      length -= 4 + field;
    }
    refuse(ErrorCode::io_format, at, message("the zip64 sizes of ", label, " are missing"));
  }

  // The members lie one behind the other from the first byte to the directory.
  void check_cover(std::vector<Member>& members, const Directory& directory) const {
    std::vector<Member*> by_place;
    for (Member& member : members) by_place.push_back(&member);
    std::sort(by_place.begin(), by_place.end(), [](const Member* a, const Member* b) { return a->local < b->local; });
    std::uint64_t covered = 0;
    bool may_follow = false;  // the sizes of the member before, written behind it
    for (Member* member : by_place) {
      check_gap(covered, member->local, may_follow, in_quotes(member->file_name));
      covered = check_member(*member, directory);
      may_follow = (member->flags & sizes_behind) != 0;
    }
    check_gap(covered, directory.begin, may_follow, "the directory");
  }

  void check_gap(std::uint64_t covered, std::uint64_t next, bool may_follow, const std::string& what) const {
    if (next < covered) {
      refuse(ErrorCode::io_format, next, message(what, " begins before byte ", covered, ", where the one before ends"));
    }
    const std::uint64_t gap = next - covered;
    if (gap == 0 || (may_follow && (gap == 12 || gap == 16 || gap == 20 || gap == 24))) return;
    refuse(ErrorCode::io_format, covered, message(gap, " bytes before ", what, " belong to no member"));
  }

  // Returns where it ends.
  std::uint64_t check_member(Member& member, const Directory& directory) const {
    const std::string label = in_quotes(member.file_name);
    const std::uint64_t name = member.file_name.size();
    if (member.local > directory.begin || directory.begin - member.local < local_bytes + name) {
      refuse(ErrorCode::io_format, member.entry, message(label, " begins outside the archive"));
    }
    const Bytes head = read(member.local, local_bytes + name);
    if (head.u32(0) != local_signature || head.u16(26) != name || head.text(local_bytes, name) != member.file_name ||
        head.u16(8) != 0 || head.u16(6) != member.flags) {
      refuse(ErrorCode::io_format, member.local, message("the directory and the member disagree about ", label));
    }
    member.data = member.local + local_bytes + name + head.u16(28);
    if (member.data > directory.begin || directory.begin - member.data < member.size) {
      refuse(ErrorCode::io_truncated, member.local,
             message(label, " has ", member.size, " bytes from byte ", member.data, ", the directory begins at byte ",
                     directory.begin));
    }
    const std::uint32_t size = head.u32(22);  // zip64 writers put all ones here
    if ((member.flags & sizes_behind) == 0 &&
        ((size != in_zip64 && size != member.size) || head.u32(14) != member.crc)) {
      refuse(ErrorCode::io_format, member.local, message("the directory and the member disagree about ", label));
    }
    return member.data + member.size;
  }

  const Part& whole_;
};

void check_crc(const Part& part, std::uint32_t expected) {
  std::vector<std::byte> staging(static_cast<std::size_t>(std::min<std::uint64_t>(part.size, std::uint64_t{1} << 20)));
  std::uint32_t crc = 0;
  for (std::uint64_t done = 0; done < part.size;) {
    const auto bytes = std::span(staging).first(std::min<std::uint64_t>(part.size - done, staging.size()));
    part.read(done, bytes);
    crc = crc32(bytes, crc);
    done += bytes.size();
  }
  if (crc == expected) return;
  part.refuse(ErrorCode::io_checksum, 0,
              message("the contents have the CRC-32 ", crc, ", the directory says ", expected));
}

// ---- writing

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
}

struct Written {
  std::string file_name;
  std::uint32_t crc = 0;
  std::uint64_t size = 0, local = 0;
};

// The fields a member and its entry in the directory have in common; 1980-01-01, so that equal tensors give equal
// files.
void put_common(std::string& out, const Written& member) {
  bool ascii = true;
  for (const char c : member.file_name) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  put(out, 20, 2);  // version needed: 2.0
  put(out, ascii ? 0 : utf8_name, 2);
  put(out, 0, 2);       // stored
  put(out, 0, 2);       // 00:00
  put(out, 0x0021, 2);  // 1980-01-01
  put(out, member.crc, 4);
  put(out, member.size, 4);
  put(out, member.size, 4);
  put(out, member.file_name.size(), 2);
  put(out, 0, 2);  // extra bytes
}

std::string local_header(const Written& member) {
  std::string out;
  put(out, local_signature, 4);
  put_common(out, member);
  return out + member.file_name;
}

std::string directory_entry(const Written& member) {
  std::string out;
  put(out, entry_signature, 4);
  put(out, 20, 2);  // made by: 2.0
  put_common(out, member);
  put(out, 0, 2);  // comment
  put(out, 0, 2);  // volume
  put(out, 0, 2);
  put(out, 0, 4);
  put(out, member.local, 4);
  return out + member.file_name;
}

}  // namespace

std::vector<NamedTensor> load_npz(const std::string& path, Device device, CallSite at) {
  constexpr const char* op = "load_npz";
  const TraceSpan span(op, "file");
  const InputFile file(path, op, at);
  const Part whole{file, path, op, at, 0, file.size()};
  std::vector<NamedTensor> loaded;
  for (const Member& member : ArchiveReader(whole).members()) {
    const Part part{file, message(path, ": ", in_quotes(member.file_name)), op, at, member.data, member.size};
    check_crc(part, member.crc);
    const std::string key = member.file_name.substr(0, member.file_name.size() - suffix.size());
    loaded.push_back({key, npy::read_array(part, device)});
  }
  return loaded;
}

void save_npz(const std::string& path, std::span<const NamedTensor> tensors, CallSite at) {
  constexpr const char* op = "save_npz";
  const TraceSpan span(op, "file");
  std::unordered_set<std::string_view> names;
  std::uint64_t total = end_bytes;
  for (const NamedTensor& named : tensors) {
    const char* why = wrong_with(named.name);
    if (why == nullptr && named.name.size() > 60'000) why = "is longer than 60,000 bytes";
    if (why == nullptr && !names.insert(named.name).second) why = "is given twice";
    if (why != nullptr) {
      throw ValueError(ErrorCode::value_invalid, op, message("the name ", in_quotes(named.name), " ", why), at);
    }
    ops::check_defined(named.tensor, op, named.name.c_str(), at);
    const backends::TensorView& view = named.tensor.impl()->view;
    total += local_bytes + entry_bytes + 2 * (named.name.size() + suffix.size()) +
             npy::array_header(named.tensor, op, at).size() +
             static_cast<std::uint64_t>(view.numel()) * item_size(view.dtype);
  }
  if (tensors.size() >= 0xFFFF || total >= in_zip64) {
    throw ValueError(
        ErrorCode::value_out_of_range, op,
        message(tensors.size(), " tensors in ", total,
                " bytes; a zip archive of the plain kind holds 65,534 in less than 4 GiB: write several, or "
                "use save_safetensors"),
        at);
  }
  AtomicFile file(path, op, at);
  const auto write = [&](std::string_view text) { file.write(std::as_bytes(std::span(text.data(), text.size()))); };
  std::string directory;
  for (const NamedTensor& named : tensors) {
    const std::string header = npy::array_header(named.tensor, op, at);
    const HostBytes host = host_bytes(named.tensor, op, at);
    const std::uint32_t crc = crc32(host.bytes, crc32(std::as_bytes(std::span(header))));
    const Written member{named.name + std::string(suffix), crc, header.size() + host.bytes.size(),
                         static_cast<std::uint64_t>(file.written())};
    write(local_header(member));
    write(header);
    file.write(host.bytes);
    directory += directory_entry(member);
  }
  std::string end;
  put(end, end_signature, 4);
  put(end, 0, 4);  // volumes
  put(end, tensors.size(), 2);
  put(end, tensors.size(), 2);
  put(end, directory.size(), 4);
  put(end, static_cast<std::uint64_t>(file.written()), 4);
  put(end, 0, 2);  // comment
  write(directory);
  write(end);
  file.commit();
}

void save_npz(const std::string& path, std::initializer_list<NamedTensor> tensors, CallSite at) {
  save_npz(path, std::span(tensors.begin(), tensors.size()), at);
}

}  // namespace weft
