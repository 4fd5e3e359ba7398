// The schedules named after PyTorch's. The numbers are what torch.optim.lr_scheduler 1.13.1 gives for two parameter
// groups with learning rates 0.4 and 0.05 (OneCycleLR: max_lr = [1, 0.125]), read from optimizer.param_groups after
// `step` calls of scheduler.step().

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <weft/core/error.h>
#include <weft/nn/schedule.h>
#include <weft/tensor/creation.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<Tensor> leaf() { return {zeros({1}, serial()).requires_grad_()}; }

struct Recorded {
  std::int64_t step;
  double first, second;
};

/// As a function, and through the optimiser, step by step.
void expect_recorded(nn::Optimizer& optimizer, nn::Schedule& schedule, const std::vector<Recorded>& recorded) {
  for (const Recorded& r : recorded) {
    EXPECT_NEAR(schedule.lr_at(r.step), r.first, 1e-14) << r.step;
    EXPECT_NEAR(schedule.lr_at(r.step, 1), r.second, 1e-14) << r.step;
    while (schedule.position() < r.step) schedule.step();
    EXPECT_EQ(optimizer.lr(0), schedule.lr_at(r.step));
    EXPECT_EQ(optimizer.lr(1), schedule.lr_at(r.step, 1));
  }
  EXPECT_EQ(optimizer.base_lr(0), 0.4);
  EXPECT_EQ(optimizer.base_lr(1), 0.05);
  EXPECT_EQ(schedule.lr_at(-3), schedule.lr_at(0));
}

struct TwoGroups {
  nn::SGD sgd{{{leaf(), {.lr = 0.4}}, {leaf(), {.lr = 0.05}}}};
};

TEST(Schedules, StepLR) {
  TwoGroups t;
  nn::StepLR schedule(t.sgd, {.step_size = 4, .gamma = 0.3});
  expect_recorded(t.sgd, schedule,
                  {{0, 0.4, 0.05},
                   {3, 0.4, 0.05},
                   {4, 0.12, 0.015},
                   {7, 0.12, 0.015},
                   {8, 0.036, 0.0045},
                   {13, 0.010799999999999999, 0.0013499999999999999},
                   {20, 0.0009719999999999998, 0.00012149999999999997}});
}

TEST(Schedules, MultiStepLR) {
  TwoGroups t;
  nn::MultiStepLR schedule(t.sgd, {.milestones = {2, 5, 5, 9}, .gamma = 0.5});
  expect_recorded(t.sgd, schedule,
                  {{0, 0.4, 0.05},
                   {1, 0.4, 0.05},
                   {2, 0.2, 0.025},
                   {4, 0.2, 0.025},
                   {5, 0.05, 0.00625},
                   {8, 0.05, 0.00625},
                   {9, 0.025, 0.003125},
                   {20, 0.025, 0.003125}});
}

TEST(Schedules, ExponentialLR) {
  TwoGroups t;
  nn::ExponentialLR schedule(t.sgd, {.gamma = 0.9});
  expect_recorded(t.sgd, schedule,
                  {{0, 0.4, 0.05},
                   {1, 0.36000000000000004, 0.045000000000000005},
                   {2, 0.32400000000000007, 0.04050000000000001},
                   {7, 0.1913187600000001, 0.02391484500000001},
                   {20, 0.04863066183622776, 0.00607883272952847}});
}

TEST(Schedules, CosineAnnealingLR) {
  TwoGroups t;
  nn::CosineAnnealingLR schedule(t.sgd, {.T_max = 8, .eta_min = 0.01});
  expect_recorded(t.sgd, schedule,
                  {{0, 0.4, 0.05},
                   {1, 0.38515650883970093, 0.048477590650225735},
                   {2, 0.34288582233137677, 0.04414213562373095},
                   {4, 0.205, 0.03},
                   {7, 0.024843491160299085, 0.011522409349774266},
                   {8, 0.01, 0.01},
                   {9, 0.02484349116029909, 0.011522409349774266},
                   {12, 0.2050000000000003, 0.030000000000000027},
                   {16, 0.40000000000000063, 0.05000000000000006},
                   {20, 0.2050000000000004, 0.030000000000000027}});
  EXPECT_NEAR(schedule.lr_at(8 * 1000000000000 + 4), 0.205, 1e-14);  // the phase does not drift
}

