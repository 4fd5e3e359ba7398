#include <weft/core/atomic_file.h>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <weft/core/error.h>

namespace weft {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

class AtomicFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weft-file-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/model.bin";
  }
  void TearDown() override {
    fs::permissions(folder_, fs::perms::owner_all);
    fs::remove_all(folder_);
  }
  static std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> listing() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
    return names;
  }
  // The IoError that `action` throws must have this code and contain these words.
  static void expect_error(ErrorCode code, const std::vector<std::string>& words, const std::function<void()>& action) {
    try {
      action();
      ADD_FAILURE() << "no error";
    } catch (const IoError& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      for (const std::string& word : words) {
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << " lacks " << word;
      }
    }
  }
  std::string folder_, path_;
};

TEST_F(AtomicFileTest, NewFileAndReplacement) {
  write_file_atomically(path_, bytes("first"), "save");
  EXPECT_EQ(content(path_), "first");
  chmod(path_.c_str(), 0640);
  {
    AtomicFile file(path_, "save");
    file.write(bytes("sec"));
    EXPECT_EQ(content(path_), "first");  // until commit
    EXPECT_EQ(listing().size(), 2u);
    file.write(bytes("ond"));
    EXPECT_EQ(file.written(), 6);
    file.commit();
  }
  EXPECT_EQ(content(path_), "second");
  EXPECT_EQ(listing(), std::vector<std::string>{"model.bin"});
  struct stat info {};
  stat(path_.c_str(), &info);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
}

TEST_F(AtomicFileTest, TemporaryLiesBesideAndIsNamedAfterFileAndProcess) {
  AtomicFile file(path_, "save");
  ASSERT_EQ(listing().size(), 1u);
  const std::string name = listing()[0];
  EXPECT_TRUE(name.starts_with(".model.bin." + std::to_string(getpid()))) << name;
  EXPECT_TRUE(name.ends_with(".tmp")) << name;
}

TEST_F(AtomicFileTest, WithoutCommitTheOldFileStays) {
  write_file_atomically(path_, bytes("old"), "save");
  {
    AtomicFile file(path_, "save");
    file.write(bytes("new and unfinished"));
  }
  EXPECT_EQ(content(path_), "old");
  EXPECT_EQ(listing().size(), 1u);
}

TEST_F(AtomicFileTest, TwoWritersOfOnePathDoNotMix) {
  AtomicFile a(path_, "save"), b(path_, "save");
  a.write(bytes("aaaa"));
  b.write(bytes("bb"));
  b.commit();
  EXPECT_EQ(content(path_), "bb");
  a.commit();
  EXPECT_EQ(content(path_), "aaaa");
  EXPECT_EQ(listing().size(), 1u);
}

TEST_F(AtomicFileTest, SymbolicLinksAreFollowed) {
  fs::create_directory(folder_ + "/real");
  write_file_atomically(folder_ + "/real/target", bytes("old"), "save");
  fs::create_symlink("real/target", path_);
  write_file_atomically(path_, bytes("new"), "save");
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(content(folder_ + "/real/target"), "new");
}

TEST_F(AtomicFileTest, RelativePathsAndLongNames) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  write_file_atomically("plain", bytes("x"), "save");
  const std::string longest(255, 'n');
  write_file_atomically(longest, bytes("y"), "save");
  fs::current_path(before);
  EXPECT_EQ(content(folder_ + "/plain"), "x");
  EXPECT_EQ(content(folder_ + "/" + longest), "y");
  EXPECT_EQ(listing().size(), 2u);
}

// Writes to the machine's own devices, so never with the right to replace them: a fault in the code under test would
// otherwise leave a regular file where /dev/null was. Root becomes nobody in a child first.
TEST_F(AtomicFileTest, FullDeviceIsAnErrorAndDevicesAreWrittenDirectly) {
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(3);
    if (access("/dev", W_OK) == 0) _exit(6);  // still able to do harm
    try {
      write_file_atomically("/dev/null", bytes("x"), "save");
      write_file_atomically("/dev/full", bytes("x"), "save", {"folder/user.cpp", 7});
    } catch (const IoError& error) {
      const std::string text = error.what();
      for (const char* word : {"/dev/full", "No space left", "[save]", "(user.cpp:7)"}) {
        if (text.find(word) == std::string::npos) _exit(4);
      }
      _exit(error.code() == ErrorCode::io_write ? 42 : 4);
    }
    _exit(5);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 42);
}

TEST_F(AtomicFileTest, AFifoIsWrittenDirectly) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  write_file_atomically(path_, bytes("through"), "save");
  char text[16] = {};
  EXPECT_EQ(read(reader, text, sizeof text), 7);
  EXPECT_STREQ(text, "through");
  close(reader);
  EXPECT_TRUE(fs::is_fifo(path_));
}

TEST_F(AtomicFileTest, FoldersAndMissingFoldersAreRefused) {
  expect_error(ErrorCode::io_write, {folder_, "folder"}, [&] { write_file_atomically(folder_, bytes("x"), "save"); });
  expect_error(ErrorCode::io_open, {folder_ + "/no/such", "No such file"},
               [&] { write_file_atomically(folder_ + "/no/such", bytes("x"), "save"); });
  EXPECT_TRUE(listing().empty());
}

