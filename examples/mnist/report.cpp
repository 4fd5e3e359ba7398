#include "report.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

#include <weft/weft.h>

double Report::test_accuracy() const { return epochs.empty() ? 0 : epochs.back().test_accuracy; }

double Report::samples_per_second() const {
  if (epochs.empty()) return 0;
  std::vector<double> rates;
  for (const EpochFigures& e : epochs) rates.push_back(e.samples_per_second);
  std::sort(rates.begin(), rates.end());
  const std::size_t half = rates.size() / 2;
  return rates.size() % 2 == 1 ? rates[half] : (rates[half - 1] + rates[half]) / 2;
}

std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;  // Linux counts kibibytes
}

void write_json(const std::string& path, const Report& report, const Options& options) {
  nlohmann::ordered_json json;
  json["weft"] = weft::version();
  json["backend"] = report.backend;
  json["device"] = report.device_name;
  json["dataset"] = report.dataset;
  json["threads"] = report.threads;
  json["workers"] = options.workers;
  json["batch_size"] = options.batch_size;
  json["model"] = options.model;
  if (options.model == "mlp") json["hidden"] = options.hidden;
  json["optimizer"] = options.optimizer;
  json["lr"] = options.lr;
  json["momentum"] = options.momentum;
  json["dropout"] = options.dropout;
  json["seed"] = options.seed;
  json["parameters"] = report.parameters;
  json["epochs"] = nlohmann::json::array();
  for (const EpochFigures& e : report.epochs) {
    nlohmann::ordered_json row;
    row["train_loss"] = e.train_loss;
    row["test_accuracy"] = e.test_accuracy;
    row["seconds"] = e.seconds;
    row["samples_per_second"] = e.samples_per_second;
    json["epochs"].push_back(row);
  }
  json["test_accuracy"] = report.test_accuracy();
  json["samples_per_second"] = report.samples_per_second();
  json["peak_memory_bytes"] = peak_memory_bytes();
  std::ofstream out(path);
  out << json.dump(2) << '\n';
  out.close();
  if (!out) {
    throw weft::IoError(weft::ErrorCode::io_write, "json", path + ": " + std::strerror(errno));
  }
}