TEST(Schedules, LinearLR) {
  TwoGroups t, u;
  nn::LinearLR schedule(t.sgd, {.start_factor = 0.25, .end_factor = 0.75, .total_iters = 6});
  expect_recorded(t.sgd, schedule,
                  {{0, 0.1, 0.0125},
                   {1, 0.13333333333333333, 0.016666666666666666},
                   {3, 0.19999999999999998, 0.024999999999999998},
                   {5, 0.26666666666666666, 0.03333333333333333},
                   {6, 0.3, 0.0375},
                   {7, 0.3, 0.0375},
                   {20, 0.3, 0.0375}});
  nn::LinearLR by_default(u.sgd);
  expect_recorded(u.sgd, by_default,
                  {{0, 0.13333333333333333, 0.016666666666666666},
                   {1, 0.18666666666666668, 0.023333333333333334},
                   {3, 0.2933333333333334, 0.036666666666666674},
                   {5, 0.4, 0.05},
                   {20, 0.4, 0.05}});
}

TEST(Schedules, OneCycleLR) {
  TwoGroups t, u, v;
  nn::OneCycleLR cosine(t.sgd, {.max_lr = 1, .total_steps = 20});
  expect_recorded(t.sgd, cosine,
                  {{0, 0.040000000000000036, 0.0050000000000000044},
                   {1, 0.1316718427000253, 0.016458980337503162},
                   {3, 0.6683281572999747, 0.08354101966249684},
                   {5, 1.0, 0.125},
                   {6, 0.9874640062350873, 0.12343300077938592},
                   {10, 0.7169430017913008, 0.0896178752239126},
                   {15, 0.18825834605023697, 0.023532293256279622},
                   {19, 4e-06, 5e-07}});
  EXPECT_EQ(cosine.lr_at(1000), cosine.lr_at(19));
  nn::OneCycleLR linear(u.sgd, {.max_lr = 1,
                                .total_steps = 20,
                                .pct_start = 0.25,
                                .anneal = nn::Anneal::linear,
                                .div_factor = 10,
                                .final_div_factor = 100});
  expect_recorded(u.sgd, linear,
                  {{0, 0.1, 0.0125},
                   {1, 0.325, 0.040625},
                   {4, 1.0, 0.125},
                   {5, 0.9334, 0.116675},
                   {10, 0.6004, 0.07505},
                   {19, 0.0010000000000000009, 0.0001250000000000001}});
  nn::OneCycleLR three(v.sgd, {.max_lr = 1, .total_steps = 20, .pct_start = 0.4, .three_phase = true});
  expect_recorded(v.sgd, three,
                  {{0, 0.040000000000000036, 0.0050000000000000044},
                   {3, 0.41318995170096917, 0.051648743962621146},
                   {7, 1.0, 0.125},
                   {8, 0.9524650565931612, 0.11905813207414515},
                   {14, 0.04, 0.005},
                   {15, 0.0361807218535102, 0.004522590231688775},
                   {16, 0.0261817218535102, 0.003272715231688775},
                   {19, 4e-06, 5e-07}});
}

