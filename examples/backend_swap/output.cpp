#include "output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <weft/weft.h>

#include "chart.h"
#include "experiment.h"
#include "html.h"
#include "overlay.h"

namespace lab {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& what) { throw weft::IoError(weft::ErrorCode::io_write, "--out", what); }

void write_file(const fs::path& path, const std::string& text) {
  const fs::path beside = path.string() + ".new";
  std::ofstream out(beside, std::ios::binary);
  out << text;
  out.close();
  if (!out) refuse(beside.string() + " cannot be written: " + std::strerror(errno));
  std::error_code error;
  fs::rename(beside, path, error);
  if (error) refuse(path.string() + " cannot be written: " + error.message());
}

std::size_t place_of(const std::string& name) {
  std::size_t place = 0;
  for (const Experiment& e : experiments()) {
    if (name == e.name) return place;
    ++place;
  }
  return place;
}

}  // namespace

void prepare_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) refuse(folder + " cannot be made: " + error.message());
  const fs::path probe = fs::path(folder) / ".backend_swap";
  errno = 0;
  if (!std::ofstream(probe)) refuse(folder + " cannot be written: " + std::strerror(errno));
  fs::remove(probe, error);
}

Results earlier_results(const std::string& folder, const Machine& machine) {
  const std::string path = (fs::path(folder) / "results.json").string();
  Results results;
  if (fs::exists(path)) {
    results = read_results(path);
    if (results.machine.device != machine.device) {
      throw BadResults(path + ": field \"device\" is \"" + results.machine.device + "\", this machine is \"" +
                       machine.device + "\"; choose another --out, and show that run with --overlay");
    }
  }
  results.machine = machine;
  return results;
}

void keep(Results& results, Section section) {
  results.date = section.date;
  auto& all = results.sections;
  all.erase(std::remove_if(all.begin(), all.end(), [&](const Section& s) { return s.name == section.name; }),
            all.end());
  all.push_back(std::move(section));
  std::stable_sort(all.begin(), all.end(),
                   [](const Section& a, const Section& b) { return place_of(a.name) < place_of(b.name); });
}

void write_results(const std::string& folder, const Results& results) {
  write_file(fs::path(folder) / "results.json", to_json(results));
}

std::vector<std::string> write_report(const std::string& folder, Results results,
                                      const std::vector<Results>& overlays) {
  for (const Results& other : overlays) lay_over(results, other);
  std::vector<std::string> files;
  for (const Section& s : results.sections) {
    for (const Chart& c : s.charts) {
      files.push_back(c.id + ".svg");
      write_file(fs::path(folder) / files.back(), chart_file(c));
    }
  }
  files.emplace_back("report.html");
  write_file(fs::path(folder) / files.back(), html_page(results));
  return files;
}

}  // namespace lab
