#pragma once
// Runs download_server.py for the life of a test program.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include <weft/core/message.h>

namespace weft::test {

class DownloadServer {
 public:
  DownloadServer() {
    int to[2];
    int from[2];
    if (pipe(to) != 0 || pipe(from) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
      execlp("python3", "python3", WEFT_SOURCE_DIR "/tests/data/download_server.py", "--seconds", "120",
             static_cast<char*>(nullptr));
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    stdin_ = to[1];
    FILE* lines = fdopen(from[0], "r");
    if (lines == nullptr || fscanf(lines, "%d", &port_) != 1) port_ = 0;
    if (lines != nullptr) fclose(lines);
  }
  ~DownloadServer() {
    if (stdin_ >= 0) close(stdin_);  // which ends it
    if (child_ > 0) waitpid(child_, nullptr, 0);
  }
  DownloadServer(const DownloadServer&) = delete;
  DownloadServer& operator=(const DownloadServer&) = delete;

  bool running() const { return port_ != 0; }
  int port() const { return port_; }
  std::string url(const std::string& path) const { return message("http://127.0.0.1:", port_, path); }

  /// What it serves.
  static std::string file() {
    std::string bytes(300000, '\0');
    for (std::uint64_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((i * i + i / 251) & 0xFF);
    return bytes;
  }

 private:
  pid_t child_ = -1;
  int stdin_ = -1;
  int port_ = 0;
};

}  // namespace weft::test
