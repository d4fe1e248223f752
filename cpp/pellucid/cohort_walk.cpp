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

constexpr std::size_t rows_per_item = 16;

enum class Decision : std::uint8_t { open, row, background };

struct Frame {
  std::int32_t node;
  Decision role;            // what the parent's player was decided to be on the way here
  Decision before = Decision::open;  // this node's player, when the walk came
  std::uint8_t next = 0;    // children tried
  std::uint32_t a, b;       // sizes of A and B
  double weight;            // mean of t^a (1 - t)^b
  Cohort cohort;
};

class Walker {
 public:
  Walker(const Ensemble& trees, const Semivalue& semivalue, const Piece& piece, const std::vector<bool>& walked,
         bool pairs)
      : trees_(trees), semivalue_(semivalue), piece_(piece), walked_(walked), pairs_(pairs), decision_(trees.n_players, Decision::open), x_(trees.n_columns()) {}

  void explain(const double* row, double* values) {
    for (std::size_t j = 0; j < x_.size(); ++j) x_[j] = trees_.rounded(row[j]);
    for (std::size_t tree = 0; tree < trees_.roots.size(); ++tree) {
      if (!walked_[std::size_t(trees_.roots[tree])]) continue;
      values_ = values + trees_.output[tree];
      walk(trees_.roots[tree]);
    }
  }

 private:
  void walk(std::int32_t root) {
    push({root, Decision::open, Decision::open, 0, 0, 0, 1.0, piece_.everyone});
    while (!frames_.empty()) {
      if (trees_.is_leaf(frames_.back().node)) {
        finish_leaf();
      } else if (!push_next_child()) {
        finish();
      }
    }
  }

  void push(const Frame& frame) {
    frames_.push_back(frame);
    Frame& top = frames_.back();
    if (!trees_.is_leaf(top.node)) top.before = decision_[player(top)];
    sums_.resize(std::max(sums_.size(), frames_.size() * 2 * trees_.width));
    std::fill_n(sum(frames_.size() - 1), 2 * trees_.width, 0.0);
  }

  std::int32_t player(const Frame& frame) const { return trees_.player[trees_.feature[frame.node]]; }

  // Per output: shares for the players of A, then for those of B.
  double* sum(std::size_t level) { return sums_.data() + level * 2 * trees_.width; }

  // Goes on to the next child that some of the cohort reaches; false when there is none.
  bool push_next_child() {
    const Frame frame = frames_.back();
    const Cohort& lefts = piece_.lefts[std::size_t(frame.node)];
    const Cohort to_left = frame.cohort & lefts, to_right = without(frame.cohort, lefts);
    const bool x_left = trees_.goes_left(frame.node, x_[trees_.feature[frame.node]]);
    const std::int32_t left = trees_.left[frame.node], right = trees_.right[frame.node];
    const std::int32_t with_x = x_left ? left : right, against_x = x_left ? right : left;
    while (frames_.back().next < 3) {
      const std::uint8_t child = frames_.back().next++;
      Frame down{0, Decision::open, Decision::open, 0, frame.a, frame.b, frame.weight, frame.cohort};
      if (frame.before == Decision::row) {
        if (child > 0) return false;
        down.node = with_x;
      } else if (frame.before == Decision::background) {
        if (child > 1) return false;
        down.node = child == 0 ? left : right;
        down.cohort = child == 0 ? to_left : to_right;
      } else {
        const Cohort& same = x_left ? to_left : to_right;
        const Cohort& parting = x_left ? to_right : to_left;
        decide(down, child, frame);
        down.node = child == 2 ? against_x : with_x;
        down.cohort = child == 0 ? same : parting;
      }
      if (!walked_[std::size_t(down.node)] || down.cohort.empty()) continue;
      if (down.role != Decision::open) decision_[player(frame)] = down.role;
      push(down);
      return true;
    }
    return false;
  }

  void decide(Frame& down, std::uint8_t child, const Frame& frame) const {
    if (child == 1) {
      down.role = Decision::row;
      down.weight *= semivalue_.shown_factor(down.a++, down.b);
    } else if (child == 2) {
      down.role = Decision::background;
      down.weight *= semivalue_.hidden_factor(down.a, down.b++);
    }
  }

