#pragma once
// The few shapes that charts are made of, as SVG text. Colours are classes; chart_style() says what they are in light
// and in dark.

#include <string>
#include <string_view>

namespace lab {

/// Text for XML and HTML: & < > " ' escaped, control characters left out.
std::string escaped(std::string_view words);

enum class Anchor { start, middle, end };

class Drawing {
 public:
  static constexpr double width = 440;       ///< user units; text of 12 stays readable on a phone, where this is 360 px
  static constexpr double small_char = 6.1;  ///< the width of a character of class "s", and of "t"
  static constexpr double text_char = 6.7;

  void line(double x1, double y1, double x2, double y2, const std::string& classes, bool dashed = false);
  void rect(double x, double y, double w, double h, const std::string& classes);
  void circle(double x, double y, double r, const std::string& classes);
  /// Points as "x,y x,y"; see point().
  void polyline(const std::string& points, const std::string& classes, bool dashed = false);
  void words(double x, double y, std::string_view text, const std::string& classes, Anchor anchor = Anchor::start);
  /// Marker of a series: circle, square, diamond, triangle, by turns.
  void marker(double x, double y, int series);
  static std::string point(double x, double y);

  /// The whole picture. `style`: what stands in <style>; empty for a page that has it already.
  std::string svg(double height, const std::string& title, std::string_view style) const;

 private:
  std::string body_;
};

}  // namespace lab
