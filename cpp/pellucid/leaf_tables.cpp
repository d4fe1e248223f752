// For a leaf whose path has the d players F, let Q(A) be the share of background rows that pass all splits of the
// players in A. A coalition S reaches the leaf when the row passes the splits of S and the background row those of
// the rest: worth v [S within H] Q(F - S), H being the players whose splits the row passes. With the weights
// B(s, d - s + 1) = (s - 1)! (d - s)! / d! of Shapley's formula and
//     gain(H) = sum over nonempty S within H of B(|S|, d - |S| + 1) Q(F - S),
//     loss(H) = gain(H) + sum over S within H, S != F, of B(|S| + 1, d - |S|) Q(F - S),
// every player of F earns v (gain(H) - loss(H without it)). All sums over subsets take d 2^(d-1) additions.

#include "leaf_tables.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "parallel.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_players = 12;                    // a table has 2^12 entries at most
constexpr std::size_t most_splits = 64;                     // on a path: each leaf keeps a list of them
constexpr std::size_t most_entries = std::size_t(1) << 25;  // of all tables together: 256 MB
constexpr std::size_t lanes = 16;
constexpr std::size_t rows_per_item = 64;

using Pattern = std::uint16_t;  // a set of a leaf's players
constexpr Pattern everything = 0xffff;

// sums[H] = sum of terms over the subsets of H.
void sum_over_subsets(double* terms, std::size_t players) {
  const std::size_t size = std::size_t(1) << players;
  for (std::size_t bit = 1; bit < size; bit <<= 1) {
    for (std::size_t set = 0; set < size; ++set) {
      if (set & bit) terms[set] += terms[set ^ bit];
    }
  }
}

}  // namespace

LeafTables::LeafTables(const Ensemble& trees, std::size_t table_players)
    : trees_(trees), table_players_(std::min(table_players, most_players)), walked_(trees.feature.size(), false) {
  for (std::size_t i = 0; i < trees.roots.size(); ++i) {
    Tree tree{{}, {}, std::size_t(trees.output[i])};
    list(trees.roots[i], tree);
    tables_of_.push_back(std::move(tree));
  }
}

void LeafTables::list(std::int32_t root, Tree& tree) {
  std::vector<std::pair<std::int32_t, bool>> path;  // split, whether its left child is being listed
  std::int32_t node = root;
  while (true) {
    if (!trees_.is_leaf(node)) {
      tree.splits.push_back(node);
      path.emplace_back(node, true);
      node = trees_.left[node];
      continue;
    }
    if (!add_leaf(node, path, tree)) {
      walked_[std::size_t(node)] = true;
      for (auto above = path.rbegin(); above != path.rend() && !walked_[std::size_t(above->first)]; ++above) {
        walked_[std::size_t(above->first)] = true;
      }
    }
    while (!path.empty() && !path.back().second) path.pop_back();
    if (path.empty()) return;
    path.back().second = false;
    node = trees_.right[path.back().first];
  }
}

bool LeafTables::add_leaf(std::int32_t node, const std::vector<std::pair<std::int32_t, bool>>& path, Tree& tree) {
  if (path.size() > most_splits) return false;
  Leaf leaf{node, conditions_.size(), path.size(), players_.size(), 0, gain_.size()};
  std::vector<std::int32_t> mine;
  std::vector<Condition> conditions;
  for (const auto& [split, left] : path) {
    const std::int32_t player = trees_.player[trees_.feature[split]];
    const auto at = std::find(mine.begin(), mine.end(), player);
    if (at == mine.end() && mine.size() == table_players_) return false;
    conditions.push_back({split, std::uint8_t(at - mine.begin()), left});
    if (at == mine.end()) mine.push_back(player);
  }
  leaf.n_players = mine.size();
  const std::size_t entries = std::size_t(1) << leaf.n_players;
  if (2 * (gain_.size() + entries) > most_entries) return false;
  conditions_.insert(conditions_.end(), conditions.begin(), conditions.end());
  players_.insert(players_.end(), mine.begin(), mine.end());
  gain_.resize(gain_.size() + entries);
  loss_.resize(loss_.size() + entries);
  if (leaf.n_players) tree.leaves.push_back(leaf);
  return true;
}

