#include "json.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "units.h"

namespace lab {
namespace {

using Json = nlohmann::ordered_json;

// ---- writing

Json json_of(const Cell& c) {
  Json j = Json::object();
  if (c.value.has_value() && std::isfinite(*c.value)) {
    j["value"] = *c.value;
    if (c.rounds > 0) {
      j["low"] = c.low;
      j["high"] = c.high;
      j["rounds"] = c.rounds;
    }
  } else {
    j[c.absent ? "absent" : "text"] = c.text;
  }
  return j;
}

Json json_of(const Table& t) {
  Json j;
  j["title"] = t.title;
  for (const Column& c : t.columns) j["columns"].push_back({{"title", c.title}, {"unit", c.unit}});
  j["rows"] = Json::array();
  for (const Row& r : t.rows) {
    if (!r.recorded.empty()) continue;  // of another run: it has a file of its own
    Json row = Json::array();
    for (const Cell& c : r.cells) row.push_back(json_of(c));
    j["rows"].push_back(row);
  }
  if (!t.note.empty()) j["note"] = t.note;
  return j;
}

Json json_of(const Axis& a) { return {{"label", a.label}, {"unit", a.unit}, {"log", a.log}}; }

const char* const kinds[] = {"line", "bars", "gantt", "tree"};

Json json_of(const Chart& c) {
  Json j;
  j["kind"] = kinds[static_cast<int>(c.kind)];
  j["id"] = c.id;
  j["title"] = c.title;
  j["x"] = json_of(c.x);
  j["y"] = json_of(c.y);
  j["series"] = Json::array();
  for (const Series& s : c.series) {
    Json row = {{"name", s.name}, {"line", s.line}, {"dots", s.dots}, {"published", s.published}};
    row["points"] = Json::array();
    for (const Point& p : s.points) {
      row["points"].push_back({{"x", p.x}, {"y", p.y}, {"low", p.low}, {"high", p.high}, {"label", p.label}});
    }
    j["series"].push_back(row);
  }
  j["marks"] = Json::array();
  for (const Mark& m : c.marks) j["marks"].push_back({{"x", m.x}, {"label", m.label}});
  j["parts"] = c.parts;
  j["bars"] = Json::array();
  for (const Bar& b : c.bars) {
    j["bars"].push_back({{"label", b.label}, {"parts", b.parts}, {"low", b.low}, {"high", b.high}, {"note", b.note}});
  }
  j["lanes"] = Json::array();
  for (const Lane& l : c.lanes) j["lanes"].push_back({{"group", l.group}, {"name", l.name}});
  j["spans"] = Json::array();
  for (const Span& s : c.spans) {
    j["spans"].push_back({{"lane", s.lane}, {"kind", s.kind}, {"begin", s.begin}, {"end", s.end}, {"label", s.label}});
  }
  j["leaves"] = c.leaves;
  return j;
}

Json json_of(const Section& s) {
  Json j;
  j["name"] = s.name;
  j["title"] = s.title;
  j["claim"] = s.claim;
  j["see"] = s.see;
  j["date"] = s.date;
  j["seconds"] = s.seconds;
  if (!s.failure.empty()) j["failure"] = s.failure;
  j["tables"] = Json::array();
  for (const Table& t : s.tables) j["tables"].push_back(json_of(t));
  j["charts"] = Json::array();
  for (const Chart& c : s.charts) j["charts"].push_back(json_of(c));
  j["verdicts"] = s.verdicts;
  j["notes"] = s.notes;
  return j;
}

// ---- reading

/// A place in the file, which knows its own path: "sections[2].tables[0].rows".
class Field {
 public:
  Field(const Json& json, std::string path, const std::string& file)
      : json_(&json), path_(std::move(path)), file_(&file) {}

  [[noreturn]] void refuse(const std::string& expected) const {
    throw BadResults(*file_ + ": field \"" + path_ + "\" " + expected);
  }

  Field operator[](const char* key) const {
    const std::string path = path_.empty() ? key : path_ + "." + key;
    const auto found = object().find(key);
    if (found == object().end()) throw BadResults(*file_ + ": field \"" + path + "\" is missing");
    return {*found, path, *file_};
  }
  bool has(const char* key) const { return object().contains(key); }

