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

#include <utility>

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
//
// Each split goes through its packs one after the other: what it says at all points, and the sums, stay in registers.
template <class Real, std::size_t P, std::size_t B, bool pairs>
class Walk {
 public:
  using Pack = pellucid::Pack<Real>;
  using Mask = typename Pack::Mask;
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
    take_all(std::make_index_sequence<n_steps>());
  }

 private:
  template <Step step>
  static void take(const Walk& walk, const Split* split) {
    if constexpr (step >= leave_step(false)) {
      walk.leave<step == leave_step(true)>(*split);
    } else if constexpr (step >= enter_step(false, false)) {
      constexpr bool asked = step >= enter_step(false, true);
      walk.enter<step == enter_step(true, asked), asked || pairs>(*split);
    } else {
      walk.family<step % 2 == 1, Child(step / 2 % 3), Child(step / 6)>(split);
    }
  }

  template <std::size_t... step>
  PELLUCID_INLINE void take_all(std::index_sequence<step...>) const {
    static constexpr void (*steps[])(const Walk&, const Split*) = {take<step>...};
    for (const Move *move = task_.moves, *end = move + task_.n_moves; move != end; ++move) {
      steps[move->step](*this, task_.splits + move->split);
    }
  }

  Pack* above(std::size_t spot) const { return above_ + spot * block; }
  Pack* below(std::size_t spot, std::size_t k) const { return below_ + (spot * task_.shape.width + k) * block; }
  Mask* passing(std::size_t spot) const { return passing_ + spot * B; }

  // The rows of one pack at a split: those that go left, and those that passed the player's splits above.
  struct Rows {
    Mask left, alive;
  };

  // A split, as all rows see it.
  template <bool varying>
  struct Node {
    static constexpr bool varies = varying;
    const Split& split;
    FactorTable<Real> c;
    Pack rest, lost;    // e where it is the same at all points: of a row that goes left, and right
    const double* x;    // the input that it asks for
    const Mask* alive;  // of each pack
    Real* phi;          // what its player has earned

    PELLUCID_INLINE Node(const Walk& walk, const Split& at)
        : split(at), rest(Pack::of(Real(at.rest))), lost(Pack::of(Real(-at.share))),
          x(walk.task_.x + std::size_t(at.input) * B * Pack::lanes), alive(walk.passing(at.earlier_spot)),
          phi(walk.task_.phi + walk.earner(std::size_t(at.player))) {
      set_factors<varying>(c, split, walk.task_.point);
    }

    PELLUCID_INLINE Rows rows(std::size_t b) const {
      const Mask left = rows_going_left<Real>(x + b * Pack::lanes, split.threshold);
      return {left, varying ? alive[b] : Mask::all(true)};
    }

    // Says to the splits below which rows pass.
    PELLUCID_INLINE void let_through(const Walk& walk, std::size_t b, Rows rows) const {
      walk.passing(place_below(split.level, true))[b] = rows.alive & rows.left;
      walk.passing(place_below(split.level, false))[b] = rows.alive & ~rows.left;
    }

    PELLUCID_INLINE Pack choice(Rows rows, Real left, Real right, Real dead) const {
      const Pack of_alive = choose(rows.left, Pack::of(left), Pack::of(right));
      return varying ? choose(rows.alive, of_alive, Pack::of(dead)) : of_alive;
    }
    PELLUCID_INLINE Pack r(Rows rows, std::size_t p) const { return choice(rows, c.go[p], c.no[p], Real(split.share)); }
    PELLUCID_INLINE Pack e(Rows rows, std::size_t p) const {
      return choose(rows.left, Pack::of(c.e_left[p]), Pack::of(c.e_right[p]));
    }

    // Where e is the same at all points and no row failed before, e is left to `earned`.
    PELLUCID_INLINE Pack sum(Pack before, Rows rows, std::size_t p, Pack above, Pack gap) const {
      if constexpr (varying) above = above * gap, gap = e(rows, p);
      return p ? fma(above, gap, before) : above * gap;
    }
    PELLUCID_INLINE Pack earned(Rows rows, Pack sum) const {
      return varying ? or_zero(rows.alive, sum) : sum * choose(rows.left, rest, lost);
    }

    PELLUCID_INLINE void pay(std::size_t k, std::size_t b, Pack earned) const {
      Real* to = phi + (k * B + b) * Pack::lanes;
      (Pack::load(to) + earned).store(to);
    }
  };

  // A split between two leaves: what is below it is known at once, and where e is the same at all points so is all that
  // its player earns but one sum.
  template <bool varying>
  struct Fork : Node<varying> {
    Real dead;
    Pack gap;
    alignas(64) Real up_go[padded_points], up_no[padded_points];

    PELLUCID_INLINE Fork(const Walk& walk, const Split& split, std::size_t k)
        : Node<varying>(walk, split), gap(Pack::of(Real(split.left[k]) - Real(split.right[k]))) {
      const Pack last = Pack::of(Real(split.right[k]));
      dead = pellucid::fma(Real(split.share), Real(split.left[k]) - Real(split.right[k]), Real(split.right[k]));
      for (std::size_t p = 0; p < most_points; p += Pack::lanes) {
        fma(Pack::load(this->c.go + p), gap, last).store(up_go + p);
        fma(Pack::load(this->c.no + p), gap, last).store(up_no + p);
      }
      this->rest = this->rest * gap, this->lost = this->lost * gap;
    }

    PELLUCID_INLINE Pack earned(Rows rows, Pack sum) const {
      return Node<varying>::earned(rows, varying ? sum * gap : sum);
    }

    // One pack on its way through the points.
    struct Visit {
      const Fork& fork;
      Rows rows;
      Pack sum;

      PELLUCID_INLINE Pack below(std::size_t p, Pack above) {
        if constexpr (varying) sum = fma(above, fork.e(rows, p), sum);
        else sum = p ? sum + above : above;
        return fork.choice(rows, fork.up_go[p], fork.up_no[p], fork.dead);
      }
      PELLUCID_INLINE void end(std::size_t k, std::size_t b) const { fork.pay(k, b, fork.earned(rows, sum)); }
    };
    PELLUCID_INLINE Visit visit(std::size_t b) const { return {*this, this->rows(b), Pack::of(0.0)}; }
  };

  // A child that is a leaf.
  struct Leaf {
    Pack value;

    PELLUCID_INLINE const Leaf& visit(std::size_t) const { return *this; }
    PELLUCID_INLINE Pack below(std::size_t, Pack) const { return value; }
    PELLUCID_INLINE void end(std::size_t, std::size_t) const {}
  };

  template <Child child>
  PELLUCID_INLINE auto child_of(const double* leaf, const Split& fork, std::size_t k) const {
    if constexpr (child == Child::leaf) return Leaf{Pack::of(Real(leaf[k]))};
    else return Fork<child == Child::repeated_fork>(*this, fork, k);
  }

  template <bool varying, bool asked>
  void enter(const Split& split) const {
    const Node<varying> node(*this, split);
    const std::uint32_t left = place_below(split.level, true), right = place_below(split.level, false);
    const Pack* from = above(split.spot);
    Pack *to_left = above(left), *to_right = above(right);
    PELLUCID_ALL_AT_ONCE for (std::size_t b = 0; b < B; ++b) {
      const Rows rows = node.rows(b);
      if constexpr (asked) node.let_through(*this, b, rows);
      PELLUCID_ALL_AT_ONCE for (std::size_t p = 0; p < P; ++p) {
        const Pack whole = from[p * B + b], part = whole * node.r(rows, p);
        to_left[p * B + b] = part, to_right[p * B + b] = whole - part;
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
  void leave(const Split& split) const {
    const Node<varying> node(*this, split);
    const std::uint32_t left = place_below(split.level, true), right = place_below(split.level, false);
    const Pack* weight = above(split.spot);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      const Pack *from_left = below(left, k), *from_right = below(right, k);
      Pack* up = below(split.spot, k);
      Pack change[block];
      PELLUCID_ALL_AT_ONCE for (std::size_t b = 0; b < B; ++b) {
        const Rows rows = node.rows(b);
        Pack sum;
        PELLUCID_ALL_AT_ONCE for (std::size_t p = 0; p < P; ++p) {
          const std::size_t at = p * B + b;
          const Pack gap = from_left[at] - from_right[at];
          up[at] = fma(node.r(rows, p), gap, from_right[at]);
          sum = node.sum(sum, rows, p, weight[at], gap);
          if constexpr (pairs) change[at] = weight[at] * gap;
        }
        node.pay(k, b, node.earned(rows, sum));
      }
      if constexpr (pairs) interact(node, k, change);
    }
  }

  template <bool varying>
  void pass(const Split& split) const {
    const Pack* weight = above(split.spot);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      const Fork<varying> fork(*this, split, k);
      Pack* up = below(split.spot, k);
      PELLUCID_ONE_BY_ONE for (std::size_t b = 0; b < B; ++b) {
        auto visit = fork.visit(b);
        PELLUCID_ALL_AT_ONCE for (std::size_t p = 0; p < P; ++p) up[p * B + b] = visit.below(p, weight[p * B + b]);
        visit.end(k, b);
      }
      if constexpr (pairs) {
        Pack change[block];
        for (std::size_t at = 0; at < block; ++at) change[at] = weight[at];
        interact(fork, k, change);
      }
    }
  }

  // Without a stop in memory between the split and its children.
  template <bool varying, Child left_kind, Child right_kind>
  void family(const Split* splits) const {
    const Split &split = splits[0], &first = splits[1], &second = splits[left_kind == Child::leaf ? 1 : 2];
    if constexpr (left_kind == Child::leaf && right_kind == Child::leaf) return pass<varying>(split);
    if constexpr (pairs) return one_by_one<varying, left_kind, right_kind>(split, first, second);
    const Node<varying> node(*this, split);
    const Pack* weight = above(split.spot);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      const auto left_child = child_of<left_kind>(split.left, first, k);
      const auto right_child = child_of<right_kind>(split.right, second, k);
      Pack* up = below(split.spot, k);
      PELLUCID_ONE_BY_ONE for (std::size_t b = 0; b < B; ++b) {
        const Rows rows = node.rows(b);
        if constexpr (asks(left_kind) || asks(right_kind)) node.let_through(*this, b, rows);
        auto left = left_child.visit(b);
        auto right = right_child.visit(b);
        Pack sum;
        PELLUCID_ALL_AT_ONCE for (std::size_t p = 0; p < P; ++p) {
          const Pack from = weight[p * B + b], r = node.r(rows, p), to_left = from * r;
          const Pack from_left = left.below(p, to_left), from_right = right.below(p, from - to_left);
          const Pack gap = from_left - from_right;
          up[p * B + b] = fma(r, gap, from_right);
          sum = node.sum(sum, rows, p, from, gap);
        }
        left.end(k, b);
        right.end(k, b);
        node.pay(k, b, node.earned(rows, sum));
      }
    }
  }

  static constexpr bool asks(Child child) { return child == Child::repeated_fork; }

  template <bool varying, Child left, Child right>
  void one_by_one(const Split& split, const Split& first, const Split& second) const {
    enter<varying, true>(split);
    if constexpr (left != Child::leaf) pass<asks(left)>(first);
    if constexpr (right != Child::leaf) pass<asks(right)>(second);
    leave<varying>(split);
  }

  // Below a split: the ratio of its player, by the share that its splits so far let through.
  void set_ratio(std::size_t spot, Real cold) const {
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

  // Shares what the node's player earned by each change with each other player above, where their pair is asked for.
  template <class Node>
  PELLUCID_INLINE void interact(const Node& node, std::size_t k, Pack* change) const {
    for (std::size_t b = 0; b < B; ++b) {
      const Rows rows = node.rows(b);
      for (std::size_t p = 0; p < P; ++p) {
        Pack& here = change[p * B + b];
        here = node.earned(rows, Node::varies ? here * node.e(rows, p) : here);
      }
    }
    const Meeting *meeting = task_.meetings + node.split.meetings, *end = meeting + node.split.others;
    for (; meeting != end; ++meeting) {
      if (meeting->pair < 0) continue;
      Real* to = task_.pair + earner(std::size_t(meeting->pair)) + k * B * Pack::lanes;
      const Pack* ratio = ratio_ + meeting->spot * block;
      for (std::size_t b = 0; b < B; ++b, to += Pack::lanes) {
        Pack sum = Pack::load(to);
        for (std::size_t p = 0; p < P; ++p) sum = fma(change[p * B + b], ratio[p * B + b], sum);
        sum.store(to);
      }
    }
  }

  // Where a player, or a pair, has what it earned of the tree's first output.
  PELLUCID_INLINE std::size_t earner(std::size_t who) const {
    return (who * task_.shape.outputs + task_.first_output) * B * Pack::lanes;
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
