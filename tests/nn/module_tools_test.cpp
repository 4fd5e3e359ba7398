// Containers, hooks, copies, renamed states and tables of modules.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/nn/activations.h>
#include <weft/nn/dropout.h>
#include <weft/nn/flatten.h>
#include <weft/nn/identity.h>
#include <weft/nn/linear.h>
#include <weft/nn/module_list.h>
#include <weft/nn/optim.h>
#include <weft/nn/sequential.h>
#include <weft/nn/summary.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

// ---- containers

struct Residual : nn::Module {
  explicit Residual(int depth = 3) : depth_(depth) {
    for (int i = 0; i < depth; ++i) layers->push_back(nn::Linear(4, 4));
  }
  nn::Ptr<nn::ModuleList> layers = register_module("layers", nn::ModuleList());
  nn::Ptr<nn::ModuleDict> heads =
      register_module("heads", nn::ModuleDict{{"a", nn::Linear(4, 2)}, {"b", nn::Linear(4, 3, false)}});
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (nn::Module& layer : *layers) y = y + layer(y).tanh();
    return (*heads)["a"](y);
  }
  std::string describe() const override { return "Residual"; }

 protected:
  std::shared_ptr<nn::Module> fresh() const override { return std::make_shared<Residual>(depth_); }

 private:
  int depth_;
};

std::vector<std::string> names(const nn::StateDict& state) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : state) found.push_back(name);
  return found;
}
using Names = std::vector<std::string>;

TEST(ModuleList, NamesItsModulesByNumber) {
  Residual net(2);
  EXPECT_EQ(names(net.named_parameters()),
            (Names{"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "heads.a.weight",
                   "heads.a.bias", "heads.b.weight"}));
  EXPECT_EQ(net.layers->size(), 2u);
  EXPECT_EQ(net.layers->get<nn::Linear>(1).in_features(), 4);
  EXPECT_EQ(&(*net.layers)[1], &net.layers->at(1));
  EXPECT_EQ(net(ones({5, 4})).shape(), (Shape{5, 2}));
  error_of<IndexError>([&] { net.layers->at(2); }, ErrorCode::index_out_of_range);
  const std::string what = error_of<ValueError>([&] { net.layers->get<nn::ReLU>(0); }, ErrorCode::value_invalid);
  EXPECT_NE(what.find("Linear(4, 4)"), std::string::npos) << what;
  error_of<StateError>([&] { (*net.layers)(ones({1, 4})); }, ErrorCode::not_built);  // a list is no function
}

TEST(ModuleDict, KeepsNamesAndOrder) {
  Residual net;
  EXPECT_EQ(net.heads->keys(), (Names{"a", "b"}));
  EXPECT_TRUE(net.heads->contains("b"));
  EXPECT_FALSE(net.heads->contains("c"));
  EXPECT_EQ(net.heads->get<nn::Linear>("b").out_features(), 3);
  net.heads->insert("c", nn::ReLU());
  std::size_t count = 0;
  for (nn::Module& head : *net.heads) count += head.describe().empty() ? 0u : 1u;
  EXPECT_EQ(count, 3u);
  const nn::ModuleDict dict{{"encoder", nn::ReLU()}};
  const std::string what = error_of<ValueError>([&] { dict.at("encodr"); }, ErrorCode::value_invalid);
  EXPECT_NE(what.find("did you mean \"encoder\""), std::string::npos) << what;
  error_of<ValueError>([&] { net.heads->insert("c", nn::ReLU()); }, ErrorCode::value_invalid);
  error_of<ValueError>([&] { net.heads->get<nn::Tanh>("c"); }, ErrorCode::value_invalid);
}

TEST(Identity, ReturnsItsArgument) {
  nn::Identity identity;
  const Tensor x = ones({2});
  EXPECT_TRUE(identity(x).is_same(x));
}

TEST(Module, AChildCanBeReplaced) {
  nn::Sequential model{nn::Linear(4, 3), nn::ReLU(), nn::Linear(3, 10)};
  const nn::Ptr<nn::Linear> head = model.replace_module("2", nn::Linear(3, 5));
  EXPECT_EQ(model(ones({2, 4})).shape(), (Shape{2, 5}));
  EXPECT_TRUE(nn::find(model.named_parameters(), "2.weight").is_same(head->weight));
  const std::string what =
      error_of<ValueError>([&] { model.replace_module("3", nn::ReLU()); }, ErrorCode::value_invalid);
  EXPECT_NE(what.find("Sequential has no module \"3\", only: 0, 1, 2"), std::string::npos) << what;
  error_of<StateError>([&] { model.replace_module("0", std::shared_ptr<nn::ReLU>()); }, ErrorCode::tensor_undefined);
  const auto outer = std::make_shared<nn::Sequential>();
  const auto inner = std::make_shared<nn::Sequential>();
  outer->push_back(inner);
  inner->push_back(nn::ReLU());
  error_of<ValueError>([&] { inner->replace_module("0", outer); }, ErrorCode::value_invalid);
}