void LeafTables::count(const Piece& piece, std::size_t threads) {
  parallel_for(tables_of_.size(), threads, [&] {
    return [&, all_of = std::vector<Cohort>(std::size_t(1) << most_players)](std::size_t i) mutable {
      for (const Leaf& leaf : tables_of_[i].leaves) count(leaf, piece, all_of);
    };
  });
}

// gain[A] += number of background rows that pass all splits of the players in A.
void LeafTables::count(const Leaf& leaf, const Piece& piece, std::vector<Cohort>& all_of) {
  std::array<Cohort, most_players> passing;
  passing.fill(piece.everyone);
  for (std::size_t i = 0; i < leaf.n_conditions; ++i) {
    const Condition& condition = conditions_[leaf.condition + i];
    const Cohort& lefts = piece.lefts[std::size_t(condition.node)];
    Cohort& mine = passing[condition.slot];
    mine = condition.left ? mine & lefts : without(mine, lefts);
  }
  all_of[0] = piece.everyone;
  for (std::size_t slot = 0; slot < leaf.n_players; ++slot) {
    const std::size_t bit = std::size_t(1) << slot;
    for (std::size_t set = 0; set < bit; ++set) all_of[set | bit] = all_of[set] & passing[slot];
  }
  double* counts = gain_.data() + leaf.table;
  for (std::size_t set = 0; set < std::size_t(1) << leaf.n_players; ++set) counts[set] += double(all_of[set].size());
}

void LeafTables::finish(double background_rows, std::size_t threads) {
  parallel_for(tables_of_.size(), threads, [&] {
    return [&](std::size_t i) {
      for (const Leaf& leaf : tables_of_[i].leaves) finish(leaf, background_rows);
    };
  });
}

void LeafTables::finish(const Leaf& leaf, double background_rows) {
  const std::size_t d = leaf.n_players, size = std::size_t(1) << d;
  std::array<double, most_players + 1> beta{};  // B(s, d - s + 1)
  beta[1] = 1.0 / double(d);
  for (std::size_t s = 1; s < d; ++s) beta[s + 1] = beta[s] * double(s) / double(d - s);
  double* gain = gain_.data() + leaf.table;
  double* loss = loss_.data() + leaf.table;
  std::reverse(gain, gain + size);  // the rest of a set is its mirror image
  for (std::size_t set = 0; set < size; ++set) {
    const std::size_t s = std::size_t(std::popcount(set));
    const double share = gain[set] / background_rows;
    gain[set] = beta[s] * share;
    loss[set] = s < d ? beta[s + 1] * share : 0.0;
  }
  sum_over_subsets(gain, d);
  sum_over_subsets(loss, d);
  for (std::size_t set = 0; set < size; ++set) loss[set] += gain[set];
}

// Lanes of rows: every lane does the same arithmetic in the same order whatever its neighbours hold.
class LeafTables::Rows {
 public:
  explicit Rows(const LeafTables& tables)
      : tables_(tables), trees_(tables.trees_), left_(trees_.feature.size() * lanes) {
    x_.resize(rows_per_item / lanes * trees_.n_columns() * lanes);
    phi_.resize(rows_per_item / lanes * trees_.n_players * trees_.n_outputs() * lanes);
  }

