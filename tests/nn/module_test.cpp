#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/nn/activations.h>
#include <weft/nn/dropout.h>
#include <weft/nn/flatten.h>
#include <weft/nn/linear.h>
#include <weft/nn/module.h>
#include <weft/nn/sequential.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

struct Block : nn::Module {
  explicit Block(std::int64_t width) {
    inner = register_module("inner", nn::Sequential{nn::Linear(width, 3), nn::ReLU(), nn::Linear(3, width)});
    scale = register_parameter("scale", ones({width}));
    count = register_buffer("count", zeros({}, DType::int64));
  }
  Tensor forward(const Tensor& x) override { return inner(x) * scale; }
  std::string describe() const override { return "Block"; }

  nn::Ptr<nn::Sequential> inner;
  Tensor scale, count;
};

struct Net : nn::Module {
  nn::Ptr<nn::Linear> fc1 = register_module("fc1", nn::Linear(4, 5));
  std::shared_ptr<Block> block = register_module("block", nn::make<Block>(5));
  nn::Ptr<nn::Linear> fc2 = register_module("fc2", std::make_shared<nn::Linear>(5, 2, false));
  Tensor forward(const Tensor& x) override { return fc2((*block)(fc1(x).relu())); }
};

std::vector<std::string> names(const nn::StateDict& state) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : state) found.push_back(name);
  return found;
}

using Names = std::vector<std::string>;

TEST(Module, ParametersHaveDottedNamesInOrderOfRegistration) {
  const nn::Sequential mlp{nn::Linear(784, 512), nn::ReLU(), nn::Linear(512, 10)};
  EXPECT_EQ(names(mlp.named_parameters()), (Names{"0.weight", "0.bias", "2.weight", "2.bias"}));
  EXPECT_EQ(mlp.num_parameters(), 784 * 512 + 512 + 512 * 10 + 10);

  const Net net;
  // Own entries first, then each child's, as PyTorch lists them; the layer without bias has none.
  EXPECT_EQ(names(net.named_parameters()),
            (Names{"fc1.weight", "fc1.bias", "block.scale", "block.inner.0.weight", "block.inner.0.bias",
                   "block.inner.2.weight", "block.inner.2.bias", "fc2.weight"}));
  EXPECT_EQ(names(net.named_buffers()), (Names{"block.count"}));
  EXPECT_EQ(names(net.state_dict()),
            (Names{"fc1.weight", "fc1.bias", "block.scale", "block.count", "block.inner.0.weight", "block.inner.0.bias",
                   "block.inner.2.weight", "block.inner.2.bias", "fc2.weight"}));
  Names modules;
  for (const auto& [name, module] : net.named_modules()) modules.push_back(name);
  EXPECT_EQ(modules,
            (Names{"", "fc1", "block", "block.inner", "block.inner.0", "block.inner.1", "block.inner.2", "fc2"}));
  for (const Tensor& parameter : net.parameters()) EXPECT_TRUE(parameter.requires_grad());
  EXPECT_FALSE(net.buffers()[0].requires_grad());
}

TEST(Module, RegisteredTensorsAreTheMembersThemselves) {
  Net net;
  EXPECT_TRUE(nn::find(net.named_parameters(), "fc1.weight").is_same(net.fc1->weight));
  EXPECT_TRUE(nn::find(net.state_dict(), "block.count").is_same(net.block->count));
  EXPECT_FALSE(nn::find(net.state_dict(), "block").defined());
  EXPECT_FALSE(net.fc2->bias.defined());
}

TEST(Module, TiedParametersAreCollectedOnceAndSavedUnderEveryName) {
  struct Tied : nn::Module {
    nn::Ptr<nn::Linear> a = register_module("a", nn::Linear(3, 3, false));
    nn::Ptr<nn::Linear> b = register_module("b", a);
    Tensor again = register_parameter("again", a->weight);
  } tied;
  EXPECT_EQ(names(tied.named_parameters()), (Names{"again"}));
  EXPECT_EQ(tied.parameters().size(), 1u);
  EXPECT_EQ(names(tied.state_dict()), (Names{"again", "a.weight", "b.weight"}));
  EXPECT_EQ(tied.named_modules().size(), 2u);
}

