// The part of an ensemble that is walked, laid out for it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ensemble.hpp"

namespace pellucid {

// Nodes tree by tree on the way down, so that those that are visited together lie together.
class WalkedTrees {
 public:
  static constexpr std::int32_t none = -1;

  // A node's place in the ensemble, and its children's in the tree's layout; none where they are not walked.
  struct Node {
    std::int32_t node, left = none, right = none;
  };

  WalkedTrees() = default;

  // With a node that is `marked` all above it are.
  WalkedTrees(const Ensemble& trees, const std::vector<bool>& marked);

  // The root's place is 0; a tree may have no nodes.
  std::span<const Node> tree(std::size_t i) const {
    return std::span(nodes_).subspan(first_[i], first_[i + 1] - first_[i]);
  }
  std::size_t largest() const { return largest_; }

 private:
  void lay_out(const Ensemble& trees, const std::vector<bool>& marked, std::int32_t root);

  std::vector<Node> nodes_;
  std::vector<std::size_t> first_;  // per tree, and the end
  std::size_t largest_ = 0;
};

}  // namespace pellucid
