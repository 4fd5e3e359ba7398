#pragma once
// Modules kept in a list or under names, for a model that decides itself how to call them.
//
//     struct Net : nn::Module {
//       nn::Ptr<nn::ModuleList> layers = register_module("layers", nn::ModuleList{nn::Linear(8, 8), nn::Linear(8, 8)});
//       weft::Tensor forward(const weft::Tensor& x) override {
//         weft::Tensor y = x;
//         for (nn::Module& layer : *layers) y = y + layer(y).relu();
//         return y;
//       }
//     };

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>

namespace weft::nn {

/// Goes through the children of a container: *it is a Module&.
class ModuleIterator {
 public:
  using Position = std::vector<std::pair<std::string, std::shared_ptr<Module>>>::const_iterator;
  explicit ModuleIterator(Position position) noexcept : position_(position) {}
  Module& operator*() const noexcept { return *position_->second; }
  ModuleIterator& operator++() noexcept {
    ++position_;
    return *this;
  }
  bool operator==(const ModuleIterator& other) const noexcept { return position_ == other.position_; }
  bool operator!=(const ModuleIterator& other) const noexcept { return position_ != other.position_; }

 private:
  Position position_;
};

/// Modules named "0", "1", ...: the parameters of the list above are "layers.0.weight", ... It cannot be called itself.
class WEFT_API ModuleList : public Module {
 public:
  ModuleList() noexcept {}
  ModuleList(std::initializer_list<AnyModule> modules, CallSite at = CallSite::here());

  ModuleList& push_back(AnyModule module, CallSite at = CallSite::here());

  std::size_t size() const noexcept { return named_children().size(); }
  /// Throws IndexError (index_out_of_range) naming the size.
  Module& at(std::size_t index, CallSite at = CallSite::here()) const;
  Module& operator[](std::size_t index) const { return at(index); }
  /// As the type it is; ValueError (value_invalid) where it is another.
  template <class M>
  M& get(std::size_t index, CallSite site = CallSite::here()) const {
    Module& module = at(index, site);
    M* typed = dynamic_cast<M*>(&module);
    if (typed == nullptr) refuse_type(module, site);
    return *typed;
  }
  ModuleIterator begin() const noexcept { return ModuleIterator(named_children().begin()); }
  ModuleIterator end() const noexcept { return ModuleIterator(named_children().end()); }

  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  [[noreturn]] static void refuse_type(const Module& module, CallSite at);
};

/// Modules under names of their own, in order of insertion. It cannot be called itself.
class WEFT_API ModuleDict : public Module {
 public:
  ModuleDict() noexcept {}
  ModuleDict(std::initializer_list<std::pair<std::string, AnyModule>> modules, CallSite at = CallSite::here());

  /// Throws as register_module().
  ModuleDict& insert(std::string_view name, AnyModule module, CallSite at = CallSite::here());

  std::size_t size() const noexcept { return named_children().size(); }
  bool contains(std::string_view name) const noexcept;
  std::vector<std::string> keys() const;
  /// Throws ValueError (value_invalid) naming those there are.
  Module& at(std::string_view name, CallSite at = CallSite::here()) const;
  Module& operator[](std::string_view name) const { return at(name); }
  /// As the type it is; ValueError (value_invalid) where it is another.
  template <class M>
  M& get(std::string_view name, CallSite site = CallSite::here()) const {
    Module& module = at(name, site);
    M* typed = dynamic_cast<M*>(&module);
    if (typed == nullptr) refuse_type(module, site);
    return *typed;
  }
  ModuleIterator begin() const noexcept { return ModuleIterator(named_children().begin()); }
  ModuleIterator end() const noexcept { return ModuleIterator(named_children().end()); }

  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  [[noreturn]] static void refuse_type(const Module& module, CallSite at);
};

}  // namespace weft::nn
