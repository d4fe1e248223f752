#include "walked_trees.hpp"

namespace pellucid {

WalkedTrees::WalkedTrees(const Ensemble& trees, const std::vector<bool>& marked) : first_{0} {
  for (const std::int32_t root : trees.roots) {
    lay_out(trees, marked, root);
    largest_ = std::max(largest_, nodes_.size() - first_.back());
    first_.push_back(nodes_.size());
  }
}

void WalkedTrees::lay_out(const Ensemble& trees, const std::vector<bool>& marked, std::int32_t root) {
  struct Open {
    std::int32_t node, above;
    bool is_left;
  };
  std::vector<Open> open{{root, none, false}};
  while (!open.empty()) {
    const auto [node, above, is_left] = open.back();
    open.pop_back();
    if (!marked[std::size_t(node)]) continue;
    const std::int32_t place = std::int32_t(nodes_.size() - first_.back());
    nodes_.push_back({node});
    Node* tree = nodes_.data() + first_.back();
    if (above != none) (is_left ? tree[above].left : tree[above].right) = place;
    if (trees.is_leaf(node)) continue;
    open.push_back({trees.right[node], place, false});
    open.push_back({trees.left[node], place, true});
  }
}

}  // namespace pellucid
