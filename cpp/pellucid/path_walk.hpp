// Node-wise Gauss-Legendre quadrature: path-dependent values of a block of rows. For kernels.cpp only.
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
//
// The interaction of i and j takes one factor more out of the product: phi_i's integrand times (o_j - z_j) over
// (t o_j + (1 - t) z_j), the ratio of j. It is (1 - z) / f where the row passed j's splits so far, else -1 / (1 - t).

#pragma once

#include "path_kernel.hpp"
#include "simd.hpp"

namespace pellucid {
namespace {

// What a split does at a pack of points, for the three kinds of rows; one that failed before has its share for r.
template <class Real>
struct Factors {
  Pack<Real> go, no;           // r of a row that goes left, and right
  Pack<Real> e_left, e_right;
};

template <bool varying, class Real>
PELLUCID_INLINE Factors<Real> factors(const Split& split, Pack<Real> t) {
  using Pack = pellucid::Pack<Real>;
  const Pack one = Pack::of(1.0), w = Pack::of(Real(split.share)), v = Pack::of(Real(split.rest)), s = one - t;
  if constexpr (!varying) return {t + s * w, s * w, v, Pack::of(Real(-split.share))};
  const Pack z = Pack::of(Real(split.cold)), inverse = one / (t + s * z), cold_left = s * z * w;
  return {(t + cold_left) * inverse, cold_left * inverse, z * v * inverse * inverse,
          Pack::of(Real(-split.cold)) * w * inverse * inverse};
}

// The same point by point, for kernels that have rows in their lanes.
template <class Real>
struct FactorTable {
  alignas(64) Real go[padded_points], no[padded_points], e_left[padded_points], e_right[padded_points];
};

template <bool varying, class Real>
PELLUCID_INLINE void set_factors(FactorTable<Real>& table, const Split& split, const Real* point) {
  for (std::size_t p = 0; p < most_points; p += Pack<Real>::lanes) {
    const auto f = factors<varying>(split, Pack<Real>::load(point + p));
    f.go.store(table.go + p), f.no.store(table.no + p);
    if constexpr (varying) f.e_left.store(table.e_left + p), f.e_right.store(table.e_right + p);
  }
}

// P points of B packs of rows. `pairs` adds interactions.
template <class Real, std::size_t P, std::size_t B, bool pairs>
class Walk {
 public:
  using Pack = pellucid::Pack<Real>;
  static constexpr std::size_t block = P * B;  // packs

  explicit Walk(const PathTask<Real>& task) : task_(task) {
    const Shape& shape = task.shape;
    const std::size_t spots = 2 * shape.levels + 1;
    Pack* pack = reinterpret_cast<Pack*>(task.scratch);
    above_ = pack, pack += spots * block;
    below_ = pack, pack += spots * shape.width * block;
    if constexpr (pairs) ratio_ = pack, pack += spots * block;
    passing_ = reinterpret_cast<Mask*>(pack);
  }

  static std::size_t scratch_bytes(const Shape& shape) {
    const std::size_t spots = 2 * shape.levels + 1;
    return spots * ((2 + shape.width) * most_points * B * sizeof(Pack) + B * sizeof(Mask));
  }

  void run() {
    for (std::size_t b = 0; b < B; ++b) passing_[b] = Mask::all(true);
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t b = 0; b < B; ++b) above_[p * B + b] = Pack::of(task_.weight[p]);
    }
    for (std::size_t i = 0; i < task_.n_moves; ++i) {
      const Split* split = task_.splits + task_.moves[i].split;
      if (split->varying) move<true>(task_.moves[i].step, split);
      else move<false>(task_.moves[i].step, split);
    }
  }

 private:
  template <bool varying>
  PELLUCID_INLINE void move(Step step, const Split* split) {
    switch (step) {
      case Step::enter: return enter<varying>(*split);
      case Step::leave: return leave<varying>(*split);
      case Step::pass: return pass<varying>(*split);
      case Step::family: return family<varying>(split);
    }
  }

  template <bool varying>
  PELLUCID_INLINE void family(const Split* split) {
    if constexpr (pairs) return one_by_one<varying>(split);
    else if (split->left) return family<varying>(*split, leaf(split->left), fork<varying>(split[1]));
    else if (split->right) return family<varying>(*split, fork<varying>(split[1]), leaf(split->right));
    else return family<varying>(*split, fork<varying>(split[1]), fork<varying>(split[2]));
  }