TEST(Module, TrainAndEvalReachEverything) {
  Net net;
  EXPECT_TRUE(net.block->inner->is_training());
  net.eval();
  for (const auto& [name, module] : net.named_modules()) EXPECT_FALSE(module->is_training()) << name;
  net.train();
  for (const auto& [name, module] : net.named_modules()) EXPECT_TRUE(module->is_training()) << name;
}

TEST(Module, ToKeepsTheSameTensors) {
  manual_seed(3);
  Net net;
  const std::vector<float> before = net.fc1->weight.to_vector<float>();
  const Tensor handle = net.fc1->weight;
  sum(net(ones({2, 4}))).backward();
  ASSERT_TRUE(handle.grad().defined());

  net.to(serial());
  EXPECT_TRUE(nn::find(net.named_parameters(), "fc1.weight").is_same(handle));
  EXPECT_EQ(handle.device(), serial());
  EXPECT_EQ(net.block->count.device(), serial());
  EXPECT_EQ(handle.to_vector<float>(), before);
  EXPECT_TRUE(handle.requires_grad());
  EXPECT_TRUE(handle.is_leaf());

  net.to(serial(), DType::float64);
  EXPECT_EQ(handle.dtype(), DType::float64);
  EXPECT_EQ(net.block->count.dtype(), DType::int64);  // not floating: stays
  EXPECT_FALSE(handle.grad().defined());
  EXPECT_EQ(std::vector<float>(before), handle.to(DType::float32).to_vector<float>());

  // It still trains: gradients have the new dtype and device.
  sum(net(ones({2, 4}, {serial(), DType::float64}))).backward();
  EXPECT_EQ(handle.grad().dtype(), DType::float64);
  EXPECT_EQ(handle.grad().device(), serial());
}

TEST(Module, AGraphFromBeforeToIsRefusedByItsBackward) {
  nn::Linear layer(2, 2);
  const Tensor loss = sum(layer(ones({1, 2})));
  layer.to(DType::float64);
  EXPECT_THROW(loss.backward(), AutogradError);
}

TEST(Module, ZeroGradDropsAndRequiresGradFreezes) {
  nn::Linear layer(2, 2);
  sum(layer(ones({1, 2}))).backward();
  EXPECT_TRUE(layer.weight.grad().defined());
  layer.zero_grad();
  EXPECT_FALSE(layer.weight.grad().defined());
  layer.requires_grad_(false);
  EXPECT_FALSE(layer(ones({1, 2})).requires_grad());
}

TEST(Module, StateDictRoundTrip) {
  manual_seed(1);
  Net a, b;
  EXPECT_NE(a.fc1->weight.to_vector<float>(), b.fc1->weight.to_vector<float>());
  const Tensor weight = b.fc1->weight;
  const std::uint64_t version = weight.version();
  b.load_state_dict(a.state_dict());
  EXPECT_TRUE(weight.is_same(b.fc1->weight));
  EXPECT_GT(weight.version(), version);
  const nn::StateDict left = a.state_dict(), right = b.state_dict();
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_TRUE(same_bytes(left[i].tensor, right[i].tensor));
}

TEST(Module, StateOfAnotherDeviceIsCopiedOver) {
  nn::Linear a(3, 2), b(3, 2);
  a.to(serial());
  b.load_state_dict(a.state_dict());
  EXPECT_EQ(b.weight.device(), cpu());
  EXPECT_TRUE(same_bytes(b.weight, a.weight));
}

