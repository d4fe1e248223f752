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
#include <cstdint>
#include <span>
#include <utility>

#include "parallel.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_rows = 16;  // that go through a tree one after the other

enum class Decision : std::uint8_t { open, row, background };

// What was decided on the way to a node.
struct Standing {
  std::size_t a = 0, b = 0;  // sizes of A and B
};

// With a number of values per leaf known beforehand where `fixed` is not 0.
template <std::size_t words, std::size_t fixed>
class Walker {
  using Cohort = CohortOf<words>;

 public:
  Walker(const Ensemble& trees, const Semivalue& semivalue, const Piece& piece, const WalkedTrees& walked, bool pairs)
      : trees_(trees), semivalue_(semivalue), piece_(piece), walked_(walked), pairs_(pairs),
        decision_(trees.n_players, Decision::open), steps_(walked.largest()) {
    deepen();
  }

  // A tree is read once for all of the rows; `size` numbers of `values` belong to each.
  void explain(const Matrix& rows, std::size_t first, std::size_t end, std::size_t size, double* values) {
    for (std::size_t tree = 0; tree < trees_.roots.size(); ++tree) {
      nodes_ = walked_.tree(tree);
      for (std::size_t i = first; i < end && !nodes_.empty(); ++i) {
        row_ = rows.row(i), values_ = values + i * size + trees_.output[tree], ++asked_;
        walk(0, piece_.everyone.among_first<words>(), {});
      }
    }
  }

 private:
  static constexpr std::int32_t none = WalkedTrees::none;

  std::size_t width() const { return fixed ? fixed : trees_.width; }

  // What the row finds at a node, all that a visit reads: a row comes by as often as cohorts are parted above.
  struct Step {
    Cohort same;  // background rows that go the row's way
    std::int32_t with_x = none, against_x = none, player = none;  // none of a leaf
    std::uint64_t asked = 0;                                      // for which row and tree
  };

  const Step& step(std::int32_t at) {
    if (steps_[at].asked != asked_) ask(nodes_[at], steps_[at]);
    return steps_[at];
  }

  void ask(const WalkedTrees::Node& at, Step& step) const {
    step.asked = asked_, step.player = none;
    if (trees_.is_leaf(at.node)) return;
    const std::int32_t column = trees_.feature[at.node];
    const bool x_left = trees_.goes_left(at.node, trees_.rounded(row_[column]));
    const Cohort lefts = piece_.lefts[std::size_t(at.node)].template among_first<words>();
    step.same = x_left ? lefts : without(piece_.everyone.among_first<words>(), lefts);
    step.with_x = x_left ? at.left : at.right, step.against_x = x_left ? at.right : at.left;
    step.player = trees_.player[column];
  }

  // Goes down as long as there is one way; where x parts from some of the cohort, both ways are tried.
  void walk(std::int32_t at, Cohort cohort, const Standing& standing) {
    while (at != none) {
      const auto& [all_same, with_x, against_x, player, _] = step(at);
      if (player == none) return finish_leaf(nodes_[at].node, cohort, standing);
      const Decision decision = decision_[player];
      const Cohort parting = without(cohort, all_same).only_if(decision != Decision::row);
      if (parting.empty()) {
        at = with_x;
        continue;
      }
      const Cohort same = without(cohort, parting);
      if (decision == Decision::background) {
        if (same.empty()) {
          at = against_x;
          continue;
        }
        walk(against_x, parting, standing);
      } else {
        decide(player, Decision::row, with_x, parting, standing);
        decide(player, Decision::background, against_x, parting, standing);
        if (same.empty()) return;
      }
      at = with_x, cohort = same;
    }
  }