  std::vector<Field> items() const {
    if (!json_->is_array()) refuse("must be a list, it is " + kind());
    std::vector<Field> all;
    for (std::size_t i = 0; i < json_->size(); ++i) {
      all.emplace_back((*json_)[i], path_ + "[" + std::to_string(i) + "]", *file_);
    }
    return all;
  }
  std::string words() const {
    if (!json_->is_string()) refuse("must be a text, it is " + kind());
    return json_->get<std::string>();
  }
  double number() const {
    if (!json_->is_number()) refuse("must be a number, it is " + kind());
    return json_->get<double>();
  }
  int index(int limit) const {
    if (!json_->is_number_integer()) refuse("must be a whole number, it is " + kind());
    const auto value = json_->get<long long>();
    if (value < 0 || value >= limit) {
      refuse("must be in 0 .. " + std::to_string(limit - 1) + ", it is " + std::to_string(value));
    }
    return static_cast<int>(value);
  }
  bool truth() const {
    if (!json_->is_boolean()) refuse("must be true or false, it is " + kind());
    return json_->get<bool>();
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const Field& f : items()) all.push_back(f.words());
    return all;
  }
  std::vector<double> numbers() const {
    std::vector<double> all;
    for (const Field& f : items()) all.push_back(f.number());
    return all;
  }
  const Json& object() const {
    if (!json_->is_object()) refuse("must be an object, it is " + kind());
    return *json_;
  }

 private:
  std::string kind() const {
    if (json_->is_number() || json_->is_boolean()) return json_->dump();
    if (json_->is_string()) return "a text";
    return json_->is_null() ? "null" : std::string("a ") + json_->type_name();
  }

  const Json* json_;
  std::string path_;
  const std::string* file_;
};

Cell cell_from(const Field& f) {
  if (f.has("value")) {
    Cell c = exact(f["value"].number());
    if (f.has("rounds")) {
      c.rounds = f["rounds"].index(1 << 30);
      c.low = f["low"].number();
      c.high = f["high"].number();
    }
    return c;
  }
  return f.has("absent") ? absent(f["absent"].words()) : text(f["text"].words());
}

Table table_from(const Field& f) {
  Table t;
  t.title = f["title"].words();
  for (const Field& c : f["columns"].items()) t.columns.push_back({c["title"].words(), c["unit"].words()});
  for (const Field& r : f["rows"].items()) {
    Row row;
    for (const Field& c : r.items()) row.cells.push_back(cell_from(c));
    if (row.cells.size() != t.columns.size()) {
      r.refuse("must have " + std::to_string(t.columns.size()) + " cells, it has " + std::to_string(row.cells.size()));
    }
    t.rows.push_back(std::move(row));
  }
  if (f.has("note")) t.note = f["note"].words();
  return t;
}

Axis axis_from(const Field& f) { return {f["label"].words(), f["unit"].words(), f["log"].truth()}; }

/// A place in the report folder: letters, digits and '-' alone.
std::string file_part(const Field& f) {
  std::string id = f.words();
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  for (const char c : id) {
    if (!good(c)) f.refuse("must be lower-case letters, digits and '-', it is \"" + id + "\"");
  }
  if (id.empty() || id.size() > 64) f.refuse("must be 1 to 64 characters long");
  return id;
}

Chart chart_from(const Field& f) {
  Chart c;
  const std::string kind = f["kind"].words();
  bool known = false;
  for (int i = 0; i < 4; ++i) {
    if (kind == kinds[i]) c.kind = static_cast<ChartKind>(i), known = true;
  }
  if (!known) f["kind"].refuse("must be line, bars, gantt or tree, it is \"" + kind + "\"");
  c.id = file_part(f["id"]);
  c.title = f["title"].words();
  c.x = axis_from(f["x"]);
  c.y = axis_from(f["y"]);
  for (const Field& s : f["series"].items()) {
    Series series;
    series.name = s["name"].words();
    series.line = s["line"].truth();
    series.dots = s["dots"].truth();
    series.published = s["published"].truth();
    for (const Field& p : s["points"].items()) {
      series.points.push_back(
          {p["x"].number(), p["y"].number(), p["low"].number(), p["high"].number(), p["label"].words()});
    }
    c.series.push_back(std::move(series));
  }
  for (const Field& m : f["marks"].items()) c.marks.push_back({m["x"].number(), m["label"].words()});
  c.parts = f["parts"].texts();
  for (const Field& b : f["bars"].items()) {
    Bar bar;
    bar.label = b["label"].words();
    bar.parts = b["parts"].numbers();
    bar.low = b["low"].number();
    bar.high = b["high"].number();
    bar.note = b["note"].words();
    if (bar.parts.size() > c.parts.size()) b["parts"].refuse("is longer than the chart's \"parts\"");
    c.bars.push_back(std::move(bar));
  }
  for (const Field& l : f["lanes"].items()) c.lanes.push_back({l["group"].words(), l["name"].words()});
  for (const Field& s : f["spans"].items()) {
    c.spans.push_back({s["lane"].index(static_cast<int>(c.lanes.size())),
                       s["kind"].index(static_cast<int>(c.parts.size())), s["begin"].number(), s["end"].number(),
                       s["label"].words()});
  }
  c.leaves = f["leaves"].numbers();
  return c;
}

Section section_from(const Field& f) {
  Section s;
  s.name = file_part(f["name"]);
  s.title = f["title"].words();
  s.claim = f["claim"].words();
  s.see = f["see"].words();
  s.date = f["date"].words();
  s.seconds = f["seconds"].number();
  if (f.has("failure")) s.failure = f["failure"].words();
  for (const Field& t : f["tables"].items()) s.tables.push_back(table_from(t));
  for (const Field& c : f["charts"].items()) s.charts.push_back(chart_from(c));
  s.verdicts = f["verdicts"].texts();
  s.notes = f["notes"].texts();
  return s;
}

}  // namespace

