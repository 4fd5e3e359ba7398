#include <typeinfo>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/module.h>
#include <weft/nn/running.h>
#include <weft/nn/walk.h>

namespace weft::nn {
namespace {

/// The modules that are running on this thread, innermost first: a list through the callers' stack frames.
struct Frame {
  const Module* module;
  CallSite at;
  Frame* caller;
  bool told = false;  // an error thrown below this frame already carries its path
};
thread_local Frame* running = nullptr;

class Running {
 public:
  Running(const Module& module, CallSite at) noexcept : frame_{&module, at, running} { running = &frame_; }
  ~Running() { running = frame_.caller; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  Frame& frame() noexcept { return frame_; }

 private:
  Frame frame_;
};

/// The name of `inner` as seen from `outer`; false where it is not registered there.
bool path_between(const Module& outer, const Module& inner, std::string& path) {
  bool found = false;
  walk(std::string(), outer, [&](const std::string& here, const Module& module) {
    if (!found && &module == &inner) {
      path = here;
      found = true;
    }
    return !found;
  });
  return found;
}

/// The path of the innermost frame from the outermost one, "encoder.0". Steps over modules that were not registered.
std::string path_of(const Frame& frame) {
  std::string path;
  const Module* inner = frame.module;
  for (const Frame* caller = frame.caller; caller != nullptr; caller = caller->caller) {
    std::string step;
    if (!path_between(*caller->module, *inner, step)) continue;
    if (!step.empty()) path = path.empty() ? step : join(step, path);
    inner = caller->module;
  }
  return path;
}

struct Parts {
  std::string_view op;
  std::string_view text;
};

/// Takes "[op] text   (file:line)" apart again.
Parts parts_of(const Error& error) {
  std::string_view what = error.what();
  Parts parts;
  const std::size_t close = what.find("] ");
  if (what.substr(0, 1) == "[" && close != std::string_view::npos) {
    parts.op = what.substr(1, close - 1);
    what.remove_prefix(close + 2);
  }
  if (error.where().line != 0) {
    const std::size_t place = what.rfind("   (");
    if (place != std::string_view::npos) what = what.substr(0, place);
  }
  parts.text = what;
  return parts;
}

template <class E>
void rethrow_as(const Error& error, std::string_view op, const std::string& text, CallSite at) {
  if (typeid(error) == typeid(E)) throw E(error.code(), op, text, at);
}

/// Throws an error of the same type and code that names the layer; returns for types it does not know.
void throw_with_path(const Error& error, const Frame& frame) {
  const std::string path = path_of(frame);
  const Parts parts = parts_of(error);
  const std::string text = path.empty()
                               ? message("in ", frame.module->describe(), ": ", parts.text)
                               : message("in layer \"", path, "\" (", frame.module->describe(), "): ", parts.text);
  const CallSite at = error.where().line != 0 ? error.where() : frame.at;
  rethrow_as<ShapeError>(error, parts.op, text, at);
  rethrow_as<DTypeError>(error, parts.op, text, at);
  rethrow_as<DeviceError>(error, parts.op, text, at);
  rethrow_as<IndexError>(error, parts.op, text, at);
  rethrow_as<ValueError>(error, parts.op, text, at);
  rethrow_as<StateError>(error, parts.op, text, at);
  rethrow_as<AutogradError>(error, parts.op, text, at);
  rethrow_as<IoError>(error, parts.op, text, at);
  rethrow_as<OutOfMemoryError>(error, parts.op, text, at);
  rethrow_as<Error>(error, parts.op, text, at);
}

/// The result of `call`, made for the module; what it throws gains the module's path.
template <class F>
Tensor call_named(const Module& module, CallSite at, const F& call) {
  Running here(module, at);
  Frame& frame = here.frame();
  try {
    Tensor y = call();
    if (frame.caller != nullptr) frame.caller->told = false;
    return y;
  } catch (const Error& error) {
    if (frame.caller != nullptr) frame.caller->told = true;
    if (!frame.told) throw_with_path(error, frame);
    throw;
  }
}

}  // namespace

Tensor Module::forward(const Tensor&) {
  throw StateError(ErrorCode::not_built, "forward", message(describe(), " defines no forward(const Tensor&)"),
                   call_site());
}

Tensor Module::operator()(const Tensor& x, CallSite at) {
  return call_named(*this, at, [&] { return hooks_ == nullptr ? forward(x) : call_with_hooks(x, at); });
}

Tensor Module::call_instead(const Module& module, const std::function<Tensor()>& forward, CallSite at) {
  return call_named(module, at, forward);
}

std::string running_path() { return running != nullptr ? path_of(*running) : std::string(); }

std::shared_ptr<Module> Module::clone(CallSite at) const {
  const Running here(*this, at);  // so that fresh() and what it calls know the line
  return copy(at);
}

CallSite Module::call_site() noexcept { return running != nullptr ? running->at : CallSite{}; }

}  // namespace weft::nn