TEST_F(AtomicFileTest, ReadOnlyFolder) {
  write_file_atomically(path_, bytes("old"), "save");
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec);
  if (getuid() == 0) {
    // Permissions do not bind root, so a child becomes nobody.
    fs::permissions(folder_, fs::perms(0555));
    const pid_t child = fork();
    if (child == 0) {
      if (setgid(65534) != 0 || setuid(65534) != 0) _exit(3);
      try {
        write_file_atomically(path_, bytes("new"), "save");
      } catch (const IoError& error) {
        const bool clear = std::string(error.what()).find("Permission denied") != std::string::npos;
        _exit(error.code() == ErrorCode::io_open && clear ? 42 : 4);
      }
      _exit(5);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 42);
  } else {
    expect_error(ErrorCode::io_open, {path_, "Permission denied"},
                 [&] { write_file_atomically(path_, bytes("new"), "save"); });
  }
  EXPECT_EQ(content(path_), "old");
}

// A limit on file sizes makes write() fail half-way, as a full disk does.
TEST_F(AtomicFileTest, AFailingWriteLeavesTheOldFileAndNoTemporary) {
  write_file_atomically(path_, bytes("old"), "save");
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{100000, 100000};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomically(path_, bytes(std::string(200000, 'n')), "save");
    } catch (const IoError& error) {
      const std::string text = error.what();
      const bool clear = text.find(path_) != std::string::npos && text.find("File too large") != std::string::npos &&
                         text.find("byte 100000") != std::string::npos;
      _exit(error.code() == ErrorCode::io_write && clear ? 42 : 4);
    }
    _exit(5);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 42);
  EXPECT_EQ(content(path_), "old");
  EXPECT_EQ(listing().size(), 1u);
}

TEST_F(AtomicFileTest, ARenameThatFailsRemovesTheTemporary) {
  AtomicFile file(path_, "save");
  file.write(bytes("x"));
  fs::create_directory(path_);  // a file cannot replace a folder
  expect_error(ErrorCode::io_write, {path_, "rename"}, [&] { file.commit(); });
  EXPECT_EQ(listing(), std::vector<std::string>{"model.bin"});
  fs::remove(path_);
  AtomicFile other(path_, "save");
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);  // appeared after the file was opened
  expect_error(ErrorCode::io_write, {path_, "no regular file"}, [&] { other.commit(); });
  EXPECT_TRUE(fs::is_fifo(path_));
  EXPECT_EQ(listing(), std::vector<std::string>{"model.bin"});
  expect_error(ErrorCode::io_write, {"closed"}, [&] { file.write(bytes("more")); });
  expect_error(ErrorCode::io_write, {"closed"}, [&] { file.commit(); });
}

TEST_F(AtomicFileTest, KilledWritersLeaveTheOldFileAndARemovableTemporary) {
  write_file_atomically(path_, bytes("old"), "save");
  const pid_t child = fork();
  if (child == 0) {
    AtomicFile file(path_, "save");
    file.write(bytes("half"));
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(content(path_), "old");
  EXPECT_EQ(listing().size(), 2u);
  AtomicFile alive(path_, "save");
  std::ofstream(folder_ + "/.model.bin.notes.tmp") << "somebody else's";
  std::ofstream(folder_ + "/.other.bin." + std::to_string(child) + ".tmp") << "somebody else's";
  EXPECT_EQ(listing().size(), 5u);
  remove_stale_temporaries(path_);
  EXPECT_EQ(listing().size(), 4u);
  alive.commit();
  remove_stale_temporaries(folder_ + "/no/such/folder/file");
}

TEST_F(AtomicFileTest, ReadsWholeFilesAndRefusesTheRest) {
  write_file_atomically(path_, bytes("12345"), "save");
  const std::vector<std::byte> read = read_file(path_, 5, "load");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(read.data()), read.size()), "12345");
  write_file_atomically(folder_ + "/empty", {}, "save");
  EXPECT_TRUE(read_file(folder_ + "/empty", 0, "load").empty());

  expect_error(ErrorCode::io_open, {path_, "5 bytes", "at most 4", "[load]"}, [&] { read_file(path_, 4, "load"); });
  expect_error(ErrorCode::io_open, {"missing", "No such file"}, [&] { read_file(folder_ + "/missing", 9, "load"); });
  expect_error(ErrorCode::io_open, {folder_, "folder"}, [&] { read_file(folder_, 9, "load"); });
  expect_error(ErrorCode::io_open, {"/dev/null", "regular"}, [&] { read_file("/dev/null", 9, "load"); });
  const std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  expect_error(ErrorCode::io_open, {"FIFO"}, [&] { read_file(fifo, 9, "load"); });  // and does not wait for a writer
  if (getuid() != 0) {
    chmod(path_.c_str(), 0);
    expect_error(ErrorCode::io_open, {path_, "Permission denied"}, [&] { read_file(path_, 9, "load"); });
  }
}

}  // namespace
}  // namespace weft
