#include <cstdlib>
#include <optional>
#include <stdexcept>

#include <weft/data/loader.h>
#include <weft/nn/checkpoint.h>
#include <weft/nn/linear.h>
#include <weft/tensor/creation.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

ImageDataset few_images(std::int64_t count = 5) {
  return {zeros({count, 2, 2}, DType::uint8), zeros({count}, DType::int64), 10, "a few images"};
}

class Broken : public Dataset {
 public:
  std::int64_t size() const override { return 5; }
  ExampleLayout layout() const override { return {.input = {1}, .target = {}}; }
  void get(std::int64_t index, const ExampleSlot& slot) const override {
    if (index == 3) throw std::runtime_error("the disk is on fire");
    slot.input<float>()[0] = 0;
    slot.target<std::int64_t>()[0] = 0;
  }
};

Refusal options(const char* id, const char* what, LoaderOptions o, std::vector<std::string> words) {
  return {id, what, [o](Bench&) { DataLoader(few_images(), o); }, ErrorCode::value_out_of_range, std::move(words)};
}

}  // namespace

std::vector<Refusal> loader_refusals() {
  using E = ErrorCode;
  return {
      options("L1", "batch size 0", {.batch_size = 0}, {"batch_size", "0"}),
      options("L1", "batch size -3", {.batch_size = -3}, {"batch_size", "-3"}),
      options("L2", "-1 workers", {.workers = -1}, {"workers", "-1"}),
      options("L2", "a million workers", {.workers = 1000000}, {"workers", "1000000", "256"}),
      {"L3",
       "fewer examples than a batch, the last dropped",
       [](Bench&) { DataLoader(few_images(), {.batch_size = 6, .drop_last = true}); },
       E::value_out_of_range,
       {"drop_last", "6", "5"}},
      {"L4",
       "a subset with an index outside",
       [](Bench&) {
         Subset(std::make_shared<ImageDataset>(few_images()), {0, 5});
       },
       E::index_out_of_range,
       {"5"}},
      {"L7",
       "a checkpoint of another model: everything listed",
       [](Bench& b) {
         nn::Linear small(2, 3), large(2, 4);
         nn::Training training;
         training.model = &small;
         nn::save_checkpoint(b.folder() + "/a.safetensors", training);
         for (const Tensor& p : large.parameters()) b.keep(p);
         training.model = &large;
         nn::load_checkpoint(b.folder() + "/a.safetensors", training);
       },
       E::state_mismatch,
       {"weight", "(4, 2)", "(3, 2)", "bias"}},
      {"L7",
       "a checkpoint of other data",
       [](Bench& b) {
         nn::Linear model(2, 3);
         nn::Training training;
         training.model = &model;
         nn::Progress progress;
         progress.identity = {{"data", "MNIST"}};
         nn::save_checkpoint(b.folder() + "/a.safetensors", training, progress);
         nn::load_checkpoint(b.folder() + "/a.safetensors", training, {{"data", "synthetic"}});
       },
       E::state_mismatch,
       {"data", "MNIST", "synthetic"}},
      {"L7",
       "a loader state of other data",
       [](Bench&) {
         DataLoader five(few_images(5), {.batch_size = 2}), six(few_images(6), {.batch_size = 2});
         six.load_state(five.state());
       },
       E::state_mismatch,
       {"5", "6"}},
      {"L8",
       "a checkpoint folder below a file",
       [](Bench& b) { nn::CheckpointFolder(b.file("plain", "x") + "/runs"); },
       E::io_open,
       {"plain/runs"}},
      {"L8",
       "a checkpoint to a full disk",
       [](Bench&) {
         nn::Linear model(2, 3);
         nn::Training training;
         training.model = &model;
         nn::save_checkpoint("/dev/full", training);
       },
       E::io_write,
       {"/dev/full"}},
      {"L12",
       "two trainers on one checkpoint folder",
       [](Bench& b) {
         const nn::CheckpointFolder first(b.folder() + "/runs");
         const nn::CheckpointFolder second(b.folder() + "/runs");
       },
       E::io_open,
       {"runs"}},
      {"L14",
       "two iterations at once",
       [](Bench&) {
         DataLoader loader(few_images(), {.batch_size = 2});
         const auto first = loader.epoch(0);
         const auto second = loader.epoch(1);
       },
       E::state_mismatch,
       {"epoch"}},
      {"L16",
       "an example that cannot be read: it is named",
       [](Bench&) {
         DataLoader loader(Broken(), {.batch_size = 2, .workers = 2});
         for (int i = 0; i < 3; ++i) loader.next();
       },
       E::io_read,
       {"3", "the disk is on fire"}},
  };
}

std::vector<NotDue> not_due() {
  return {
      {"T21", "casts saturate, NaN becomes 0: nothing to refuse (tested as a rule)"},
      {"T24", "no function takes strides from the user"},
      {"O34", "resize: not built yet"},
      {"O36", "no function takes an output argument"},
      {"A10", "nothing to refuse: deep graphs work (tested in autograd)"},
      {"A12 A13", "tested in autograd: a freed parameter keeps its storage, two threads on one graph are refused"},
      {"N15", "a module shares ownership of its parameters: they cannot be freed under it"},
      {"D4-D9", "about the CUDA backend"},
      {"I16", "not refused: float and integer IDX files are read as big-endian (tested in data)"},
      {"P1-P16", "image files are not read yet"},
      {"S20", "misaligned offsets are copied, not refused (tested in tensor)"},
      {"S25 S26", "finite weights and sharded files: not built yet"},
      {"Y13 Y14", "not refused: Fortran order is honoured, big-endian is swapped (tested in tensor)"},
      {"X1-X7", "no export yet"},
      {"L6 L9 L10 L11 L15", "command line: tested with train_mnist"},
      {"L13", "the data set is read into memory once: a file replaced later is not seen"},
  };
}

}  // namespace weft::test