TEST(Module, LoadStateDictListsEverythingAndChangesNothing) {
  nn::Sequential model{nn::Linear(3, 4), nn::Linear(4, 2)};
  const std::vector<float> before = model.parameters()[1].to_vector<float>();
  const nn::StateDict state = {{"0.weight", zeros({4, 4})},
                               {"0.bias", zeros({4})},
                               {"1.weight", zeros({2, 4}, DType::float64)},
                               {"1.bais", zeros({2})}};
  const std::string what = error_of<StateError>([&] { model.load_state_dict(state); }, ErrorCode::state_mismatch);
  for (const char* part :
       {"0.weight: shape (4, 3) expected, (4, 4) given", "1.weight: dtype float32 expected, float64 given",
        "1.bias: missing", "1.bais: unexpected; did you mean \"1.bias\"?", "4 places"}) {
    EXPECT_NE(what.find(part), std::string::npos) << part << "\n" << what;
  }
  EXPECT_EQ(model.parameters()[1].to_vector<float>(), before);

  // Not strict: names may be missing or left over, shapes and dtypes still count.
  EXPECT_THROW(model.load_state_dict(state, false), StateError);
  model.load_state_dict({{"0.bias", zeros({4})}, {"other", zeros({1})}}, false);
  EXPECT_EQ(model.parameters()[1].to_vector<float>(), std::vector<float>(4, 0.0f));
}

TEST(Module, NamesAreChecked) {
  struct Open : nn::Module {
  } module;
  const auto refused = [&](auto&& act) { error_of<ValueError>(act, ErrorCode::value_invalid); };
  module.register_parameter("w", ones({2}));
  refused([&] { module.register_parameter("w", ones({2})); });
  refused([&] { module.register_buffer("w", ones({2})); });
  refused([&] { module.register_module("w", nn::ReLU()); });
  refused([&] { module.register_module("", nn::ReLU()); });
  refused([&] { module.register_module("a.b", nn::ReLU()); });
  EXPECT_EQ(module.named_modules().size(), 1u);

  const auto outer = std::make_shared<nn::Sequential>();
  const auto inner = std::make_shared<nn::Sequential>();
  outer->push_back(inner);
  refused([&] { inner->push_back(outer); });
  refused([&] { outer->push_back(outer); });
  error_of<StateError>([&] { outer->push_back(std::shared_ptr<nn::Linear>()); }, ErrorCode::tensor_undefined);
  EXPECT_THROW(module.register_parameter("labels", zeros({2}, DType::int64)), Error);
  EXPECT_EQ(module.parameters().size(), 1u);
}

TEST(Module, MovingKeepsTheParameters) {
  nn::Sequential model{nn::Linear(3, 4)};
  const Tensor weight = model.parameters()[0];
  const nn::Sequential moved = std::move(model);
  EXPECT_TRUE(moved.parameters()[0].is_same(weight));
}

TEST(Module, PrintsAsATree) {
  const nn::Sequential model{nn::Flatten(), nn::Sequential{nn::Linear(4, 2, false)}, nn::Dropout(0.2)};
  EXPECT_EQ(to_string(model),
            "Sequential(\n"
            "  (0): Flatten(1, -1)\n"
            "  (1): Sequential(\n"
            "    (0): Linear(4, 2, bias=false)\n"
            "  )\n"
            "  (2): Dropout(0.2)\n"
            ")");
}

// ---- errors name the layer

TEST(ModuleCall, AnErrorNamesTheLayerAndTheLineOfTheCall) {
  nn::Sequential model{nn::Linear(3, 4), nn::Sequential{nn::ReLU(), nn::Linear(5, 2)}};
  const unsigned line = __LINE__ + 1;
  const auto call = [&] { model(ones({1, 3})); };
  try {
    call();
    FAIL();
  } catch (const ShapeError& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.code(), ErrorCode::shape_mismatch);
    EXPECT_NE(what.find("layer \"1.1\" (Linear(5, 2))"), std::string::npos) << what;
    EXPECT_EQ(what.find("layer", what.find("layer") + 1), std::string::npos) << what;
    EXPECT_EQ(what.rfind("[linear] ", 0), 0u) << what;
    EXPECT_EQ(error.where().line, line) << what;
    EXPECT_NE(what.find("module_test.cpp:" + std::to_string(line)), std::string::npos) << what;
    EXPECT_EQ(what.find("module_test.cpp"), what.rfind("module_test.cpp")) << what;
  }
}

