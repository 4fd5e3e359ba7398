#pragma once
// A picture of test digits with what the network takes them for; mistakes are framed in red and come first.

#include <string>
#include <vector>

#include <weft/weft.h>

/// Writes a PNG of 160 digits. `predicted` has one class per example of `data`. Throws weft::IoError.
void draw_predictions(const std::string& path, const weft::ImageDataset& data,
                      const std::vector<std::int64_t>& predicted);