  Pack* above(std::size_t spot) const { return above_ + spot * block; }
  Pack* below(std::size_t spot, std::size_t k) const { return below_ + (spot * task_.shape.width + k) * block; }
  Mask* passing(std::size_t spot) const { return passing_ + spot * B; }

  // A split, and where the block's rows go at it.
  template <bool varying>
  struct Node {
    const Split& split;
    FactorTable<Real> c;
    Mask goes[B], before[B];

    PELLUCID_INLINE Node(const Walk& walk, const Split& at) : split(at) {
      set_factors<varying>(c, split, walk.task_.point);
      for (std::size_t b = 0; b < B; ++b) before[b] = walk.passing(split.earlier_spot)[b];
    }

    PELLUCID_INLINE void route(const Walk& walk) {
      const double* x = walk.task_.x + std::size_t(split.column) * B * Pack::lanes;
      for (std::size_t b = 0; b < B; ++b) {
        goes[b] = rows_going_left<Real>(x + b * Pack::lanes, split.threshold, split.missing_left);
      }
    }

    // Says to the splits below which rows pass.
    PELLUCID_INLINE void let_through(const Walk& walk) const {
      Mask* left = walk.passing(place_below(split.level, true));
      Mask* right = walk.passing(place_below(split.level, false));
      for (std::size_t b = 0; b < B; ++b) left[b] = before[b] & goes[b], right[b] = before[b] & ~goes[b];
    }

    PELLUCID_INLINE Pack choice(std::size_t b, Real left, Real right) const {
      return choose(goes[b], Pack::of(left), Pack::of(right));
    }
    PELLUCID_INLINE Pack choice(std::size_t b, Real left, Real right, Real dead) const {
      return varying ? choose(before[b], choice(b, left, right), Pack::of(dead)) : choice(b, left, right);
    }
    PELLUCID_INLINE Pack r(std::size_t p, std::size_t b) const { return choice(b, c.go[p], c.no[p], Real(split.share)); }
    PELLUCID_INLINE Pack e(std::size_t p, std::size_t b) const { return choice(b, c.e_left[p], c.e_right[p]); }

    // Where e is the same at all points and no row failed before, e is left to `earned`.
    PELLUCID_INLINE void add(Pack& sum, std::size_t p, std::size_t b, Pack change) const {
      sum = varying ? fma(change, e(p, b), sum) : sum + change;
    }
    PELLUCID_INLINE Pack earned(std::size_t b, Pack sum) const {
      return varying ? or_zero(before[b], sum) : sum * choice(b, Real(split.rest), Real(-split.share));
    }

    PELLUCID_INLINE void pay(const Walk& walk, std::size_t k, const Pack* sum) const {
      const Shape& shape = walk.task_.shape;
      const std::size_t at = std::size_t(split.player) * shape.outputs + walk.task_.first_output + k;
      Real* to = walk.task_.phi + at * B * Pack::lanes;
      for (std::size_t b = 0; b < B; ++b, to += Pack::lanes) (Pack::load(to) + earned(b, sum[b])).store(to);
    }
  };

  // A split between two leaves: what is below it is known at once, and where e is the same at all points so is all that
  // its player earns but one sum.
  template <bool varying>
  struct Fork : Node<varying> {
    Real gap, dead;
    alignas(64) Real up_go[padded_points], up_no[padded_points];
    Pack sum[B];

    PELLUCID_INLINE Fork(const Walk& walk, const Split& split, std::size_t k)
        : Node<varying>(walk, split), gap(Real(split.left[k]) - Real(split.right[k])) {
      this->route(walk);
      const Real last = Real(split.right[k]);
      const Pack gaps = Pack::of(gap), lasts = Pack::of(last);
      dead = pellucid::fma(Real(split.share), gap, last);
      for (std::size_t p = 0; p < most_points; p += Pack::lanes) {
        fma(Pack::load(this->c.go + p), gaps, lasts).store(up_go + p);
        fma(Pack::load(this->c.no + p), gaps, lasts).store(up_no + p);
      }
      for (std::size_t b = 0; b < B; ++b) sum[b] = Pack::of(0.0);
    }

