#include <weft/nn/conv.h>

#include <cmath>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/init.h>
#include <weft/nn/window_text.h>

namespace weft::nn {

ConvBase::ConvBase(const char* name, int spatial, bool transposed, std::int64_t in, std::int64_t out, PerAxis kernel,
                   std::int64_t groups, bool with_bias, TensorOptions options, Generator& generator, CallSite at)
    : name_(name), spatial_(spatial), in_(in), out_(out), kernel_(kernel) {
  if (in < 1 || out < 1 || groups < 1) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("in = ", in, ", out = ", out, ", groups = ", groups, ": each is at least 1"), at);
  }
  if (in % groups != 0 || out % groups != 0) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("groups = ", groups, " does not divide in = ", in, " and out = ", out), at);
  }
  if (kernel.count() != 1 && kernel.count() != spatial) {
    throw ValueError(ErrorCode::value_invalid, name,
                     message("kernel has ", kernel.count(), " extents, there are ", spatial, " spatial axes"), at);
  }
  if (!is_floating(options.dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("parameters are floating, dtype ", options.dtype, " was given"), at);
  }
  Shape shape = transposed ? Shape{in, out / groups} : Shape{out, in / groups};
  for (int i = 0; i < spatial; ++i) {
    if (kernel[i] < 1) {
      throw ValueError(ErrorCode::value_out_of_range, name,
                       message("kernel is ", kernel[i], " along spatial axis ", i, "; at least 1 is needed"), at);
    }
    shape.push_back(kernel[i]);
  }
  weight = empty(shape, options, at);
  init::kaiming_uniform_(weight, std::sqrt(5.0), generator, at);
  register_parameter("weight", weight, at);
  if (with_bias) {
    const double bound = 1 / std::sqrt(static_cast<double>(init::fans(weight, at).in));
    bias = empty({out}, options, at);
    init::uniform_(bias, -bound, bound, generator, at);
    register_parameter("bias", bias, at);
  }
}

std::string ConvBase::describe() const {
  return message(name_, "(", in_, ", ", out_, ", kernel=", text_of(kernel_, spatial_), describe_options(),
                 bias.defined() ? ")" : ", bias=false)");
}

namespace {

template <class Options>
std::string text_of_options(const Options& o, int spatial) {
  return option_text("stride", o.stride, 1, spatial) + option_text("padding", o.padding, 0, spatial) +
         option_text("dilation", o.dilation, 1, spatial) + option_text("groups", o.groups, 1, 1);
}

}  // namespace

Conv1d::Conv1d(std::int64_t in, std::int64_t out, PerAxis kernel, const ConvOptions& window, bool with_bias,
               TensorOptions options, Generator& generator, CallSite at)
    : ConvBase("Conv1d", 1, false, in, out, kernel, window.groups, with_bias, options, generator, at),
      window_(window) {}

Tensor Conv1d::forward(const Tensor& x) { return conv1d(x, weight, bias, window_, call_site()); }

std::shared_ptr<Module> Conv1d::fresh() const { return another<Conv1d>(window_); }

std::string Conv1d::describe_options() const { return text_of_options(window_, spatial()); }

Conv2d::Conv2d(std::int64_t in, std::int64_t out, PerAxis kernel, const ConvOptions& window, bool with_bias,
               TensorOptions options, Generator& generator, CallSite at)
    : ConvBase("Conv2d", 2, false, in, out, kernel, window.groups, with_bias, options, generator, at),
      window_(window) {}

Tensor Conv2d::forward(const Tensor& x) { return conv2d(x, weight, bias, window_, call_site()); }

std::shared_ptr<Module> Conv2d::fresh() const { return another<Conv2d>(window_); }

std::string Conv2d::describe_options() const { return text_of_options(window_, spatial()); }

ConvTranspose2d::ConvTranspose2d(std::int64_t in, std::int64_t out, PerAxis kernel, const ConvTransposeOptions& window,
                                 bool with_bias, TensorOptions options, Generator& generator, CallSite at)
    : ConvBase("ConvTranspose2d", 2, true, in, out, kernel, window.groups, with_bias, options, generator, at),
      window_(window) {}

Tensor ConvTranspose2d::forward(const Tensor& x) { return conv_transpose2d(x, weight, bias, window_, call_site()); }

std::shared_ptr<Module> ConvTranspose2d::fresh() const { return another<ConvTranspose2d>(window_); }

std::string ConvTranspose2d::describe_options() const {
  return text_of_options(window_, spatial()) + option_text("output_padding", window_.output_padding, 0, spatial());
}

}  // namespace weft::nn
