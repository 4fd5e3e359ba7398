#include <charconv>
#include <string>
#include <string_view>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/loader.h>

namespace weft {
namespace {

/// Takes "name=digits" and the blank behind it off the front of `rest`.
template <class Number>
bool take_field(std::string_view& rest, std::string_view name, Number* value) {
  if (rest.substr(0, name.size()) != name || rest.substr(name.size(), 1) != "=") return false;
  rest.remove_prefix(name.size() + 1);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), *value);
  if (error != std::errc()) return false;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (rest.empty()) return true;
  if (rest.front() != ' ') return false;
  rest.remove_prefix(1);
  return true;
}

bool take_flag(std::string_view& rest, std::string_view name, bool* value) {
  int number = -1;
  if (!take_field(rest, name, &number) || (number != 0 && number != 1)) return false;
  *value = number == 1;
  return true;
}

}  // namespace

std::string to_string(const LoaderState& state) {
  return message("epoch=", state.epoch, " batch=", state.batch, " seed=", state.seed, " batch_size=", state.batch_size,
                 " dataset_size=", state.dataset_size, " shuffle=", state.shuffle ? 1 : 0,
                 " drop_last=", state.drop_last ? 1 : 0, state.sampler.empty() ? "" : " sampler=", state.sampler);
}

LoaderState parse_loader_state(std::string_view text, CallSite at) {
  LoaderState state;
  std::string_view rest = text;
  const bool read = take_field(rest, "epoch", &state.epoch) && take_field(rest, "batch", &state.batch) &&
                    take_field(rest, "seed", &state.seed) && take_field(rest, "batch_size", &state.batch_size) &&
                    take_field(rest, "dataset_size", &state.dataset_size) &&
                    take_flag(rest, "shuffle", &state.shuffle) && take_flag(rest, "drop_last", &state.drop_last);
  constexpr std::string_view sampler = "sampler=";
  if (read && rest.substr(0, sampler.size()) == sampler) {
    state.sampler = rest.substr(sampler.size());
    const bool blank = state.sampler.find_first_of(" \t\n\r") != std::string::npos;
    rest = blank ? rest : std::string_view();
  }
  // Written again it must be the same text: no blank at the end, no leading zero, nothing more.
  if (read && rest.empty() && to_string(state) == text) return state;
  throw ValueError(
      ErrorCode::value_invalid, "parse_loader_state",
      message("\"", text.substr(0, 200), "\" is no loader state, expected the form \"", to_string(LoaderState{}), "\""),
      at);
}

}  // namespace weft
