// Shape, index and linear algebra.

#include "libtorch/torch_functions.h"

namespace weft::test {

using T = torch::Tensor;
using Ts = std::vector<torch::Tensor>;
namespace F = torch::nn::functional;

namespace {

T padded(const T& x, std::vector<std::int64_t> amounts, F::PadFuncOptions::mode_t mode = torch::kConstant,
         double value = 0) {
  return F::pad(x, F::PadFuncOptions(std::move(amounts)).mode(std::move(mode)).value(value));
}

/// LibTorch has no constant padding of bool.
T padded_any(const T& x, std::vector<std::int64_t> amounts, double value = 0) {
  if (x.scalar_type() != torch::kBool) return padded(x, std::move(amounts), torch::kConstant, value);
  return padded(x.to(torch::kUInt8), std::move(amounts), torch::kConstant, value).to(torch::kBool);
}

T padded_edge(const T& x, std::vector<std::int64_t> amounts, F::PadFuncOptions::mode_t mode) {
  if (x.scalar_type() != torch::kBool) return padded(x.unsqueeze(0), std::move(amounts), std::move(mode));
  return padded(x.to(torch::kFloat32).unsqueeze(0), std::move(amounts), std::move(mode)).to(torch::kBool);
}

}  // namespace

void add_index_functions(std::map<std::string, TorchCall>& t) {
  t["view"] = [](const Ts& x) { return x[0].view({4, -1}); };
  t["view/strided"] = [](const Ts& x) { return x[0].slice(1, 0, 6, 2).view({2, 2, 3}); };
  t["squeeze/all"] = [](const Ts& x) { return x[0].squeeze(); };
  t["squeeze/some"] = [](const Ts& x) { return x[0].squeeze(-1).squeeze(0); };
  t["split"] = [](const Ts& x) { return x[0].split(2)[2]; };
  t["split/sizes"] = [](const Ts& x) { return x[0].split_with_sizes({1, 3, 2}, -1)[1]; };
  t["split/together"] = [](const Ts& x) { return x[0].split(3)[1] + x[0].split(3)[0]; };
  t["chunk"] = [](const Ts& x) { return x[0].chunk(3)[2]; };
  t["stack"] = [](const Ts& x) { return torch::stack({x[0], x[1], x[2]}); };
  t["stack/last"] = [](const Ts& x) { return torch::stack({x[0], x[1], x[0]}, -1); };
  t["repeat"] = [](const Ts& x) { return x[0].repeat({2, 3}); };
  t["repeat/new-axes"] = [](const Ts& x) { return x[0].repeat({2, 1, 1, 2}); };
  t["repeat/rank-0"] = [](const Ts& x) { return x[0].repeat({4}); };
  t["repeat/once"] = [](const Ts& x) { return x[0].repeat({1, 1}); };
  t["repeat/never"] = [](const Ts& x) { return x[0].repeat({2, 0}); };
  t["repeat/rank-8"] = [](const Ts& x) { return x[0].repeat({2, 1, 2, 1, 2, 1, 1, 2}); };
  t["roll"] = [](const Ts& x) { return x[0].roll(2, 0); };
  t["roll/back"] = [](const Ts& x) { return x[0].roll(-7, 1); };
  t["roll/two"] = [](const Ts& x) { return x[0].roll({1, -1}, {0, 1}); };
  t["roll/twice"] = [](const Ts& x) { return x[0].roll({1, 2}, {0, -2}); };
  t["roll/flat"] = [](const Ts& x) { return x[0].roll(5); };
  t["flip"] = [](const Ts& x) { return x[0].flip(1); };
  t["flip/two"] = [](const Ts& x) { return x[0].flip({0, -1}); };
  t["flip/all"] = [](const Ts& x) { return x[0].dim() == 0 ? x[0].clone() : x[0].flip({0, 1}); };
  t["pad"] = [](const Ts& x) { return padded_any(x[0], {1, 2}); };
  t["pad/value"] = [](const Ts& x) { return padded_any(x[0], {0, 1, 2, 1}, 1); };
  t["pad/crop"] = [](const Ts& x) { return padded_any(x[0], {-1, -2, 1, -3}, 1); };
  // LibTorch refuses to take everything away
  t["pad/crop-all"] = [](const Ts& x) { return torch::cat({x[0], x[0].narrow(0, 0, 2)}).narrow(1, 3, 0); };
  t["pad/none"] = [](const Ts& x) { return x[0].clone(); };
  t["pad/reflect"] = [](const Ts& x) { return padded_edge(x[0], {2, 4, 3, 0}, torch::kReflect); };
  t["pad/replicate"] = [](const Ts& x) { return padded_edge(x[0], {2, 4, 0, 1}, torch::kReplicate); };
  t["pad/circular"] = [](const Ts& x) { return padded_edge(x[0], {2, 3}, torch::kCircular); };
  t["tril"] = [](const Ts& x) { return x[0].tril(); };
  t["tril/above"] = [](const Ts& x) { return x[0].tril(1); };
  t["tril/far"] = [](const Ts& x) { return x[0].tril(-9); };
  t["triu"] = [](const Ts& x) { return x[0].triu(); };
  t["triu/below"] = [](const Ts& x) { return x[0].triu(-1); };
  t["triu/far"] = [](const Ts& x) { return x[0].triu(9); };

  for (const char* equation : {"ij->ji",
                               "ba",
                               "ijk->ki",
                               "...j->...",
                               "i...->...i",
                               "ij->",
                               "->",
                               "ij,jk->ik",
                               "ij,jk",
                               "ij,kj->ki",
                               "bij,bjk->bik",
                               "i,j->ij",
                               "ij,ij->ij",
                               "bhqd,bhkd->bhqk",
                               "i,i",
                               "ij,ij->j",
                               "ij,ji->",
                               "ij,k->i",
                               "ijk,kjl->li",
                               "...ij,...jk->...ik",
                               "...i,i...->...",
                               ",ij->ji",
                               "...a,...a->a",
                               "i...,...->i...",
                               "ab,cd->dbca",
                               "B i j , j K -> K B i"}) {
    t[std::string("einsum/") + equation] = [equation](const Ts& x) { return torch::einsum(equation, x); };
  }
  t["einsum/ij,jk->ik one"] = [](const Ts& x) { return torch::einsum("ij,jk->ik", x); };
  t["outer"] = [](const Ts& x) { return torch::outer(x[0], x[1]); };

  t["gather"] = [](const Ts& x) { return x[0].gather(0, x[1]); };
  t["gather/last"] = [](const Ts& x) { return x[0].gather(-1, x[1]); };
  t["gather/part"] = [](const Ts& x) { return x[0].gather(1, x[1]); };
  // LibTorch wants a source of index's shape when it goes back
  t["scatter_add"] = [](const Ts& x) { return x[0].scatter_add(0, x[1], x[2].narrow(0, 0, x[1].size(0))); };
  t["scatter_add/part"] = [](const Ts& x) {
    return x[0].scatter_add(1, x[1], x[2].narrow(0, 0, x[1].size(0)).narrow(2, 0, x[1].size(2)));
  };
  t["masked_fill"] = t["masked_fill/broadcast"] = [](const Ts& x) { return x[0].masked_fill(x[1], 1); };
  t["masked_fill/tensor"] = [](const Ts& x) { return x[0].masked_fill(x[1], x[2]); };
  t["embedding"] = [](const Ts& x) { return torch::embedding(x[1], x[0]); };
  t["embedding/padding"] = [](const Ts& x) { return torch::embedding(x[1], x[0], 3); };
  t["embedding/padding-from-the-end"] = [](const Ts& x) { return torch::embedding(x[1], x[0], 3); };
  t["one_hot"] = [](const Ts& x) { return torch::one_hot(x[0], 5); };
  t["one_hot/largest"] = [](const Ts& x) { return torch::one_hot(x[0]); };
  t["gather_batch"] = [](const Ts& x) {
    return (x[0] * 16).to(torch::kUInt8).index_select(0, x[1]).to(x[0].scalar_type()) * 2 - 1.5;
  };
  t["gather_batch/labels"] = [](const Ts& x) { return x[0].index_select(0, x[1]); };
}

}  // namespace weft::test
