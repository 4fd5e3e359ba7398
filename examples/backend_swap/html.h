#pragma once
// report.html: one page that opens offline, without a script.

#include <string>

#include "json.h"

namespace lab {

std::string html_page(const Results& results);

}  // namespace lab
