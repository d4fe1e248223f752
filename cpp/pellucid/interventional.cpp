#include "interventional.hpp"

#include <algorithm>
#include <vector>

#include "cohort.hpp"
#include "cohort_walk.hpp"
#include "leaf_tables.hpp"

namespace pellucid {
namespace {

// Adds the trees' sum over the background rows of one piece.
void add_predictions(const Ensemble& trees, const Piece& piece, double* sums) {
  struct Reached {
    std::int32_t node;
    Cohort cohort;
  };
  std::vector<Reached> open;
  for (std::size_t tree = 0; tree < trees.roots.size(); ++tree) {
    open.push_back({trees.roots[tree], piece.everyone});
    while (!open.empty()) {
      const Reached at = open.back();
      open.pop_back();
      if (at.cohort.empty()) continue;
      if (trees.is_leaf(at.node)) {
        const double* value = trees.leaf_value(at.node);
        const double size = double(at.cohort.size());
        for (std::size_t k = 0; k < trees.width; ++k) sums[std::size_t(trees.output[tree]) + k] += size * value[k];
        continue;
      }
      const Cohort& lefts = piece.lefts[std::size_t(at.node)];
      open.push_back({trees.right[at.node], without(at.cohort, lefts)});
      open.push_back({trees.left[at.node], at.cohort & lefts});
    }
  }
}

}  // namespace

void interventional(const Ensemble& trees, const Matrix& rows, const Matrix& background, std::size_t table_players,
                    std::size_t threads, double* values, double* base) {
  const std::size_t size = rows.rows * trees.n_players * trees.n_outputs();
  const double count = double(background.rows);
  std::fill_n(values, size, 0.0);
  std::fill_n(base, trees.n_outputs(), 0.0);
  LeafTables tables(trees, table_players);
  const bool all_in_tables = std::none_of(trees.roots.begin(), trees.roots.end(),
                                          [&](std::int32_t root) { return tables.walked()[std::size_t(root)]; });
  for (std::size_t first = 0; first < background.rows; first += Cohort::capacity) {
    const Piece piece(trees, background, first, threads);
    add_predictions(trees, piece, base);
    tables.count(piece, threads);
    if (!all_in_tables) cohort_walk(trees, rows, piece, tables.walked(), threads, values);
  }
  for (std::size_t i = 0; i < size; ++i) values[i] /= count;
  for (std::size_t k = 0; k < trees.n_outputs(); ++k) base[k] = trees.base[k] + base[k] / count;
  tables.finish(count, threads);
  tables.explain(rows, threads, values);
}

}  // namespace pellucid
