#include "cohort.hpp"

#include "parallel.hpp"

namespace pellucid {

Piece::Piece(const Ensemble& trees, const Matrix& background, std::size_t first, std::size_t threads)
    : everyone(Cohort::first(background.rows - first)), lefts(trees.feature.size()) {
  constexpr std::size_t nodes_per_item = 1024;
  const std::size_t count = std::min(Cohort::capacity, background.rows - first);
  parallel_for((lefts.size() + nodes_per_item - 1) / nodes_per_item, threads, [&] {
    return [&](std::size_t item) {
      const std::size_t end = std::min(lefts.size(), (item + 1) * nodes_per_item);
      for (std::size_t at = item * nodes_per_item; at < end; ++at) {
        const std::int32_t node = std::int32_t(at);
        if (trees.is_leaf(node)) continue;
        for (std::size_t i = 0; i < count; ++i) {
          const double z = trees.rounded(background.row(first + i)[trees.feature[node]]);
          lefts[at].insert(i, trees.goes_left(node, z));
        }
      }
    };
  });
}

}  // namespace pellucid
