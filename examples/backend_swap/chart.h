#pragma once
// Charts as SVG: lines with log axes and error marks, horizontal bars (stacked, too), Gantt charts, the tree of a
// reduction. 440 units wide whatever the screen; nothing is fetched, no script.

#include <string>

#include "section.h"

namespace lab {

/// A file of its own: the style is part of it.
std::string chart_file(const Chart& chart);
/// For a page that has chart_style() in its head.
std::string chart_inline(const Chart& chart);
/// The classes that charts use, for light and dark.
const char* chart_style();

}  // namespace lab
