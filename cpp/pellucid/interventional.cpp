// One walk per row and tree, shared by a cohort of background rows.
//
// A coalition S shows the row x to the players in S and a background row z to the others. A leaf is reached by the
// coalitions that hold all players of a set A (their splits let x pass but not z) and none of a set B (z but not x).
// With a = |A|, b = |B| its share of the Shapley value is
//     (a - 1)! b! / (a + b)!   for each player of A,    -a! (b - 1)! / (a + b)!   for each player of B,
// which are Beta functions: integrals of t^(a-1) (1-t)^b and t^a (1-t)^(b-1) over [0, 1].
// The walk decides a player only where x and z part; background rows that took the same decisions walk together.

#include "interventional.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "parallel.hpp"

namespace pellucid {
namespace {

constexpr std::size_t words = 8;
constexpr std::size_t cohort_size = 64 * words;
constexpr std::size_t rows_per_item = 16;

// A set of background rows.
struct alignas(64) Cohort {
  std::array<std::uint64_t, words> bits{};

  bool empty() const {
    std::uint64_t any = 0;
    for (std::uint64_t word : bits) any |= word;
    return any == 0;
  }
  double size() const {
    int count = 0;
    for (std::uint64_t word : bits) count += std::popcount(word);
    return count;
  }
  friend Cohort operator&(const Cohort& a, const Cohort& b) {
    Cohort both;
    for (std::size_t i = 0; i < words; ++i) both.bits[i] = a.bits[i] & b.bits[i];
    return both;
  }
  friend Cohort without(const Cohort& a, const Cohort& b) {
    Cohort rest;
    for (std::size_t i = 0; i < words; ++i) rest.bits[i] = a.bits[i] & ~b.bits[i];
    return rest;
  }
};

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
  Walker(const Ensemble& trees, const std::vector<Cohort>& lefts)
      : trees_(trees), lefts_(lefts), decision_(trees.n_players, Decision::open), x_(trees.n_columns()) {}

  void explain(const double* row, const Cohort& everyone, double* values) {
    for (std::size_t j = 0; j < x_.size(); ++j) x_[j] = trees_.rounded(row[j]);
    for (std::size_t tree = 0; tree < trees_.roots.size(); ++tree) {
      values_ = values + trees_.output[tree];
      walk(trees_.roots[tree], everyone);
    }
  }

 private:
  void walk(std::int32_t root, const Cohort& everyone) {
    push({root, Decision::open, Decision::open, 0, 0, 0, 1.0, everyone});
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
    const Cohort& lefts = lefts_[frame.node];
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
      if (down.cohort.empty()) continue;
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
    const double size = leaf.cohort.size();
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
  const std::vector<Cohort>& lefts_;
  std::vector<Decision> decision_;
  std::vector<double> x_, sums_;
  std::vector<Frame> frames_;
  double* values_ = nullptr;
};

// For each node, which of the background rows from `first` on go left.
std::vector<Cohort> left_cohorts(const Ensemble& trees, const Matrix& background, std::size_t first,
                                 std::size_t threads) {
  std::vector<Cohort> lefts(trees.feature.size());
  const std::size_t count = std::min(cohort_size, background.rows - first);
  constexpr std::size_t nodes_per_item = 1024;
  const std::size_t items = (lefts.size() + nodes_per_item - 1) / nodes_per_item;
  parallel_for(items, threads, [&] {
    return [&](std::size_t item) {
      const std::size_t end = std::min(lefts.size(), (item + 1) * nodes_per_item);
      for (std::size_t node = item * nodes_per_item; node < end; ++node) {
        if (trees.is_leaf(std::int32_t(node))) continue;
        for (std::size_t i = 0; i < count; ++i) {
          const double z = trees.rounded(background.row(first + i)[trees.feature[node]]);
          const std::uint64_t bit = trees.goes_left(std::int32_t(node), z);
          lefts[node].bits[i / 64] |= bit << (i % 64);
        }
      }
    };
  });
  return lefts;
}

// Adds the trees' sum over the background rows of one cohort.
void add_predictions(const Ensemble& trees, const std::vector<Cohort>& lefts, const Cohort& everyone, double* sums) {
  struct Reached {
    std::int32_t node;
    Cohort cohort;
  };
  std::vector<Reached> open;
  for (std::size_t tree = 0; tree < trees.roots.size(); ++tree) {
    open.push_back({trees.roots[tree], everyone});
    while (!open.empty()) {
      const Reached at = open.back();
      open.pop_back();
      if (at.cohort.empty()) continue;
      if (trees.is_leaf(at.node)) {
        const double* value = trees.leaf_value(at.node);
        const double size = at.cohort.size();
        for (std::size_t k = 0; k < trees.width; ++k) sums[std::size_t(trees.output[tree]) + k] += size * value[k];
        continue;
      }
      open.push_back({trees.right[at.node], without(at.cohort, lefts[at.node])});
      open.push_back({trees.left[at.node], at.cohort & lefts[at.node]});
    }
  }
}

}  // namespace

void interventional(const Ensemble& trees, const Matrix& rows, const Matrix& background, std::size_t threads,
                    double* values, double* base) {
  const std::size_t size = trees.n_players * trees.n_outputs();
  std::fill_n(values, rows.rows * size, 0.0);
  std::fill_n(base, trees.n_outputs(), 0.0);
  for (std::size_t first = 0; first < background.rows; first += cohort_size) {
    const std::vector<Cohort> lefts = left_cohorts(trees, background, first, threads);
    Cohort everyone;
    for (std::size_t i = 0; i < std::min(cohort_size, background.rows - first); ++i) {
      everyone.bits[i / 64] |= std::uint64_t(1) << (i % 64);
    }
    add_predictions(trees, lefts, everyone, base);
    parallel_for((rows.rows + rows_per_item - 1) / rows_per_item, threads, [&] {
      return [&, walker = Walker(trees, lefts)](std::size_t item) mutable {
        const std::size_t end = std::min(rows.rows, (item + 1) * rows_per_item);
        for (std::size_t i = item * rows_per_item; i < end; ++i) {
          walker.explain(rows.row(i), everyone, values + i * size);
        }
      };
    });
  }
  const double count = double(background.rows);
  for (std::size_t i = 0; i < rows.rows * size; ++i) values[i] /= count;
  for (std::size_t k = 0; k < trees.n_outputs(); ++k) base[k] = trees.base[k] + base[k] / count;
}

}  // namespace pellucid
