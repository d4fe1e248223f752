// One walk per row and tree, shared by a cohort of background rows.
//
// A coalition S shows the row x to the players in S and a background row z to the others. A leaf is reached by the
// coalitions that hold all players of a set A (their splits let x pass but not z) and none of a set B (z but not x).
// With a = |A|, b = |B| its share of the Shapley value is
//     (a - 1)! b! / (a + b)!   for each player of A,    -a! (b - 1)! / (a + b)!   for each player of B,
// which are means of t^(a-1) (1-t)^b and t^a (1-t)^(b-1); a pair earns the mean with a power less for each of its two,
// and a minus for each of B. Other semivalues draw t from other distributions.
// The walk decides a player only where x and z part; background rows that took the same decisions walk together.

#include "cohort_walk.hpp"

#include <algorithm>
#include <utility>

#include "parallel.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_rows = 16;  // that go through a tree one after the other

enum class Decision : std::uint8_t { open, row, background };

// What was decided on the way to a node.
struct Standing {
  std::size_t a = 0, b = 0;  // sizes of A and B
  double weight = 1;         // mean of t^a (1 - t)^b
};

template <std::size_t words>
class Walker {
  using Cohort = CohortOf<words>;

 public:
  Walker(const Ensemble& trees, const Semivalue& semivalue, const Piece& piece, const std::vector<bool>& walked,
         bool pairs)
      : trees_(trees), semivalue_(semivalue), piece_(piece), walked_(walked), pairs_(pairs),
        decision_(trees.n_players, Decision::open), sums_(2 * trees.width) {}

  // A tree is read once for all of the rows; `size` numbers of `values` belong to each.
  void explain(const Matrix& rows, std::size_t first, std::size_t end, std::size_t size, double* values) {
    for (std::size_t tree = 0; tree < trees_.roots.size(); ++tree) {
      for (std::size_t i = first; i < end; ++i) {
        row_ = rows.row(i), values_ = values + i * size + trees_.output[tree];
        walk(trees_.roots[tree], piece_.everyone.among_first<words>(), {});
      }
    }
  }

 private:
  // Goes down as long as there is one way; where x parts from some of the cohort, both ways are tried.
  void walk(std::int32_t node, Cohort cohort, const Standing& standing) {
    while (walked_[std::size_t(node)]) {
      if (trees_.is_leaf(node)) return finish_leaf(node, cohort, standing);
      const std::int32_t column = trees_.feature[node], player = trees_.player[column];
      const Cohort lefts = piece_.lefts[std::size_t(node)].template among_first<words>(), all = cohort;
      const bool x_left = trees_.goes_left(node, trees_.rounded(row_[column]));
      const std::int32_t left = trees_.left[node], right = trees_.right[node];
      const std::int32_t with_x = x_left ? left : right, against_x = x_left ? right : left;
      if (decision_[player] == Decision::row) {
        node = with_x;
        continue;
      }
      const Cohort same = x_left ? all & lefts : without(all, lefts), parting = without(all, same);
      const bool none_same = same.empty(), none_parting = parting.empty();
      if (decision_[player] == Decision::background && none_same) {
        node = against_x;
        continue;
      }
      if (decision_[player] == Decision::background && !none_parting) walk(against_x, parting, standing);
      if (decision_[player] == Decision::open && !none_parting) {
        decide(player, Decision::row, with_x, parting, standing);
        decide(player, Decision::background, against_x, parting, standing);
      }
      if (none_same) return;
      node = with_x, cohort = same;
    }
  }