  // Walks on with one player more decided, who earns what that brings.
  void decide(std::int32_t player, Decision role, std::int32_t node, const Cohort& cohort, Standing standing) {
    const bool is_row = role == Decision::row;
    ++(is_row ? standing.a : standing.b);
    const std::size_t width = this->width(), decided = standing.a + standing.b, level = decided * 2 * width;
    if (decided == levels_) deepen();
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

  // Makes room for one player more to be decided.
  void deepen() {
    for (std::size_t a = 0; a <= levels_; ++a) {
      const std::size_t b = levels_ - a;
      weights_.push_back(a  ? weight(a - 1, b) * semivalue_.shown_factor(a - 1, b)
                         : b ? weight(0, b - 1) * semivalue_.hidden_factor(0, b - 1)
                             : 1.0);
    }
    sums_.resize(++levels_ * 2 * width());
  }

  // Mean of t^a (1 - t)^b.
  double weight(std::size_t a, std::size_t b) const { return weights_[(a + b) * (a + b + 1) / 2 + a]; }

  // Shares for the players of A, then for those of B, to the sums of the walk's level.
  void finish_leaf(std::int32_t node, const Cohort& cohort, const Standing& standing) {
    const auto [a, b] = standing;
    const double* value = trees_.leaf_value(node);
    const double size = double(cohort.size());
    if (pairs_) return interact(value, size, a, b);
    const double for_row = a ? size * weight(a - 1, b) : 0.0;
    const double for_background = b ? size * weight(a, b - 1) : 0.0;
    const std::size_t width = this->width();
    double* to = sums_.data() + (a + b) * 2 * width;
    for (std::size_t k = 0; k < width; ++k) {
      to[k] += for_row * value[k];
      to[width + k] += for_background * value[k];
    }
  }

  // Halves of the interactions of all pairs that were decided on the way to a leaf, in both places.
  void interact(const double* value, double size, std::size_t a, std::size_t b) {
    const double rows = a > 1 ? weight(a - 2, b) : 0.0, others = b > 1 ? weight(a, b - 2) : 0.0;
    const double mixed = a && b ? -weight(a - 1, b - 1) : 0.0;
    const std::size_t outputs = trees_.n_outputs();
    for (std::size_t i = 0; i < decided_.size(); ++i) {
      for (std::size_t j = 0; j < decided_.size(); ++j) {
        if (i == j) continue;
        const auto [first, role] = decided_[i];
        const double share = role != decided_[j].second ? mixed : role == Decision::row ? rows : others;
        double* to = values_ + (std::size_t(first) * trees_.n_players + std::size_t(decided_[j].first)) * outputs;
        for (std::size_t k = 0; k < width(); ++k) to[k] += share * size / 2 * value[k];
      }
    }
  }

  const Ensemble& trees_;
  const Semivalue& semivalue_;
  const Piece& piece_;
  const WalkedTrees& walked_;
  bool pairs_;
  std::vector<std::pair<std::int32_t, Decision>> decided_;  // on the way here
  std::vector<Decision> decision_;                          // per player
  std::size_t levels_ = 0;       // numbers of decided players that there is room for
  std::vector<double> weights_;  // of all A and B of a level, level by level
  std::vector<double> sums_;  // per number of decided players: what their leaves bring A and B, per output
  const double* row_ = nullptr;
  std::span<const WalkedTrees::Node> nodes_;  // of the tree
  std::vector<Step> steps_;                   // at each of them
  std::uint64_t asked_ = 0;                   // rows and trees so far
  double* values_ = nullptr;
};

template <std::size_t words, std::size_t fixed>
void walk_all(const Ensemble& trees, const Semivalue& semivalue, const Matrix& rows, const Piece& piece,
              const WalkedTrees& walked, bool pairs, std::size_t threads, double* values) {
  const std::size_t size = trees.n_players * trees.n_outputs() * (pairs ? trees.n_players : 1);
  const std::size_t together = per_item(rows.rows, most_rows, threads);
  parallel_for(divided_up(rows.rows, together), threads, [&] {
    return [&, walker = Walker<words, fixed>(trees, semivalue, piece, walked, pairs)](std::size_t item) mutable {
      const std::size_t first = item * together;
      walker.explain(rows, first, std::min(rows.rows, first + together), size, values);
    };
  });
}

}  // namespace

void cohort_walk(const Ensemble& trees, const Semivalue& semivalue, const Matrix& rows, const Piece& piece,
                 const WalkedTrees& walked, bool pairs, std::size_t threads, double* values) {
  const bool few = piece.everyone.size() <= CohortOf<2>::capacity;
  const auto walk = trees.width == 1 ? few ? walk_all<2, 1> : walk_all<8, 1> : few ? walk_all<2, 0> : walk_all<8, 0>;
  walk(trees, semivalue, rows, piece, walked, pairs, threads, values);
}

}  // namespace pellucid
