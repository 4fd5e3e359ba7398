#include <weft/nn/pool.h>

#include <weft/autograd/functions.h>
#include <weft/core/message.h>
#include <weft/nn/window_text.h>

namespace weft::nn {
namespace {

template <class Options>
std::string description(const char* name, const PerAxis& kernel, const Options& o, int spatial) {
  std::string text = message(name, "(", text_of(kernel, spatial));
  if (o.stride.given() && !(o.stride == kernel)) text += message(", stride=", text_of(o.stride, spatial));
  text += option_text("padding", o.padding, 0, spatial);
  if constexpr (requires { o.dilation; }) text += option_text("dilation", o.dilation, 1, spatial);
  if (o.ceil_mode) text += ", ceil_mode=true";
  return text + ")";
}

}  // namespace

Tensor MaxPool1d::forward(const Tensor& x) { return max_pool1d(x, kernel_, window_, call_site()); }
std::string MaxPool1d::describe() const { return description("MaxPool1d", kernel_, window_, 1); }
std::shared_ptr<Module> MaxPool1d::fresh() const { return std::make_shared<MaxPool1d>(kernel_, window_); }

Tensor MaxPool2d::forward(const Tensor& x) { return max_pool2d(x, kernel_, window_, call_site()); }
std::string MaxPool2d::describe() const { return description("MaxPool2d", kernel_, window_, 2); }
std::shared_ptr<Module> MaxPool2d::fresh() const { return std::make_shared<MaxPool2d>(kernel_, window_); }

Tensor AvgPool1d::forward(const Tensor& x) { return avg_pool1d(x, kernel_, window_, call_site()); }
std::string AvgPool1d::describe() const { return description("AvgPool1d", kernel_, window_, 1); }
std::shared_ptr<Module> AvgPool1d::fresh() const { return std::make_shared<AvgPool1d>(kernel_, window_); }

Tensor AvgPool2d::forward(const Tensor& x) { return avg_pool2d(x, kernel_, window_, call_site()); }
std::string AvgPool2d::describe() const { return description("AvgPool2d", kernel_, window_, 2); }
std::shared_ptr<Module> AvgPool2d::fresh() const { return std::make_shared<AvgPool2d>(kernel_, window_); }

Tensor AdaptiveAvgPool2d::forward(const Tensor& x) { return adaptive_avg_pool2d(x, output_, call_site()); }
std::string AdaptiveAvgPool2d::describe() const { return message("AdaptiveAvgPool2d(", text_of(output_, 2), ")"); }
std::shared_ptr<Module> AdaptiveAvgPool2d::fresh() const { return std::make_shared<AdaptiveAvgPool2d>(output_); }

}  // namespace weft::nn