TEST(ModuleCall, ThePathGoesThroughModulesOfOnesOwn) {
  Net net;
  net.block->inner->push_back("extra", nn::Linear(7, 7));
  const std::string what = error_of<ShapeError>([&] { net(ones({1, 4})); }, ErrorCode::shape_mismatch);
  EXPECT_NE(what.find("layer \"block.inner.extra\" (Linear(7, 7))"), std::string::npos) << what;
  const std::string alone = error_of<ShapeError>([&] { (*net.fc1)(ones({1, 3})); }, ErrorCode::shape_mismatch);
  EXPECT_NE(alone.find("in Linear(4, 5): "), std::string::npos) << alone;
}

struct Thrower : nn::Module {
  Tensor forward(const Tensor& x) override {
    if (own) throw ValueError(ErrorCode::value_invalid, "thrower", "no");
    throw std::runtime_error("plain");
    return x;
  }
  bool own = true;
};

TEST(ModuleCall, TypesAreKept) {
  const auto thrower = std::make_shared<Thrower>();
  nn::Sequential model{nn::ReLU(), thrower};
  const std::string what = error_of<ValueError>([&] { model(ones({1})); }, ErrorCode::value_invalid);
  EXPECT_EQ(what.rfind("[thrower] in layer \"1\" (Module): no", 0), 0u) << what;
  thrower->own = false;
  try {
    model(ones({1}));
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "plain");
  }
}

TEST(ModuleCall, AModuleThatRecoversStillNamesTheNextError) {
  struct Careful : nn::Module {
    nn::Ptr<nn::Linear> bad = register_module("bad", nn::Linear(9, 9));
    nn::Ptr<nn::Linear> good = register_module("good", nn::Linear(2, 9));
    Tensor forward(const Tensor& x) override {
      Tensor y;
      try {
        y = bad(x);
      } catch (const ShapeError&) {
        y = good(x);
      }
      return y + ones({7});  // fails here, in Careful itself
    }
    std::string describe() const override { return "Careful"; }
  };
  nn::Sequential model{Careful()};
  const std::string what = error_of<ShapeError>([&] { model(ones({1, 2})); }, ErrorCode::shape_mismatch);
  EXPECT_NE(what.find("layer \"0\" (Careful)"), std::string::npos) << what;
}

TEST(ModuleCall, TheLineIsTheInnermostOneOfTheUser) {
  struct Adds : nn::Module {
    Tensor forward(const Tensor& x) override { return x + ones({7}); }
  };
  const unsigned line = __LINE__ - 2;
  nn::Sequential model{Adds()};
  try {
    model(ones({2}));
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_EQ(error.where().line, line) << error.what();
  }
}

TEST(ModuleCall, AParameterThatIsGoneIsNamed) {
  const auto layer = std::make_shared<nn::Linear>(2, 2);
  nn::Sequential model{nn::ReLU(), layer};
  layer->weight = Tensor();
  const std::string what = error_of<StateError>([&] { model(ones({1, 2})); }, ErrorCode::tensor_undefined);
  EXPECT_NE(what.find("layer \"1\""), std::string::npos) << what;
}

TEST(ModuleCall, AModuleWithoutForwardSaysSo) {
  struct Empty : nn::Module {
  } empty;
  const std::string what = error_of<StateError>([&] { empty(ones({1})); }, ErrorCode::not_built);
  EXPECT_NE(what.find("forward"), std::string::npos);
}

}  // namespace
}  // namespace weft::test
