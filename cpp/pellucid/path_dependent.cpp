// Node-wise Gauss-Legendre quadrature.
//
// The Shapley value of one leaf with value v, whose path has the players j with hot flags o_j (the row passes all of
// j's splits) and cold shares z_j (the share of training weight that passes them), is
//     phi_i = v (o_i - z_i) * integral over t in [0, 1] of the product over j != i of (t o_j + (1 - t) z_j),
// a polynomial in t whose degree is the number of players less one: ceil(players / 2) points make it exact.
//
// Summed over leaves from below, at each point t:
//     above(left) = above(n) r,            above(right) = above(n) (1 - r),         above(root) = the point's weight
//     below(n) = r below(left) + (1 - r) below(right)
//     phi_player += above(n) e (below(left) - below(right))
// With w the share of weight going left, z the player's cold share so far and f = t + (1 - t) z, a row that passed the
// player's splits so far and goes left has r = (t + (1 - t) z w) / f and e = z (1 - w) / f^2; one that goes right
// has r = (1 - t) z w / f and e = -z w / f^2; one that failed before has r = w and e = 0. At a player's first split
// z = f = 1. As r lies in [0, 1], everything is an average: nothing cancels and nothing overflows at any depth.

#include "path_dependent.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <vector>

#include "parallel.hpp"
#include "program.hpp"
#include "quadrature.hpp"

namespace pellucid {
namespace {

constexpr std::size_t chunk = 8;  // quadrature points walked together: memory grows with depth, not with points

using Mask = std::uint64_t;  // all ones or all zeros
constexpr Mask all = ~Mask(0);

// Bits instead of a branch, so that the compiler can make vectors of it.
inline double choose(Mask mask, double yes, double no) {
  const Mask a = std::bit_cast<Mask>(yes), b = std::bit_cast<Mask>(no);
  return std::bit_cast<double>(b ^ ((a ^ b) & mask));
}

// What a split does at one point of the quadrature, for the three kinds of rows.
struct Factors {
  double go, stay_go;    // r and 1 - r of a row that goes left
  double no, stay_no;    // ... that goes right
  double e_left, e_right;
};

inline Factors factors(const Split& split, double t) {
  const double s = 1 - t;
  const double w = split.share.left, v = split.share.right;
  if (!split.repeated) return {t + s * w, s * v, s * w, t + s * v, v, -w};
  const double z = split.cold;
  const double f = t + s * z;
  const double cold_left = s * z * w, cold_right = s * z * v;
  return {(t + cold_left) / f, cold_right / f, cold_left / f, (t + cold_right) / f, z * v / (f * f), -z * w / (f * f)};
}

// W rows side by side. Every lane does the same arithmetic in the same order whatever its neighbours hold.
template <std::size_t W>
class Block {
 public:
  Block(const Ensemble& trees, const std::vector<Program>& programs, const std::map<std::size_t, Quadrature>& rules)
      : trees_(trees), programs_(programs), rules_(rules) {
    std::size_t levels = 1;
    for (const Program& program : programs) levels = std::max(levels, program.levels);
    x_.resize(trees.n_columns() * W);
    phi_.resize(trees.n_players * trees.n_outputs() * W);
    alive_.assign(trees.n_players * W, all);
    left_.resize(levels * W);
    kept_.resize(levels * W);
    above_.resize(levels * chunk * W);
    below_left_.resize(levels * trees.width * chunk * W);
    below_.resize(trees.width * chunk * W);
  }

  void explain(const Matrix& rows, std::size_t first, double* values) {
    load(rows, first);
    std::fill(phi_.begin(), phi_.end(), 0.0);
    for (const Program& program : programs_) {
      if (program.splits.empty()) continue;
      const Quadrature& rule = rules_.at(points(program));
      for (std::size_t from = 0; from < rule.point.size(); from += chunk) {
        points_ = std::min(chunk, rule.point.size() - from);
        point_ = rule.point.data() + from;
        weight_ = rule.weight.data() + from;
        walk(program);
      }
    }
    store(rows, first, values);
  }

  static std::size_t points(const Program& program) { return (program.distinct + 1) / 2; }

 private:
  // The last block repeats the last row, so that it runs through the very same code.
  void load(const Matrix& rows, std::size_t first) {
    for (std::size_t b = 0; b < W; ++b) {
      const double* row = rows.row(std::min(first + b, rows.rows - 1));
      for (std::size_t j = 0; j < trees_.n_columns(); ++j) x_[j * W + b] = trees_.rounded(row[j]);
    }
  }

  void store(const Matrix& rows, std::size_t first, double* values) const {
    const std::size_t size = trees_.n_players * trees_.n_outputs();
    for (std::size_t b = 0; b < W && first + b < rows.rows; ++b) {
      double* row = values + (first + b) * size;
      for (std::size_t i = 0; i < size; ++i) row[i] = phi_[i * W + b];
    }
  }

  void walk(const Program& program) {
    for (std::size_t p = 0; p < points_; ++p) std::fill_n(above_.begin() + std::ptrdiff_t(p * W), W, weight_[p]);
    for (const Move move : program.moves) {
      const Split& split = program.splits[move.split];
      switch (move.step) {
        case Step::enter: enter(split); break;
        case Step::turn: turn(split); break;
        case Step::leave: leave(program, split); break;
      }
    }
  }