    PELLUCID_INLINE Pack below(std::size_t p, std::size_t b, Pack above) {
      this->add(sum[b], p, b, above);
      return this->choice(b, up_go[p], up_no[p], dead);
    }

    PELLUCID_INLINE void finish(const Walk& walk, std::size_t k) {
      for (std::size_t b = 0; b < B; ++b) sum[b] = sum[b] * Pack::of(gap);
      this->pay(walk, k, sum);
    }
  };

  struct Constant {
    Pack value;
    PELLUCID_INLINE Pack below(std::size_t, std::size_t, Pack) const { return value; }
    PELLUCID_INLINE void finish(const Walk&, std::size_t) const {}
  };

  // The children of a family's first split, for each value of a leaf.
  auto leaf(const double* value) const {
    return [value](std::size_t k) { return Constant{Pack::of(Real(value[k]))}; };
  }
  template <bool varying>
  auto fork(const Split& split) const {
    return [this, &split](std::size_t k) { return Fork<varying>(*this, split, k); };
  }

  template <bool varying>
  void enter(const Split& split) {
    Node<varying> node(*this, split);
    node.route(*this);
    node.let_through(*this);
    const std::uint32_t left = place_below(split.level, true), right = place_below(split.level, false);
    const Pack* from = above(split.spot);
    Pack *to_left = above(left), *to_right = above(right);
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t b = 0; b < B; ++b) {
        const std::size_t at = p * B + b;
        to_left[at] = from[at] * node.r(p, b);
        to_right[at] = from[at] - to_left[at];
      }
    }
    if (split.left) spread(split.left, left);
    else if constexpr (pairs) set_ratio(left, Real(split.cold * split.share));
    if (split.right) spread(split.right, right);
    else if constexpr (pairs) set_ratio(right, Real(split.cold * split.rest));
  }

  void spread(const double* leaf, std::size_t spot) const {
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      for (std::size_t i = 0; i < block; ++i) below(spot, k)[i] = Pack::of(Real(leaf[k]));
    }
  }

  template <bool varying>
  void leave(const Split& split) {
    Node<varying> node(*this, split);
    const std::uint32_t left = place_below(split.level, true), right = place_below(split.level, false);
    for (std::size_t b = 0; b < B; ++b) node.goes[b] = passing(left)[b];  // those that failed before count nowhere
    const Pack* weight = above(split.spot);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      const Pack *from_left = below(left, k), *from_right = below(right, k);
      Pack* up = below(split.spot, k);
      Pack sum[B], change[block];
      for (std::size_t b = 0; b < B; ++b) sum[b] = Pack::of(0.0);
      for (std::size_t p = 0; p < P; ++p) {
        for (std::size_t b = 0; b < B; ++b) {
          const std::size_t at = p * B + b;
          const Pack gap = from_left[at] - from_right[at];
          up[at] = fma(node.r(p, b), gap, from_right[at]);
          change[at] = weight[at] * gap;
          node.add(sum[b], p, b, change[at]);
        }
      }
      node.pay(*this, k, sum);
      if constexpr (pairs) interact(node, k, change);
    }
  }

  template <bool varying>
  void pass(const Split& split) {
    const Pack* weight = above(split.spot);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      Fork<varying> fork(*this, split, k);
      Pack* up = below(split.spot, k);
      for (std::size_t p = 0; p < P; ++p) {
        for (std::size_t b = 0; b < B; ++b) up[p * B + b] = fork.below(p, b, weight[p * B + b]);
      }
      fork.finish(*this, k);
      if constexpr (pairs) {
        Pack change[block];
        for (std::size_t at = 0; at < block; ++at) change[at] = weight[at] * Pack::of(fork.gap);
        interact(fork, k, change);
      }
    }
  }

  // A split whose children are leaves or forks: enter, the children and leave, without a stop in memory.
  template <bool varying, class Left, class Right>
  void family(const Split& split, Left left_child, Right right_child) {
    Node<varying> node(*this, split);
    node.route(*this);
    if constexpr (varying) node.let_through(*this);  // else no child's player has split above
    const Pack* weight = above(split.spot);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      auto left = left_child(k);
      auto right = right_child(k);
      Pack* up = below(split.spot, k);
      Pack sum[B];
      for (std::size_t b = 0; b < B; ++b) sum[b] = Pack::of(0.0);
      for (std::size_t p = 0; p < P; ++p) {
        for (std::size_t b = 0; b < B; ++b) {
          const Pack from = weight[p * B + b], r = node.r(p, b), to_left = from * r;
          const Pack from_left = left.below(p, b, to_left), from_right = right.below(p, b, from - to_left);
          const Pack gap = from_left - from_right;
          up[p * B + b] = fma(r, gap, from_right);
          node.add(sum[b], p, b, from * gap);
        }
      }
      left.finish(*this, k);
      right.finish(*this, k);
      node.pay(*this, k, sum);
    }
  }

  template <bool varying>
  void one_by_one(const Split* split) {
    enter<varying>(*split);
    const Split* child = split + 1;
    if (!split->left) pass<varying>(*child++);
    if (!split->right) pass<varying>(*child);
    leave<varying>(*split);
  }

  // Below a split: the ratio of its player, by the share that its splits so far let through.
  void set_ratio(std::size_t spot, Real cold) {
    alignas(64) Real passed[padded_points], failed[padded_points];
    const Pack one = Pack::of(1.0), z = Pack::of(cold), zero = Pack::of(0.0);
    for (std::size_t p = 0; p < most_points; p += Pack::lanes) {
      const Pack t = Pack::load(task_.point + p), s = one - t;
      ((one - z) / (t + s * z)).store(passed + p);
      (zero - one / s).store(failed + p);
    }
    Pack* to = ratio_ + spot * block;
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t b = 0; b < B; ++b) {
        to[p * B + b] = choose(passing(spot)[b], Pack::of(passed[p]), Pack::of(failed[p]));
      }
    }
  }

  // Shares what the node's player earned with each other player above, where their pair is asked for.
  template <bool varying>
  PELLUCID_INLINE void interact(const Node<varying>& node, std::size_t k, Pack* change) {
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t b = 0; b < B; ++b) {
        Pack& here = change[p * B + b];
        here = node.earned(b, varying ? here * node.e(p, b) : here);
      }
    }
    const Meeting *meeting = task_.meetings + node.split.meetings, *end = meeting + node.split.others;
    for (; meeting != end; ++meeting) {
      if (meeting->pair < 0) continue;
      const std::size_t at = std::size_t(meeting->pair) * task_.shape.outputs + task_.first_output + k;
      Real* to = task_.pair + at * B * Pack::lanes;
      const Pack* ratio = ratio_ + meeting->spot * block;
      for (std::size_t b = 0; b < B; ++b, to += Pack::lanes) {
        Pack sum = Pack::load(to);
        for (std::size_t p = 0; p < P; ++p) sum = fma(change[p * B + b], ratio[p * B + b], sum);
        sum.store(to);
      }
    }
  }

  const PathTask<Real>& task_;
  Pack* above_;    // (places on the path, points, packs)
  Pack* below_;    // (places on the path, width, points, packs)
  Pack* ratio_;    // (places on the path, points, packs): of the player that splits above
  Mask* passing_;  // (places on the path, packs): rows that passed all splits of the player that splits above
};

template <class Real, std::size_t B, bool pairs>
void run(const PathTask<Real>& task) {
  switch (task.points) {
    case 1: return Walk<Real, 1, B, pairs>(task).run();
    case 2: return Walk<Real, 2, B, pairs>(task).run();
    case 3: return Walk<Real, 3, B, pairs>(task).run();
    case 4: return Walk<Real, 4, B, pairs>(task).run();
    case 5: return Walk<Real, 5, B, pairs>(task).run();
    case 6: return Walk<Real, 6, B, pairs>(task).run();
    case 7: return Walk<Real, 7, B, pairs>(task).run();
    default: return Walk<Real, 8, B, pairs>(task).run();
  }
}

template <class Real, std::size_t B>
std::size_t scratch_bytes(const Shape& shape) {
  return Walk<Real, 1, B, false>::scratch_bytes(shape);
}

}  // namespace
}  // namespace pellucid