TEST(Schedules, SequentialLR) {
  TwoGroups t;
  nn::LinearLR warmup(t.sgd, {.start_factor = 0.1, .total_iters = 5});
  nn::CosineAnnealingLR cosine(t.sgd, {.T_max = 10});
  nn::ExponentialLR exponential(t.sgd, {.gamma = 0.5});
  nn::SequentialLR schedule(t.sgd, {&warmup, &cosine, &exponential}, {5, 12});
  expect_recorded(t.sgd, schedule,
                  {{0, 0.04000000000000001, 0.005000000000000001},
                   {2, 0.18400000000000002, 0.023000000000000003},
                   {4, 0.328, 0.041},
                   {5, 0.4, 0.05},
                   {6, 0.39021130325903075, 0.048776412907378844},
                   {11, 0.13819660112501056, 0.01727457514062632},
                   {12, 0.4, 0.05},
                   {13, 0.2, 0.025},
                   {20, 0.0015625, 0.0001953125}});

  // Its state holds that of its parts: another part is another schedule.
  TwoGroups u;
  nn::LinearLR warmup_too(u.sgd, {.start_factor = 0.2, .total_iters = 5});
  nn::CosineAnnealingLR cosine_too(u.sgd, {.T_max = 10});
  nn::StepLR steps(u.sgd, {});
  nn::SequentialLR other(u.sgd, {&warmup_too, &cosine_too, &steps}, {5, 12});
  const std::string what =
      error_of<StateError>([&] { other.load_state_dict(schedule.state_dict()); }, ErrorCode::state_mismatch);
  EXPECT_NE(what.find("0.LinearLR.start_factor: 0.2 expected, 0.1 given"), std::string::npos) << what;
  EXPECT_NE(what.find("2.StepLR.gamma: missing"), std::string::npos) << what;
}

TEST(Schedules, WarmupCosineKeepsTheRatioOfTheGroups) {
  TwoGroups t;
  const nn::WarmupCosineOptions options{.base_lr = 0.8, .warmup_steps = 2, .total_steps = 10, .min_lr = 0.1};
  nn::WarmupCosine schedule(t.sgd, options);
  for (std::int64_t step = 0; step < 12; ++step) {
    EXPECT_EQ(schedule.lr_at(step), options.lr_at(step));
    EXPECT_DOUBLE_EQ(schedule.lr_at(step, 1), options.lr_at(step) / 8);
  }
  nn::SGD frozen({{leaf(), {.lr = 0}}, {leaf(), {.lr = 0.05}}});
  error_of<ValueError>([&] { nn::WarmupCosine(frozen, options); }, ErrorCode::value_invalid);
  nn::CosineAnnealingLR rates(frozen, {.T_max = 4});  // these start from each group's own rate
  EXPECT_EQ(rates.lr_at(0, 1), 0.05);
}

TEST(Schedules, StateHoldsTheRatesOfEveryGroup) {
  TwoGroups t;
  nn::StepLR schedule(t.sgd, {.step_size = 2});
  for (int i = 0; i < 5; ++i) schedule.step();
  nn::SGD other({{leaf(), {.lr = 0.4}}, {leaf(), {.lr = 0.06}}});
  nn::StepLR same(other, {.step_size = 2});
  const std::string what =
      error_of<StateError>([&] { same.load_state_dict(schedule.state_dict()); }, ErrorCode::state_mismatch);
  EXPECT_NE(what.find("base_lr.1: 0.06 expected, 0.05 given"), std::string::npos) << what;
  TwoGroups u;
  nn::StepLR fits(u.sgd, {.step_size = 2});
  fits.load_state_dict(schedule.state_dict());
  EXPECT_EQ(fits.position(), 5);
  EXPECT_EQ(u.sgd.lr(1), t.sgd.lr(1));
}

TEST(Schedules, AGroupAddedLaterIsLeftAlone) {
  TwoGroups t;
  nn::ExponentialLR schedule(t.sgd, {.gamma = 0.5});
  t.sgd.add_param_group({leaf(), {.lr = 3}});
  schedule.step();
  EXPECT_EQ(t.sgd.lr(0), 0.2);
  EXPECT_EQ(t.sgd.lr(2), 3);
  error_of<IndexError>([&] { schedule.lr_at(0, 2); }, ErrorCode::index_out_of_range);
  nn::StepLR late(t.sgd, {});  // from what the program chose, not from where the other schedule has got to
  EXPECT_EQ(late.lr_at(0), 0.4);
  error_of<ValueError>([&] { nn::SequentialLR(t.sgd, {&schedule, &late}, {5}); }, ErrorCode::value_invalid);
}

