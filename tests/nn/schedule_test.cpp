#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <weft/core/error.h>
#include <weft/nn/schedule.h>
#include <weft/tensor/creation.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

nn::SGD optimizer() { return nn::SGD({zeros({1}, serial()).requires_grad_()}, {.lr = 123}); }

TEST(WarmupCosine, FollowsItsFormula) {
  const nn::WarmupCosineOptions options{.base_lr = 0.4, .warmup_steps = 4, .total_steps = 12, .min_lr = 0.1};
  const std::vector<double> warm_up = {0.1, 0.2, 0.3, 0.4};
  for (std::int64_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(options.lr_at(i), warm_up[static_cast<std::size_t>(i)]);
  EXPECT_DOUBLE_EQ(options.lr_at(4), 0.4);
  EXPECT_DOUBLE_EQ(options.lr_at(6), 0.1 + 0.3 * (1 + std::sqrt(0.5)) / 2);
  EXPECT_DOUBLE_EQ(options.lr_at(8), 0.25);  // half-way down
  EXPECT_DOUBLE_EQ(options.lr_at(10), 0.1 + 0.3 * (1 - std::sqrt(0.5)) / 2);
  EXPECT_GT(options.lr_at(11), 0.1);
  EXPECT_EQ(options.lr_at(12), 0.1);
  EXPECT_EQ(options.lr_at(1000000), 0.1);
  EXPECT_EQ(options.lr_at(-5), options.lr_at(0));
}

TEST(WarmupCosine, WithoutWarmUpAndWithNothingElse) {
  const nn::WarmupCosineOptions cosine{.base_lr = 1, .total_steps = 2};
  EXPECT_EQ(cosine.lr_at(0), 1);
  EXPECT_DOUBLE_EQ(cosine.lr_at(1), 0.5);
  EXPECT_EQ(cosine.lr_at(2), 0);
  const nn::WarmupCosineOptions ramp{.base_lr = 1, .warmup_steps = 2, .total_steps = 2};
  EXPECT_EQ(ramp.lr_at(1), 1);
  EXPECT_EQ(ramp.lr_at(2), 0);
}

TEST(Schedule, DrivesTheOptimiser) {
  nn::SGD sgd = optimizer();
  nn::WarmupCosine schedule(sgd, {.base_lr = 0.4, .warmup_steps = 4, .total_steps = 12});
  EXPECT_DOUBLE_EQ(sgd.lr(), 0.1);
  for (std::int64_t step = 1; step < 15; ++step) {
    schedule.step();
    EXPECT_EQ(schedule.position(), step);
    EXPECT_EQ(sgd.lr(), schedule.lr_at(step));
  }
  EXPECT_EQ(sgd.lr(), 0);
}

TEST(Schedule, StateRoundTripAndMismatch) {
  nn::SGD sgd = optimizer(), other_sgd = optimizer();
  nn::WarmupCosine schedule(sgd, {.base_lr = 0.4, .warmup_steps = 4, .total_steps = 12});
  for (int i = 0; i < 7; ++i) schedule.step();
  nn::WarmupCosine same(other_sgd, {.base_lr = 0.4, .warmup_steps = 4, .total_steps = 12});
  same.load_state_dict(schedule.state_dict());
  EXPECT_EQ(same.position(), 7);
  EXPECT_EQ(other_sgd.lr(), sgd.lr());

  nn::WarmupCosine longer(other_sgd, {.base_lr = 0.3, .warmup_steps = 4, .total_steps = 24});
  const std::string what =
      error_of<StateError>([&] { longer.load_state_dict(schedule.state_dict()); }, ErrorCode::state_mismatch);
  EXPECT_NE(what.find("base_lr: 0.3 expected, 0.4 given"), std::string::npos) << what;
  EXPECT_NE(what.find("total_steps: 24 expected, 12 given"), std::string::npos) << what;
  EXPECT_EQ(longer.position(), 0);
  longer.set_position(7);
  EXPECT_EQ(other_sgd.lr(), longer.lr_at(7));
  error_of<ValueError>([&] { longer.set_position(-1); }, ErrorCode::value_out_of_range);

  nn::ScheduleState foreign = schedule.state_dict();
  foreign.type = "OneCycle";
  error_of<StateError>([&] { same.load_state_dict(foreign); }, ErrorCode::state_mismatch);
}

TEST(Schedule, RefusesItsArgumentsAndLeavesTheOptimiserAlone) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  nn::SGD sgd = optimizer();
  for (const nn::WarmupCosineOptions& bad :
       std::vector<nn::WarmupCosineOptions>{{.base_lr = 0.1},
                                            {.base_lr = 0.1, .total_steps = -3},
                                            {.base_lr = 0.1, .warmup_steps = -1, .total_steps = 3},
                                            {.base_lr = 0.1, .warmup_steps = 4, .total_steps = 3},
                                            {.base_lr = nan, .total_steps = 3},
                                            {.base_lr = -1, .total_steps = 3},
                                            {.base_lr = 0.1, .total_steps = 3, .min_lr = 0.2},
                                            {.base_lr = 0.1, .total_steps = 3, .min_lr = nan},
                                            {.base_lr = 0.1, .total_steps = 3, .min_lr = -0.1}}) {
    error_of<ValueError>([&] { nn::WarmupCosine(sgd, bad); }, ErrorCode::value_out_of_range);
  }
  EXPECT_EQ(sgd.lr(), 123);
}

}  // namespace
}  // namespace weft::test
