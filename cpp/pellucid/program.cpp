#include "program.hpp"

#include <algorithm>

namespace pellucid {
namespace {

struct Compiler {
  const Ensemble& trees;
  Program program;
  std::vector<double> cold;            // per player, on the path to here
  std::vector<std::int32_t> used;      // per player: splits on the path to here
  std::vector<std::uint32_t> path;     // splits entered and not left
  std::vector<double> expected_left;   // per level and output: expectation of the left child
  std::vector<double> expected;        // of the node just finished
  std::size_t distinct = 0;

  explicit Compiler(const Ensemble& ensemble)
      : trees(ensemble), cold(ensemble.n_players, 1.0), used(ensemble.n_players, 0), expected(ensemble.width) {}

  const double* leaf_or_null(std::int32_t node) const {
    return trees.is_leaf(node) ? trees.leaf_value(node) : nullptr;
  }

  void enter(std::int32_t node, bool is_left) {
    const std::int32_t column = trees.feature[node];
    const std::int32_t player = trees.player[column];
    Split split{node, column, player, path.size(), used[player] > 0, is_left,
                leaf_or_null(trees.left[node]), leaf_or_null(trees.right[node]), shares(trees, node), cold[player]};
    distinct += used[player]++ == 0;
    cold[player] = split.cold * split.share.left;
    program.distinct = std::max(program.distinct, distinct);
    path.push_back(std::uint32_t(program.splits.size()));
    program.levels = std::max(program.levels, path.size());
    expected_left.resize(std::max(expected_left.size(), path.size() * trees.width));
    program.moves.push_back({Step::enter, path.back()});
    program.splits.push_back(split);
    if (split.left) std::copy_n(split.left, trees.width, expected.begin());
  }

  void turn(const Split& split) {
    program.moves.push_back({Step::turn, path.back()});
    cold[split.player] = split.cold * split.share.right;
    std::copy_n(expected.begin(), trees.width, expected_left.begin() + std::ptrdiff_t(split.level * trees.width));
    if (split.right) std::copy_n(split.right, trees.width, expected.begin());
  }

  void leave(const Split& split) {
    program.moves.push_back({Step::leave, path.back()});
    cold[split.player] = split.cold;
    distinct -= --used[split.player] == 0;
    const double* left = expected_left.data() + split.level * trees.width;
    for (std::size_t k = 0; k < trees.width; ++k) {
      expected[k] = split.share.left * left[k] + split.share.right * expected[k];
    }
    path.pop_back();
  }

  void walk(std::int32_t root) {
    std::vector<int> stage{0};  // per split on the path: what has been done
    enter(root, true);
    while (!path.empty()) {
      const Split split = program.splits[path.back()];
      switch (stage.back()++) {
        case 0:
          if (split.left) break;
          stage.push_back(0);
          enter(trees.left[split.node], true);
          break;
        case 1:
          turn(split);
          if (split.right) break;
          stage.push_back(0);
          enter(trees.right[split.node], false);
          break;
        default:
          leave(split);
          stage.pop_back();
      }
    }
  }
};

}  // namespace

Program compile(const Ensemble& trees, std::size_t tree) {
  Compiler compiler(trees);
  const std::int32_t root = trees.roots[tree];
  if (trees.is_leaf(root)) {
    std::copy_n(trees.leaf_value(root), trees.width, compiler.expected.begin());
  } else {
    compiler.walk(root);
  }
  compiler.program.first_output = std::size_t(trees.output[tree]);
  compiler.program.expectation = std::move(compiler.expected);
  return std::move(compiler.program);
}

}  // namespace pellucid