TEST(Schedules, ARateThatOverflowsIsRefusedAndThePositionStays) {
  nn::SGD sgd(leaf(), {.lr = 1e300});
  nn::ExponentialLR schedule(sgd, {.gamma = 1e7});
  schedule.step();
  const std::string what = error_of<ValueError>([&] { schedule.step(); }, ErrorCode::value_out_of_range);
  EXPECT_NE(what.find("[ExponentialLR] the learning rate at step 2 is inf"), std::string::npos) << what;
  EXPECT_EQ(schedule.position(), 1);
  EXPECT_EQ(sgd.lr(), schedule.lr_at(1));
}

TEST(Schedules, RefuseTheirArguments) {
  TwoGroups t, u;
  const auto range = [&](auto&& act) { error_of<ValueError>(act, ErrorCode::value_out_of_range); };
  const auto invalid = [&](auto&& act) { error_of<ValueError>(act, ErrorCode::value_invalid); };
  range([&] { nn::StepLR(t.sgd, {.step_size = 0}); });
  range([&] { nn::StepLR(t.sgd, {.gamma = nan}); });
  range([&] { nn::MultiStepLR(t.sgd, {.milestones = {1}, .gamma = 0}); });
  range([&] { nn::MultiStepLR(t.sgd, {.milestones = {-1}}); });
  invalid([&] { nn::MultiStepLR(t.sgd, {.milestones = {3, 2}}); });
  range([&] { nn::ExponentialLR(t.sgd, {.gamma = -1}); });
  range([&] { nn::CosineAnnealingLR(t.sgd, {.T_max = 0}); });
  range([&] { nn::CosineAnnealingLR(t.sgd, {.T_max = 3, .eta_min = nan}); });
  range([&] { nn::LinearLR(t.sgd, {.start_factor = 0}); });
  range([&] { nn::LinearLR(t.sgd, {.start_factor = 1.5}); });
  range([&] { nn::LinearLR(t.sgd, {.end_factor = -0.5}); });
  range([&] { nn::LinearLR(t.sgd, {.total_iters = 0}); });
  range([&] { nn::OneCycleLR(t.sgd, {.total_steps = 5}); });
  range([&] { nn::OneCycleLR(t.sgd, {.max_lr = 1}); });
  range([&] { nn::OneCycleLR(t.sgd, {.max_lr = 1, .total_steps = 5, .pct_start = 1.1}); });
  range([&] { nn::OneCycleLR(t.sgd, {.max_lr = 1, .total_steps = 5, .pct_start = 0.6, .three_phase = true}); });
  range([&] { nn::OneCycleLR(t.sgd, {.max_lr = 1, .total_steps = 5, .div_factor = 0}); });
  EXPECT_EQ(t.sgd.lr(0), 0.4);
  nn::StepLR own(t.sgd, {}), again(t.sgd, {}), foreign(u.sgd, {});
  invalid([&] { nn::SequentialLR(t.sgd, {}, {}); });
  invalid([&] { nn::SequentialLR(t.sgd, {&own, nullptr}, {3}); });
  invalid([&] { nn::SequentialLR(t.sgd, {&own, &foreign}, {3}); });
  invalid([&] { nn::SequentialLR(t.sgd, {&own, &again}, {}); });
  invalid([&] { nn::SequentialLR(t.sgd, {&own, &again}, {0}); });
  invalid([&] { nn::SequentialLR(t.sgd, {&own, &again, &own}, {3, 3}); });
  EXPECT_EQ(nn::OneCycleLROptions().lr_at(4), 0);  // not checked, not undefined either
}

}  // namespace
}  // namespace weft::test
