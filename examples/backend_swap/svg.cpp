#include "svg.h"

#include "units.h"

namespace lab {

std::string escaped(std::string_view words) {
  std::string out;
  for (const char c : words) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n') out += c;
    }
  }
  return out;
}

std::string Drawing::point(double x, double y) { return format("%.1f,%.1f ", x, y); }

void Drawing::line(double x1, double y1, double x2, double y2, const std::string& classes, bool dashed) {
  body_ += format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s%s\"/>\n", x1, y1, x2, y2,
                  classes.c_str(), dashed ? " d" : "");
}

void Drawing::rect(double x, double y, double w, double h, const std::string& classes) {
  body_ += format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x, y, w, h,
                  classes.c_str());
}

void Drawing::circle(double x, double y, double r, const std::string& classes) {
  body_ += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"/>\n", x, y, r, classes.c_str());
}

void Drawing::polyline(const std::string& points, const std::string& classes, bool dashed) {
  body_ += "<polyline points=\"" + points + "\" class=\"" + classes + (dashed ? " d" : "") + "\"/>\n";
}

void Drawing::words(double x, double y, std::string_view text, const std::string& classes, Anchor anchor) {
  const char* anchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
  body_ +=
      format("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\"%s>", x, y, classes.c_str(), anchors[static_cast<int>(anchor)]) +
      escaped(text) + "</text>\n";
}

void Drawing::marker(double x, double y, int series) {
  const std::string fill = "f" + std::to_string(series % 8);
  const auto shape = [&](const std::string& points) {
    body_ += "<polygon points=\"" + points + "\" class=\"" + fill + "\"/>\n";
  };
  switch (series % 4) {
    case 0:
      circle(x, y, 3.2, fill);
      break;
    case 1:
      rect(x - 2.9, y - 2.9, 5.8, 5.8, fill);
      break;
    case 2:
      shape(point(x, y - 4) + point(x + 4, y) + point(x, y + 4) + point(x - 4, y));
      break;
    default:
      shape(point(x, y - 3.8) + point(x + 3.8, y + 3) + point(x - 3.8, y + 3));
  }
}

std::string Drawing::svg(double height, const std::string& title, std::string_view style) const {
  std::string out = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"100%%\" role=\"img\" "
      "class=\"chart\">\n",
      width, height);
  out += "<title>" + escaped(title) + "</title>\n";
  if (!style.empty()) {
    out += "<style>" + std::string(style) + "</style>\n";
    out += format("<rect width=\"%.0f\" height=\"%.0f\" class=\"paper\"/>\n", width, height);
  }
  return out + body_ + "</svg>\n";
}

}  // namespace lab