// ---- hooks

TEST(ModuleHooks, SeeAndReplaceArgumentAndResult) {
  nn::Sequential model{nn::Linear(2, 2, false), nn::Identity()};
  nn::Module& identity = model.at(1);
  std::string order;
  Shape seen;
  const nn::HookHandle looks = identity.register_forward_hook([&](nn::Module& module, const Tensor&, const Tensor& y) {
    order += "look " + module.describe() + ' ';
    seen = y.shape();
  });
  nn::HookHandle doubles = identity.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor& y) {
    order += "double ";
    return y * 2;
  });
  nn::HookHandle shifts = identity.register_forward_pre_hook([&](nn::Module&, const Tensor& x) {
    order += "shift ";
    return x + 1;
  });
  const Tensor x = ones({3, 2});
  const Tensor plain = model.at(0)(x);
  EXPECT_EQ(model(x).to_vector<float>(), ((plain + 1) * 2).to_vector<float>());
  EXPECT_EQ(order, "shift look Identity() double ");
  EXPECT_EQ(seen, (Shape{3, 2}));
  doubles.remove();
  doubles.remove();
  shifts.remove();
  EXPECT_EQ(model(x).to_vector<float>(), plain.to_vector<float>());
  EXPECT_EQ(model.at(1).forward(x).to_vector<float>(), x.to_vector<float>());  // forward() itself has no hooks
}

TEST(ModuleHooks, MayRemoveThemselvesAndOutliveTheModule) {
  nn::HookHandle handle;
  int calls = 0;
  {
    nn::ReLU relu;
    handle = relu.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) {
      ++calls;
      handle.remove();
    });
    relu(ones({1}));
    relu(ones({1}));
    EXPECT_EQ(calls, 1);
    handle = relu.register_forward_pre_hook([&](nn::Module&, const Tensor&) { ++calls; });
    nn::ReLU moved = std::move(relu);
    moved(ones({1}));
    EXPECT_EQ(calls, 2);
  }
  handle.remove();
  error_of<ValueError>(
      [] { nn::ReLU().register_forward_pre_hook(std::function<Tensor(nn::Module&, const Tensor&)>()); },
      ErrorCode::value_invalid);
}

TEST(ModuleHooks, AnErrorInAHookNamesTheLayer) {
  nn::Sequential model{nn::ReLU(), nn::Tanh()};
  model.at(1).register_forward_hook([](nn::Module&, const Tensor&, const Tensor& y) { return y + ones({7}); });
  const std::string what = error_of<ShapeError>([&] { model(ones({2})); }, ErrorCode::shape_mismatch);
  EXPECT_NE(what.find("layer \"1\" (Tanh())"), std::string::npos) << what;
}

TEST(ModuleHooks, SeeGradientsOfThisCallAlone) {
  nn::Linear layer(2, 2, false, {serial(), DType::float64});
  layer.load_state_dict({{"weight", from_vector<double>({1, 2, 3, 4}, {2, 2}, serial())}});
  std::vector<double> in, out;
  int without_input = 0;
  layer.register_full_backward_hook([&](const Tensor& grad_input, const Tensor& grad_output) {
    out = grad_output.to_vector<double>();
    if (grad_input.defined()) {
      in = grad_input.to_vector<double>();
    } else {
      ++without_input;
    }
  });
  Tensor x = ones({2}, {serial(), DType::float64}).requires_grad_();
  // x is used elsewhere too: the hook sees only what came through the layer.
  sum(layer(x.reshape({1, 2})) * 3 + x * 100).backward();
  EXPECT_EQ(out, (std::vector<double>{3, 3}));
  EXPECT_EQ(in, (std::vector<double>{12, 18}));
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{112, 118}));
  EXPECT_EQ(without_input, 0);
  sum(layer(ones({1, 2}, {serial(), DType::float64}))).backward();
  EXPECT_EQ(without_input, 1);
  const NoGrad off;
  EXPECT_FALSE(layer(x.reshape({1, 2})).requires_grad());
}

TEST(ModuleHooks, ReplaceGradients) {
  nn::Identity identity;
  Tensor x = ones({2}, {serial(), DType::float64}).requires_grad_();
  nn::HookHandle pre = identity.register_full_backward_pre_hook([](const Tensor& gradient) { return gradient * 10; });
  nn::HookHandle full = identity.register_full_backward_hook([](const Tensor& grad_input, const Tensor& grad_output) {
    EXPECT_EQ(grad_output.to_vector<double>(), (std::vector<double>{10, 10}));
    return grad_input + 1;
  });
  sum(identity(x)).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{11, 11}));
  pre.remove();
  full.remove();
  x.zero_grad();
  sum(identity(x)).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{1, 1}));
}

