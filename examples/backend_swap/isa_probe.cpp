#include "isa_probe.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include <weft/weft.h>

#include "measure.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace lab {

int isa_probe() {
  const Threads threads(1);
  const weft::NoGrad off;
  const weft::Tensor a = weft::randn({512, 512}), b = weft::randn({512, 512});
  const Measured m = measure([&] { const weft::Tensor c = weft::matmul(a, b); }, 0.15);
  std::printf("%.9g %.9g %.9g %d\n", m.median, m.low, m.high, m.rounds);
  return 0;
}

std::string run_isa_probe(const std::string& isa) {
  std::vector<std::string> variables = {"WEFT_CPU_ISA=" + isa};
  for (char** v = environ; *v != nullptr; ++v) {
    if (std::string(*v).rfind("WEFT_CPU_ISA=", 0) != 0) variables.emplace_back(*v);
  }
  std::vector<char*> environment;
  for (std::string& v : variables) environment.push_back(v.data());
  environment.push_back(nullptr);
  char program[] = "/proc/self/exe";
  std::string word = isa_probe_word;
  char* arguments[] = {program, word.data(), nullptr};
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t child = fork();
  if (child == 0) {  // only what is safe while the parent has threads
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    close(STDERR_FILENO);
    execve(program, arguments, environment.data());
    _exit(127);
  }
  close(ends[1]);
  std::string out;
  char buffer[256];
  for (;;) {
    const ssize_t got = read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out.append(buffer, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  if (child > 0) {
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? out : "";
}

}  // namespace lab