std::string to_json(const Results& r) {
  Json j;
  j["schema"] = "weft.backend_swap";
  j["schema_version"] = schema_version;
  j["date"] = r.date;
  j["device"] = r.machine.device;
  j["quick"] = r.quick;
  j["machine"] = Json::object();
  for (const auto& [name, value] : r.machine.facts) j["machine"][name] = value;
  j["sections"] = Json::array();
  for (const Section& s : r.sections) j["sections"].push_back(json_of(s));
  return j.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Results from_json(const std::string& text, const std::string& name) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& e) {
    throw BadResults(name + ": is no JSON (byte " + std::to_string(e.byte) + "): " + e.what());
  } catch (const Json::exception& e) {  // a number that no double holds
    throw BadResults(name + ": is no JSON: " + std::string(e.what()));
  }
  const Field root(json, "", name);
  if (!json.is_object() || !root.has("schema")) {
    throw BadResults(name + ": field \"schema\" is missing: this is no results.json of backend_swap");
  }
  const Field schema = root["schema"];
  if (schema.words() != "weft.backend_swap") {
    schema.refuse("must be \"weft.backend_swap\", it is \"" + schema.words() + "\": a file of another program");
  }
  const Field version = root["schema_version"];
  if (version.number() != schema_version) {
    version.refuse("is " + tick_text(version.number(), "") + ", this program reads " + std::to_string(schema_version) +
                   (version.number() < schema_version ? "; record the run again with this version of backend_swap"
                                                      : "; it was written by a newer version of backend_swap"));
  }
  Results r;
  r.date = root["date"].words();
  r.machine.device = root["device"].words();
  r.quick = root["quick"].truth();
  const Field machine = root["machine"];
  for (const auto& [key, value] : machine.object().items()) {
    r.machine.facts.emplace_back(key, machine[key.c_str()].words());
  }
  for (const Field& s : root["sections"].items()) r.sections.push_back(section_from(s));
  return r;
}

Results read_results(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw BadResults(path + ": cannot be read");
  if (in.tellg() > (64 << 20)) throw BadResults(path + ": is larger than 64 MiB");
  in.seekg(0);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw BadResults(path + ": cannot be read");
  return from_json(text.str(), path);
}

}  // namespace lab