// ---- clone

TEST(Clone, SharesNothingAndComputesTheSame) {
  manual_seed(4);
  nn::Sequential model{nn::Flatten(), nn::Linear(4, 8), nn::Tanh(), nn::Dropout(0.5), nn::Sequential{nn::Linear(8, 3)}};
  model.at(1).requires_grad_(false);
  model.at(3).eval();
  const std::uint64_t draw = default_generator().draw();
  const nn::Ptr<nn::Sequential> copy = nn::clone(model);
  EXPECT_EQ(default_generator().draw(), draw);
  EXPECT_EQ(to_string(*copy), to_string(model));
  const nn::StateDict a = model.state_dict(), b = copy->state_dict();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_TRUE(same_bytes(a[i].tensor, b[i].tensor));
    EXPECT_FALSE(a[i].tensor.shares_storage(b[i].tensor));
    EXPECT_EQ(a[i].tensor.requires_grad(), b[i].tensor.requires_grad()) << a[i].name;
    EXPECT_TRUE(b[i].tensor.is_leaf());
  }
  EXPECT_FALSE(copy->at(3).is_training());
  EXPECT_TRUE(copy->at(4).is_training());
  const Tensor x = randn({2, 2, 2});
  EXPECT_TRUE(same_bytes(model(x), (*copy)(x)));

  // Training the copy leaves the first one alone.
  const std::string before = bytes_of(a[2].tensor);
  nn::SGD sgd(copy->parameters(), {.lr = 1});
  sum((*copy)(x)).backward();
  sgd.step();
  EXPECT_EQ(bytes_of(a[2].tensor), before);
  EXPECT_FALSE(same_bytes(a[2].tensor, b[2].tensor));
}

TEST(Clone, TakesOverDTypeDeviceAndAModuleOfOnesOwn) {
  Residual net(2);
  net.to(serial(), DType::float64);
  const nn::Ptr<Residual> copy = nn::clone(net);
  EXPECT_EQ(copy->layers->size(), 2u);
  EXPECT_EQ(copy->layers->get<nn::Linear>(0).weight.dtype(), DType::float64);
  EXPECT_EQ(copy->layers->get<nn::Linear>(0).weight.device(), serial());
  const Tensor x = randn({3, 4}, {serial(), DType::float64});
  EXPECT_TRUE(same_bytes(net(x), (*copy)(x)));
  const std::shared_ptr<nn::Module> untyped = static_cast<nn::Module&>(net).clone();
  EXPECT_TRUE(same_bytes(net(x), (*untyped)(x)));
}

TEST(Clone, EveryLayerWithItsOptions) {
  const nn::Sequential model{nn::ReLU(),      nn::Tanh(),        nn::Sigmoid(),      nn::LeakyReLU(0.3),
                             nn::ELU(2),      nn::SiLU(),        nn::Softplus(2, 5), nn::GELU(Approximate::tanh),
                             nn::Softmax(1),  nn::Flatten(1, 2), nn::LogSoftmax(-1), nn::Identity(),
                             nn::Dropout(0.1)};
  EXPECT_EQ(to_string(*nn::clone(model)), to_string(model));
}

TEST(Clone, KeepsWhatIsSharedWithin) {
  const auto shared = std::make_shared<nn::Linear>(3, 3);
  nn::Sequential model{shared, nn::ReLU(), shared};
  const nn::Ptr<nn::Sequential> copy = nn::clone(model);
  EXPECT_EQ(&copy->at(0), &copy->at(2));
  EXPECT_NE(&copy->at(0), &model.at(0));
  EXPECT_EQ(copy->parameters().size(), 2u);
}

struct NoFresh : nn::Module {
  nn::Ptr<nn::Linear> fc = register_module("fc", nn::Linear(2, 2));
  std::string describe() const override { return "NoFresh"; }
};
struct Derived : nn::Linear {
  Derived() : nn::Linear(2, 2) {}
};
struct Grown : nn::Module {
  std::shared_ptr<nn::Module> fresh() const override { return std::make_shared<Grown>(); }
  std::string describe() const override { return "Grown"; }
};

TEST(Clone, SaysWhatIsMissing) {
  const unsigned line = __LINE__ + 1;
  const std::string none = error_of<StateError>([&] { NoFresh().clone(); }, ErrorCode::not_built);
  EXPECT_NE(none.find("[clone] NoFresh does not say how to make another one"), std::string::npos) << none;
  EXPECT_NE(none.find("fresh() const override"), std::string::npos) << none;
  EXPECT_NE(none.find("module_tools_test.cpp:" + std::to_string(line)), std::string::npos) << none;
  const std::string sliced = error_of<StateError>([] { Derived().clone(); }, ErrorCode::state_mismatch);
  EXPECT_NE(sliced.find("fresh() of Linear(2, 2) made a module of another class"), std::string::npos) << sliced;
  Grown grown;
  grown.register_module("later", nn::Linear(2, 2));
  const std::string parts = error_of<StateError>([&] { grown.clone(); }, ErrorCode::state_mismatch);
  EXPECT_NE(parts.find("later.weight: unexpected"), std::string::npos) << parts;
  // Within a container it is named as well.
  error_of<StateError>([] { (void)nn::clone(nn::Sequential{nn::ReLU(), NoFresh()}); }, ErrorCode::not_built);
}

