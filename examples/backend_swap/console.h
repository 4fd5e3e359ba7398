#pragma once
// A section as text, for a terminal of about a hundred columns.

#include <string>

#include "section.h"

namespace lab {

std::string console_text(const Section& section);

}  // namespace lab
