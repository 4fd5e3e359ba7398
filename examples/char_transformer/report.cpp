#include "report.h"

#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include <weft/weft.h>

void write_json(const std::string& path, const Report& report, const Options& options) {
  nlohmann::ordered_json json;
  json["weft"] = weft::version();
  json["backend"] = report.backend;
  json["text"] = report.text;
  json["characters"] = report.characters;
  json["vocabulary"] = report.vocabulary;
  json["parameters"] = report.parameters;
  json["steps"] = options.steps;
  json["layers"] = options.layers;
  json["heads"] = options.heads;
  json["width"] = options.width;
  json["context"] = options.context;
  json["batch"] = options.batch;
  json["lr"] = options.lr;
  json["dropout"] = options.dropout;
  json["seed"] = options.seed;
  json["training"] = nlohmann::json::array();
  for (const Report::Line& line : report.lines) {
    json["training"].push_back({{"step", line.step}, {"loss", line.loss}, {"perplexity", std::exp(line.loss)}});
  }
  json["validation_loss"] = report.validation_loss;
  json["validation_perplexity"] = std::exp(report.validation_loss);
  json["seconds"] = report.seconds;
  json["tokens_per_second"] = report.tokens_per_second;
  json["sample"] = report.sample;
  std::ofstream out(path);
  out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';  // a sample may cut a character
  out.close();
  if (!out) throw weft::IoError(weft::ErrorCode::io_write, "json", path + " cannot be written");
}
