#include "ensemble.hpp"

#include <vector>

namespace pellucid {
namespace {

bool inside(std::int32_t position, std::size_t size) { return position >= 0 && std::size_t(position) < size; }

// Reaches the node once; false when it lies outside or was reached before.
bool reach(std::int32_t node, std::vector<bool>& reached, std::vector<std::int32_t>& open) {
  if (!inside(node, reached.size()) || reached[std::size_t(node)]) return false;
  reached[std::size_t(node)] = true;
  open.push_back(node);
  return true;
}

// Whether every set of categories lies inside the pool.
bool sets_are_sound(const Ensemble& trees) {
  if (trees.bits_begin.empty()) return true;
  for (std::size_t i = 0; i < trees.bits_begin.size(); ++i) {
    const std::int64_t begin = trees.bits_begin[i], words = trees.bits_words[i];
    if (begin >= 0 && (words < 1 || begin + words > std::int64_t(trees.bits.size()))) return false;
  }
  return true;
}

}  // namespace

bool is_sound(const Ensemble& trees) {
  if (!sets_are_sound(trees)) return false;
  for (const std::int32_t player : trees.player) {
    if (!inside(player, trees.n_players)) return false;
  }
  for (const std::int32_t output : trees.output) {
    if (output < 0 || std::size_t(output) + trees.width > trees.n_outputs()) return false;
  }
  std::vector<bool> reached(trees.feature.size());
  std::vector<std::int32_t> open;
  for (const std::int32_t root : trees.roots) {
    if (!reach(root, reached, open)) return false;
    while (!open.empty()) {
      const std::int32_t node = open.back();
      open.pop_back();
      if (trees.is_leaf(node)) continue;
      if (!inside(trees.feature[node], trees.n_columns())) return false;
      if (!reach(trees.left[node], reached, open) || !reach(trees.right[node], reached, open)) return false;
    }
  }
  return true;
}

}  // namespace pellucid