// ---- names of a foreign file

TEST(KeyMap, RenamesByPrefixOrFunction) {
  nn::Sequential model{nn::Linear(3, 4), nn::Linear(4, 2)};
  const nn::StateDict foreign = {{"module.body.weight", ones({4, 3})},
                                 {"module.body.bias", zeros({4})},
                                 {"module.fc.weight", ones({10, 4})},
                                 {"module.fc.bias", zeros({10})}};
  const std::string before = bytes_of(model.parameters()[2]);
  const nn::LoadedKeys keys = model.load_state_dict(foreign, false, {{"module.body.", "0."}, {"module.", ""}});
  EXPECT_EQ(model.parameters()[0].to_vector<float>(), std::vector<float>(12, 1.0f));
  EXPECT_EQ(bytes_of(model.parameters()[2]), before);
  EXPECT_EQ(keys.missing, (Names{"1.weight", "1.bias"}));
  EXPECT_EQ(keys.unexpected, (Names{"fc.weight", "fc.bias"}));

  // A function; an empty name leaves a tensor out.
  const auto rename = [](const std::string& name) {
    return name.find("body") == std::string::npos ? std::string() : "0" + name.substr(name.rfind('.'));
  };
  const nn::LoadedKeys rest = model.load_state_dict(foreign, false, rename);
  EXPECT_TRUE(rest.unexpected.empty());
  const std::string what =
      error_of<StateError>([&] { model.load_state_dict(foreign, true, rename); }, ErrorCode::state_mismatch);
  EXPECT_NE(what.find("1.weight: missing"), std::string::npos) << what;
  const std::string twice = error_of<StateError>(
      [&] {
        model.load_state_dict(foreign, false, {{"module.body.", "0."}, {"module.fc.", "0."}});
      },
      ErrorCode::state_mismatch);
  EXPECT_NE(twice.find("0.weight: given twice"), std::string::npos) << twice;
  EXPECT_TRUE(model.load_state_dict(model.state_dict(), true, nn::KeyMap()).missing.empty());
}

// ---- summary

TEST(Summary, IsATableAndChangesNothing) {
  struct Noise : nn::Module {
    Tensor forward(const Tensor& x) override {
      if (is_training()) count.add_(1);
      return x;
    }
    std::string describe() const override { return "Noise"; }
    Tensor count = register_buffer("count", zeros({}, DType::int64));
  };
  const auto shared = std::make_shared<nn::Linear>(5, 5);
  const auto noise = std::make_shared<Noise>();
  nn::Sequential model{nn::Sequential{nn::Flatten(), nn::Linear(1000, 5)}, noise, shared, nn::Dropout(0.5), shared};
  shared->requires_grad_(false);
  model.at(3).eval();
  const std::uint64_t draw = default_generator().draw();
  const std::string text = summary(model, Shape{2, 10, 100});
  EXPECT_EQ(text,
            "layer                   result     parameters   bytes\n"
            "Sequential              (2, 5)              0       0\n"
            "  0: Sequential         (2, 5)              0       0\n"
            "    0: Flatten(1, -1)   (2, 1000)           0       0\n"
            "    1: Linear(1000, 5)  (2, 5)          5,005  20,020\n"
            "  1: Noise              (2, 5)              0       0\n"
            "  2: Linear(5, 5)       (2, 5) x2          30     120\n"
            "  3: Dropout(0.5)       (2, 5)              0       0\n"
            "5,035 parameters, 5,005 of them trained, 20,140 bytes; buffers: 1 element, 8 bytes\n");
  EXPECT_EQ(default_generator().draw(), draw);
  EXPECT_EQ(noise->count.item(), 0);
  EXPECT_TRUE(model.is_training());
  EXPECT_TRUE(model.at(0).is_training());
  EXPECT_FALSE(model.at(3).is_training());

  // Also after a throw.
  error_of<ShapeError>([&] { nn::summary(model, Shape{2, 3}); }, ErrorCode::shape_mismatch);
  EXPECT_TRUE(model.is_training());
  EXPECT_FALSE(model.at(3).is_training());
  model(ones({1, 1000}));
  EXPECT_EQ(noise->count.item(), 1);
}

}  // namespace
}  // namespace weft::test
