// One walk per row and tree, shared by a cohort of background rows.
//
// A coalition S shows the row x to the players in S and a background row z to the others. A leaf is reached by the
// coalitions that hold all players of a set A (their splits let x pass but not z) and none of a set B (z but not x).
// With a = |A|, b = |B| its share of the Shapley value is
//     (a - 1)! b! / (a + b)!   for each player of A,    -a! (b - 1)! / (a + b)!   for each player of B,
// which are Beta functions: integrals of t^(a-1) (1-t)^b and t^a (1-t)^(b-1) over [0, 1].
// The walk decides a player only where x and z part; background rows that took the same decisions walk together.

#include "cohort_walk.hpp"

#include <algorithm>

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
  double beta;              // a! b! / (a + b + 1)!
  Cohort cohort;
};

class Walker {
 public:
  Walker(const Ensemble& trees, const Piece& piece, const std::vector<bool>& walked)
      : trees_(trees), piece_(piece), walked_(walked), decision_(trees.n_players, Decision::open), x_(trees.n_columns()) {}

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
      Frame down{0, Decision::open, Decision::open, 0, frame.a, frame.b, frame.beta, frame.cohort};
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

  static void decide(Frame& down, std::uint8_t child, const Frame& frame) {
    const double total = double(frame.a) + double(frame.b) + 2;
    if (child == 1) {
      down.role = Decision::row;
      ++down.a;
      down.beta *= double(down.a) / total;
    } else if (child == 2) {
      down.role = Decision::background;
      ++down.b;
      down.beta *= double(down.b) / total;
    }
  }

  void finish_leaf() {
    const Frame& leaf = frames_.back();
    const double* value = trees_.leaf_value(leaf.node);
    const double total = double(leaf.a) + double(leaf.b) + 1;
    const double size = double(leaf.cohort.size());
    const double for_row = leaf.a ? size * (leaf.beta * total / leaf.a) : 0.0;
    const double for_background = leaf.b ? size * (leaf.beta * total / leaf.b) : 0.0;
    double* mine = sum(frames_.size() - 1);
    for (std::size_t k = 0; k < trees_.width; ++k) {
      mine[k] = for_row * value[k];
      mine[trees_.width + k] = for_background * value[k];
    }
    finish();
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
    double* phi = values_ + std::size_t(decided) * trees_.n_outputs();
    for (std::size_t k = 0; k < trees_.width; ++k) {
      phi[k] += role == Decision::row ? mine[k] : -mine[trees_.width + k];
    }
  }

  const Ensemble& trees_;
  const Piece& piece_;
  const std::vector<bool>& walked_;
  std::vector<Decision> decision_;
  std::vector<double> x_, sums_;
  std::vector<Frame> frames_;
  double* values_ = nullptr;
};

}  // namespace

void cohort_walk(const Ensemble& trees, const Matrix& rows, const Piece& piece, const std::vector<bool>& walked,
                 std::size_t threads, double* values) {
  const std::size_t size = trees.n_players * trees.n_outputs();
  parallel_for((rows.rows + rows_per_item - 1) / rows_per_item, threads, [&] {
    return [&, walker = Walker(trees, piece, walked)](std::size_t item) mutable {
      const std::size_t end = std::min(rows.rows, (item + 1) * rows_per_item);
      for (std::size_t i = item * rows_per_item; i < end; ++i) walker.explain(rows.row(i), values + i * size);
    };
  });
}

}  // namespace pellucid
