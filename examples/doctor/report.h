#pragma once
// What weft finds on this machine, as JSON; weft_doctor prints it for people or for programs.

#include <nlohmann/json.hpp>

namespace doctor {

nlohmann::ordered_json make_report();

}  // namespace doctor