  void explain(const Matrix& rows, std::size_t first, double* values) {
    const std::size_t blocks = (std::min(rows_per_item, rows.rows - first) + lanes - 1) / lanes;
    const std::size_t inputs = trees_.n_columns() * lanes;
    const std::size_t size = trees_.n_players * trees_.n_outputs();
    for (std::size_t block = 0; block < blocks; ++block) load(rows, first + block * lanes, x_.data() + block * inputs);
    std::fill(phi_.begin(), phi_.end(), 0.0);
    for (const Tree& tree : tables_.tables_of_) {
      if (tree.leaves.empty()) continue;
      for (std::size_t block = 0; block < blocks; ++block) {
        route(tree, x_.data() + block * inputs);
        for (const Leaf& leaf : tree.leaves) earn(tree, leaf, phi_.data() + block * size * lanes);
      }
    }
    for (std::size_t i = first; i < std::min(rows.rows, first + rows_per_item); ++i) {
      const std::size_t block = (i - first) / lanes, lane = (i - first) % lanes;
      const double* phi = phi_.data() + block * size * lanes + lane;
      for (std::size_t k = 0; k < size; ++k) values[i * size + k] += phi[k * lanes];
    }
  }

 private:
  // The last block repeats the last row, so that it runs through the very same code.
  void load(const Matrix& rows, std::size_t first, double* x) const {
    for (std::size_t b = 0; b < lanes; ++b) {
      const double* row = rows.row(std::min(first + b, rows.rows - 1));
      for (std::size_t j = 0; j < trees_.n_columns(); ++j) x[j * lanes + b] = trees_.rounded(row[j]);
    }
  }

  void route(const Tree& tree, const double* inputs) {
    for (const std::int32_t node : tree.splits) {
      const double* x = inputs + std::size_t(trees_.feature[node]) * lanes;
      Pattern* left = left_.data() + std::size_t(node) * lanes;
      for (std::size_t b = 0; b < lanes; ++b) left[b] = trees_.goes_left(node, x[b]) ? everything : 0;
    }
  }

  void earn(const Tree& tree, const Leaf& leaf, double* phi) const {
    std::array<Pattern, lanes> passed;  // H of each lane
    passed.fill(Pattern((1u << leaf.n_players) - 1));
    for (std::size_t i = 0; i < leaf.n_conditions; ++i) {
      const Condition& condition = tables_.conditions_[leaf.condition + i];
      const Pattern* left = left_.data() + std::size_t(condition.node) * lanes;
      const Pattern others = Pattern(~(1u << condition.slot));
      const Pattern flip = condition.left ? 0 : everything;
      for (std::size_t b = 0; b < lanes; ++b) passed[b] &= Pattern((left[b] ^ flip) | others);
    }
    const double* gain = tables_.gain_.data() + leaf.table;
    const double* loss = tables_.loss_.data() + leaf.table;
    std::array<double, lanes> gained, earned;
    for (std::size_t b = 0; b < lanes; ++b) gained[b] = gain[passed[b]];
    const double* value = trees_.leaf_value(leaf.node);
    for (std::size_t slot = 0; slot < leaf.n_players; ++slot) {
      const Pattern others = Pattern(~(1u << slot));
      for (std::size_t b = 0; b < lanes; ++b) earned[b] = gained[b] - loss[passed[b] & others];
      const std::size_t player = std::size_t(tables_.players_[leaf.player + slot]);
      double* to = phi + (player * trees_.n_outputs() + tree.first_output) * lanes;
      for (std::size_t k = 0; k < trees_.width; ++k) {
        for (std::size_t b = 0; b < lanes; ++b) to[k * lanes + b] += value[k] * earned[b];
      }
    }
  }

  const LeafTables& tables_;
  const Ensemble& trees_;
  std::vector<Pattern> left_;      // (nodes, lanes): all ones where the row goes left
  std::vector<double> x_, phi_;     // (blocks, columns, lanes), (blocks, players, outputs, lanes)
};

void LeafTables::explain(const Matrix& rows, std::size_t threads, double* values) const {
  parallel_for((rows.rows + rows_per_item - 1) / rows_per_item, threads, [&] {
    return [&, lanes_of = Rows(*this)](std::size_t item) mutable {
      lanes_of.explain(rows, item * rows_per_item, values);
    };
  });
}

}  // namespace pellucid