  // Walks on with one player more decided, who earns what that brings.
  void decide(std::int32_t player, Decision role, std::int32_t node, const Cohort& cohort, Standing standing) {
    const bool is_row = role == Decision::row;
    standing.weight *= is_row ? semivalue_.shown_factor(standing.a, standing.b)
                              : semivalue_.hidden_factor(standing.a, standing.b);
    ++(is_row ? standing.a : standing.b);
    const std::size_t width = trees_.width, level = (standing.a + standing.b) * 2 * width;
    sums_.resize(std::max(sums_.size(), level + 2 * width));
    std::fill_n(sums_.begin() + std::ptrdiff_t(level), 2 * width, 0.0);
    decision_[player] = role;
    if (pairs_) decided_.push_back({player, role});
    walk(node, cohort, standing);
    decision_[player] = Decision::open;
    if (pairs_) return decided_.pop_back();
    const double* mine = sums_.data() + level;
    for (std::size_t i = 0; i < 2 * width; ++i) sums_[level - 2 * width + i] += mine[i];
    double* phi = values_ + std::size_t(player) * trees_.n_outputs();
    for (std::size_t k = 0; k < width; ++k) phi[k] += is_row ? mine[k] : -mine[width + k];
  }

  // Shares for the players of A, then for those of B, to the sums of the walk's level.
  void finish_leaf(std::int32_t node, const Cohort& cohort, const Standing& standing) {
    const auto [a, b, weight] = standing;
    const double* value = trees_.leaf_value(node);
    const double size = double(cohort.size());
    if (pairs_) return interact(value, size, a, b);
    const double for_row = a ? size * (weight / semivalue_.shown_factor(a - 1, b)) : 0.0;
    const double for_background = b ? size * (weight / semivalue_.hidden_factor(a, b - 1)) : 0.0;
    double* to = sums_.data() + (a + b) * 2 * trees_.width;
    for (std::size_t k = 0; k < trees_.width; ++k) {
      to[k] += for_row * value[k];
      to[trees_.width + k] += for_background * value[k];
    }
  }

  // Halves of the interactions of all pairs that were decided on the way to a leaf, in both places.
  void interact(const double* value, double size, std::size_t a, std::size_t b) {
    const double rows = a > 1 ? semivalue_.weight(a - 2, b) : 0.0, others = b > 1 ? semivalue_.weight(a, b - 2) : 0.0;
    const double mixed = a && b ? -semivalue_.weight(a - 1, b - 1) : 0.0;
    const std::size_t outputs = trees_.n_outputs();
    for (std::size_t i = 0; i < decided_.size(); ++i) {
      for (std::size_t j = 0; j < decided_.size(); ++j) {
        if (i == j) continue;
        const auto [first, role] = decided_[i];
        const double share = role != decided_[j].second ? mixed : role == Decision::row ? rows : others;
        double* to = values_ + (std::size_t(first) * trees_.n_players + std::size_t(decided_[j].first)) * outputs;
        for (std::size_t k = 0; k < trees_.width; ++k) to[k] += share * size / 2 * value[k];
      }
    }
  }

  const Ensemble& trees_;
  const Semivalue& semivalue_;
  const Piece& piece_;
  const std::vector<bool>& walked_;
  bool pairs_;
  std::vector<std::pair<std::int32_t, Decision>> decided_;  // on the way here
  std::vector<Decision> decision_;                          // per player
  std::vector<double> sums_;  // per number of decided players: what their leaves bring A and B, per output
  const double* row_ = nullptr;
  double* values_ = nullptr;
};

template <std::size_t words>
void walk_all(const Ensemble& trees, const Semivalue& semivalue, const Matrix& rows, const Piece& piece,
              const std::vector<bool>& walked, bool pairs, std::size_t threads, double* values) {
  const std::size_t size = trees.n_players * trees.n_outputs() * (pairs ? trees.n_players : 1);
  const std::size_t together = per_item(rows.rows, most_rows, threads);
  parallel_for(divided_up(rows.rows, together), threads, [&] {
    return [&, walker = Walker<words>(trees, semivalue, piece, walked, pairs)](std::size_t item) mutable {
      const std::size_t first = item * together;
      walker.explain(rows, first, std::min(rows.rows, first + together), size, values);
    };
  });
}

}  // namespace

void cohort_walk(const Ensemble& trees, const Semivalue& semivalue, const Matrix& rows, const Piece& piece,
                 const std::vector<bool>& walked, bool pairs, std::size_t threads, double* values) {
  const bool few = piece.everyone.size() <= CohortOf<2>::capacity;
  (few ? walk_all<2> : walk_all<8>)(trees, semivalue, rows, piece, walked, pairs, threads, values);
}

}  // namespace pellucid