  void finish_leaf() {
    const Frame& leaf = frames_.back();
    const double* value = trees_.leaf_value(leaf.node);
    const double size = double(leaf.cohort.size());
    const auto [a, b] = std::pair(std::size_t(leaf.a), std::size_t(leaf.b));
    const double for_row = a ? size * (leaf.weight / semivalue_.shown_factor(a - 1, b)) : 0.0;
    const double for_background = b ? size * (leaf.weight / semivalue_.hidden_factor(a, b - 1)) : 0.0;
    double* mine = sum(frames_.size() - 1);
    for (std::size_t k = 0; k < trees_.width && !pairs_; ++k) {
      mine[k] = for_row * value[k];
      mine[trees_.width + k] = for_background * value[k];
    }
    if (pairs_) interact(value, size, a, b);
    finish();
  }

  // Halves of the interactions of all pairs that were decided on the way to a leaf, in both places.
  void interact(const double* value, double size, std::size_t a, std::size_t b) {
    decided_.clear();
    for (std::size_t i = 1; i < frames_.size(); ++i) {
      if (frames_[i].role != Decision::open) decided_.push_back({player(frames_[i - 1]), frames_[i].role});
    }
    const double rows = a > 1 ? semivalue_.weight(a - 2, b) : 0.0, others = b > 1 ? semivalue_.weight(a, b - 2) : 0.0;
    const double mixed = a && b ? -semivalue_.weight(a - 1, b - 1) : 0.0;
    const std::size_t outputs = trees_.n_outputs();
    for (std::size_t i = 0; i < decided_.size(); ++i) {
      for (std::size_t j = 0; j < decided_.size(); ++j) {
        if (i == j) continue;
        const auto [first, role] = decided_[i];
        const double weight = role != decided_[j].second ? mixed : role == Decision::row ? rows : others;
        double* to = values_ + (std::size_t(first) * trees_.n_players + std::size_t(decided_[j].first)) * outputs;
        for (std::size_t k = 0; k < trees_.width; ++k) to[k] += weight * size / 2 * value[k];
      }
    }
  }

  // Hands the top frame's sums to its parent, whose player earns them if it was decided for this child.
  void finish() {
    const Decision role = frames_.back().role;
    const double* mine = sum(frames_.size() - 1);
    frames_.pop_back();
    if (frames_.empty()) return;
    double* parent = sum(frames_.size() - 1);
    for (std::size_t i = 0; i < 2 * trees_.width; ++i) parent[i] += mine[i];
    if (role == Decision::open) return;
    const std::int32_t decided = player(frames_.back());
    decision_[decided] = Decision::open;
    if (pairs_) return;
    double* phi = values_ + std::size_t(decided) * trees_.n_outputs();
    for (std::size_t k = 0; k < trees_.width; ++k) {
      phi[k] += role == Decision::row ? mine[k] : -mine[trees_.width + k];
    }
  }

  const Ensemble& trees_;
  const Semivalue& semivalue_;
  const Piece& piece_;
  const std::vector<bool>& walked_;
  bool pairs_;
  std::vector<std::pair<std::int32_t, Decision>> decided_;
  std::vector<Decision> decision_;
  std::vector<double> x_, sums_;
  std::vector<Frame> frames_;
  double* values_ = nullptr;
};

}  // namespace

void cohort_walk(const Ensemble& trees, const Semivalue& semivalue, const Matrix& rows, const Piece& piece,
                 const std::vector<bool>& walked, bool pairs, std::size_t threads, double* values) {
  const std::size_t size = trees.n_players * trees.n_outputs() * (pairs ? trees.n_players : 1);
  parallel_for((rows.rows + rows_per_item - 1) / rows_per_item, threads, [&] {
    return [&, walker = Walker(trees, semivalue, piece, walked, pairs)](std::size_t item) mutable {
      const std::size_t end = std::min(rows.rows, (item + 1) * rows_per_item);
      for (std::size_t i = item * rows_per_item; i < end; ++i) walker.explain(rows.row(i), values + i * size);
    };
  });
}

}  // namespace pellucid