  void enter(const Split& split) {
    Mask* left = left_.data() + split.level * W;
    Mask* kept = kept_.data() + split.level * W;
    Mask* alive = alive_.data() + std::size_t(split.player) * W;
    const double* x = x_.data() + std::size_t(split.column) * W;
    const double threshold = trees_.threshold[split.node];
    const Mask missing = trees_.missing_left[split.node] ? all : 0;
    if (trees_.less_equal) {
      for (std::size_t b = 0; b < W; ++b) left[b] = x[b] <= threshold ? all : 0;
    } else {
      for (std::size_t b = 0; b < W; ++b) left[b] = x[b] < threshold ? all : 0;
    }
    for (std::size_t b = 0; b < W; ++b) left[b] |= x[b] != x[b] ? missing : 0;
    std::copy_n(alive, W, kept);
    if (!split.left) descend<true>(split);
    for (std::size_t b = 0; b < W; ++b) alive[b] = kept[b] & left[b];
  }

  void turn(const Split& split) {
    const Mask* left = left_.data() + split.level * W;
    const Mask* kept = kept_.data() + split.level * W;
    Mask* alive = alive_.data() + std::size_t(split.player) * W;
    if (!split.right) descend<false>(split);
    for (std::size_t b = 0; b < W; ++b) alive[b] = kept[b] & ~left[b];
  }

  template <bool to_left>
  void descend(const Split& split) {
    const Mask* left = left_.data() + split.level * W;
    const Mask* kept = kept_.data() + split.level * W;
    const double* from = above_.data() + split.level * chunk * W;
    double* to = above_.data() + (split.level + 1) * chunk * W;
    const double dead = to_left ? split.share.left : split.share.right;
    for (std::size_t p = 0; p < points_; ++p) {
      const Factors c = factors(split, point_[p]);
      const double go = to_left ? c.go : c.stay_go, no = to_left ? c.no : c.stay_no;
      const double* in = from + p * W;
      double* out = to + p * W;
      if (split.repeated) {
        for (std::size_t b = 0; b < W; ++b) out[b] = in[b] * choose(kept[b], choose(left[b], go, no), dead);
      } else {
        for (std::size_t b = 0; b < W; ++b) out[b] = in[b] * choose(left[b], go, no);
      }
    }
  }

  void leave(const Program& program, const Split& split) {
    if (split.left && split.right) merge<true, true>(program, split);
    else if (split.left) merge<true, false>(program, split);
    else if (split.right) merge<false, true>(program, split);
    else merge<false, false>(program, split);
    std::copy_n(kept_.begin() + std::ptrdiff_t(split.level * W), W, alive_.begin() + split.player * std::ptrdiff_t(W));
  }

  template <bool left_is_leaf, bool right_is_leaf>
  void merge(const Program& program, const Split& split) {
    const Mask* goes = left_.data() + split.level * W;
    const Mask* kept = kept_.data() + split.level * W;
    const double* above = above_.data() + split.level * chunk * W;
    const std::size_t slot = trees_.width * chunk * W;
    double* result = split.is_left && split.level ? below_left_.data() + (split.level - 1) * slot : below_.data();
    for (std::size_t k = 0; k < trees_.width; ++k) {
      double sum[W] = {};
      for (std::size_t p = 0; p < points_; ++p) {
        const Factors c = factors(split, point_[p]);
        const std::size_t at = (k * chunk + p) * W;
        const double* from_left = below_left_.data() + split.level * slot + at;
        const double* from_right = below_.data() + at;
        const double* weight = above + p * W;
        double* up = result + at;
#pragma GCC ivdep  // `up` is `from_right` itself or lies apart: lanes never meet
        for (std::size_t b = 0; b < W; ++b) {
          const double l = left_is_leaf ? split.left[k] : from_left[b];
          const double r = right_is_leaf ? split.right[k] : from_right[b];
          double share = choose(goes[b], c.go, c.no);
          double e = choose(goes[b], c.e_left, c.e_right);
          if (split.repeated) {
            share = choose(kept[b], share, split.share.left);
            e = choose(kept[b], e, 0.0);
          }
          sum[b] += weight[b] * e * (l - r);
          up[b] = r + share * (l - r);
        }
      }
      const std::size_t slot_of = std::size_t(split.player) * trees_.n_outputs() + program.first_output + k;
      double* phi = phi_.data() + slot_of * W;
      for (std::size_t b = 0; b < W; ++b) phi[b] += sum[b];
    }
  }

  const Ensemble& trees_;
  const std::vector<Program>& programs_;
  const std::map<std::size_t, Quadrature>& rules_;
  std::vector<double> x_, phi_;            // (columns, W), (players, outputs, W)
  std::vector<Mask> alive_, left_, kept_;  // (players, W), (levels, W), (levels, W)
  std::vector<double> above_;              // (levels, chunk, W)
  std::vector<double> below_left_;         // (levels, width, chunk, W): the left child's, until the right one is done
  std::vector<double> below_;              // (width, chunk, W): the child's that was left last
  std::size_t points_ = 0;
  const double* point_ = nullptr;
  const double* weight_ = nullptr;
};

}  // namespace

void path_dependent(const Ensemble& trees, const Matrix& rows, std::size_t threads, double* values, double* base) {
  constexpr std::size_t width = 16;
  std::vector<Program> programs;
  std::map<std::size_t, Quadrature> rules;
  std::copy(trees.base.begin(), trees.base.end(), base);
  for (std::size_t tree = 0; tree < trees.roots.size(); ++tree) {
    programs.push_back(compile(trees, tree));
    const Program& program = programs.back();
    for (std::size_t k = 0; k < trees.width; ++k) base[program.first_output + k] += program.expectation[k];
    const std::size_t points = Block<width>::points(program);
    if (points && !rules.contains(points)) rules.emplace(points, gauss_legendre(points));
  }
  parallel_for((rows.rows + width - 1) / width, threads, [&] {
    return [&, block = Block<width>(trees, programs, rules)](std::size_t item) mutable {
      block.explain(rows, item * width, values);
    };
  });
}

}  // namespace pellucid
