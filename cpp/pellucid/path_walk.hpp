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

// What a split does at a pack of points, for the three kinds of rows.
template <class Real>
struct Factors {
  Pack<Real> go, stay_go;  // r and 1 - r of a row that goes left
  Pack<Real> no, stay_no;  // ... that goes right
  Pack<Real> e_left, e_right;
};

template <bool repeated, class Real>
PELLUCID_INLINE Factors<Real> factors(const Split& split, Pack<Real> t) {
  using Pack = pellucid::Pack<Real>;
  const Pack one = Pack::of(1.0), w = Pack::of(Real(split.share)), v = Pack::of(Real(split.rest)), s = one - t;
  if constexpr (!repeated) return {t + s * w, s * v, s * w, t + s * v, v, Pack::of(Real(-split.share))};
  const Pack z = Pack::of(Real(split.cold)), inverse = one / (t + s * z);
  const Pack cold_left = s * z * w, cold_right = s * z * v;
  return {(t + cold_left) * inverse, cold_right * inverse,     cold_left * inverse, (t + cold_right) * inverse,
          z * v * inverse * inverse, Pack::of(Real(-split.cold)) * w * inverse * inverse};
}

// The same point by point, for kernels that have rows in their lanes.
template <class Real>
struct FactorTable {
  alignas(64) Real go[padded_points], stay_go[padded_points];
  alignas(64) Real no[padded_points], stay_no[padded_points];
  alignas(64) Real e_left[padded_points], e_right[padded_points];
};

template <bool repeated, class Real>
PELLUCID_INLINE FactorTable<Real> factor_table(const Split& split, const Real* point) {
  FactorTable<Real> c;
  for (std::size_t p = 0; p < most_points; p += Pack<Real>::lanes) {
    const auto f = factors<repeated>(split, Pack<Real>::load(point + p));
    f.go.store(c.go + p), f.stay_go.store(c.stay_go + p);
    f.no.store(c.no + p), f.stay_no.store(c.stay_no + p);
    f.e_left.store(c.e_left + p), f.e_right.store(c.e_right + p);
  }
  return c;
}

// P points of B packs of rows. `pairs` adds interactions.
template <class Real, std::size_t P, std::size_t B, bool pairs>
class Walk {
 public:
  using Pack = pellucid::Pack<Real>;
  static constexpr std::size_t block = P * B;  // packs

  explicit Walk(const PathTask<Real>& task) : task_(task) {
    const Shape& shape = task.shape;
    Pack* pack = reinterpret_cast<Pack*>(task.scratch);
    above_ = pack, pack += (shape.levels + 1) * most_points * B;
    below_left_ = pack, pack += shape.levels * shape.width * most_points * B;
    below_ = pack, pack += shape.width * most_points * B;
    ratio_ = pack, pack += shape.slots * most_points * B;
    Mask* mask = reinterpret_cast<Mask*>(pack);
    alive_ = mask, mask += shape.players * B;
    left_ = mask, mask += shape.levels * B;
    kept_ = mask, mask += shape.levels * B;
  }

  static std::size_t scratch_bytes(const Shape& shape) {
    const std::size_t packs = (shape.levels * (1 + shape.width) + 1 + shape.width + shape.slots) * most_points * B;
    return packs * sizeof(Pack) + (shape.players + 2 * shape.levels) * B * sizeof(Mask) + 64;
  }

  void reset() {
    for (std::size_t i = 0; i < task_.shape.players * B; ++i) alive_[i] = Mask::all(true);
  }

  void run() {
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t b = 0; b < B; ++b) above_[p * B + b] = Pack::of(task_.weight[p]);
    }
    for (std::size_t i = 0; i < task_.n_moves; ++i) {
      const Split& split = task_.splits[task_.moves[i].split];
      if (split.repeated) move<true>(task_.moves[i].step, split);
      else move<false>(task_.moves[i].step, split);
    }
  }

 private:
  template <bool repeated>
  PELLUCID_INLINE void move(Step step, const Split& split) {
    switch (step) {
      case Step::enter: enter<repeated>(split); break;
      case Step::turn: turn<repeated>(split); break;
      case Step::leave: leave<repeated>(split); break;
      case Step::pass:
        if constexpr (pairs) {
          enter<repeated>(split);
          turn<repeated>(split);
          leave<repeated>(split);
        } else {
          pass<repeated>(split);
        }
    }
  }

  Mask* alive(const Split& split) { return alive_ + std::size_t(split.player) * B; }
  Mask* left(const Split& split) { return left_ + split.level * B; }
  Mask* kept(const Split& split) { return kept_ + split.level * B; }
  Pack* above(std::size_t level) { return above_ + level * block; }
  Pack* below_left(std::size_t level) { return below_left_ + level * task_.shape.width * block; }
  Pack* result(const Split& split) { return split.is_left && split.level ? below_left(split.level - 1) : below_; }
  Real* phi(const Split& split, std::size_t k) {
    const std::size_t at = std::size_t(split.player) * task_.shape.outputs + task_.first_output + k;
    return task_.phi + at * B * Pack::lanes;
  }

  PELLUCID_INLINE Mask routed(const Split& split, std::size_t b) const {
    const double* x = task_.x + (std::size_t(split.column) * B + b) * Pack::lanes;
    return rows_going_left<Real>(x, split.threshold, split.missing_left);
  }

  template <bool repeated>
  void enter(const Split& split) {
    Mask *goes = left(split), *before = kept(split), *now = alive(split);
    for (std::size_t b = 0; b < B; ++b) {
      goes[b] = routed(split, b);
      before[b] = now[b];
      now[b] = before[b] & goes[b];
    }
    if constexpr (pairs) set_ratio(split, Real(split.cold * split.share), now);
    if (split.left) return spread(split.left, below_left(split.level));
    const auto c = factor_table<repeated>(split, task_.point);
    descend<repeated>(split, c.go, c.no, Real(split.share));
  }

  template <bool repeated>
  void turn(const Split& split) {
    const Mask *goes = left(split), *before = kept(split);
    Mask* now = alive(split);
    for (std::size_t b = 0; b < B; ++b) now[b] = before[b] & ~goes[b];
    if constexpr (pairs) set_ratio(split, split.cold * split.rest, now);
    if (split.right) return spread(split.right, below_);
    const auto c = factor_table<repeated>(split, task_.point);
    descend<repeated>(split, c.stay_go, c.stay_no, Real(split.rest));
  }

  void spread(const double* leaf, Pack* to) const {
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      for (std::size_t i = 0; i < block; ++i) to[k * block + i] = Pack::of(Real(leaf[k]));
    }
  }

  template <bool repeated>
  PELLUCID_INLINE void descend(const Split& split, const Real* go, const Real* no, Real dead) {
    const Mask *goes = left(split), *before = kept(split);
    const Pack* from = above(split.level);
    Pack* to = above(split.level + 1);
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t b = 0; b < B; ++b) {
        Pack r = choose(goes[b], Pack::of(go[p]), Pack::of(no[p]));
        if (repeated) r = choose(before[b], r, Pack::of(dead));
        to[p * B + b] = from[p * B + b] * r;
      }
    }
  }

  template <bool repeated>
  void leave(const Split& split) {
    const auto c = factor_table<repeated>(split, task_.point);
    const Mask *goes = left(split), *before = kept(split);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      const Pack *from_left = below_left(split.level) + k * block, *from_right = below_ + k * block;
      const Pack* weight = above(split.level);
      Pack* up = result(split) + k * block;
      Pack sum[B], change[block];
      for (std::size_t b = 0; b < B; ++b) sum[b] = Pack::of(0.0);
      for (std::size_t p = 0; p < P; ++p) {
        for (std::size_t b = 0; b < B; ++b) {
          const std::size_t at = p * B + b;
          const Pack gap = from_left[at] - from_right[at];
          Pack r = choose(goes[b], Pack::of(c.go[p]), Pack::of(c.no[p]));
          if (repeated) r = choose(before[b], r, Pack::of(Real(split.share)));
          up[at] = fma(r, gap, from_right[at]);
          change[at] = weight[at] * gap;
          if constexpr (repeated) {
            const Pack e = choose(goes[b], Pack::of(c.e_left[p]), Pack::of(c.e_right[p]));
            sum[b] = fma(change[at], e, sum[b]);
            if constexpr (pairs) change[at] = change[at] * e;
          } else {
            sum[b] = sum[b] + change[at];
          }
        }
      }
      earn<repeated>(split, k, sum);
      if constexpr (pairs) interact<repeated>(split, k, change);
    }
    for (std::size_t b = 0; b < B; ++b) alive(split)[b] = before[b];
    if constexpr (pairs) {
      if (repeated) set_ratio(split, split.cold, before);
    }
  }

  // Both children are leaves: `below` is known without a walk, and at a first split so is all but one sum.
  template <bool repeated>
  void pass(const Split& split) {
    const auto c = factor_table<repeated>(split, task_.point);
    const Pack* weight = above(split.level);
    const Mask* before = alive(split);
    Mask goes[B];
    for (std::size_t b = 0; b < B; ++b) goes[b] = routed(split, b);
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      const Real last = Real(split.right[k]), gap = Real(split.left[k]) - last;
      alignas(64) Real up_go[most_points], up_no[most_points];
      for (std::size_t p = 0; p < most_points; ++p) {
        up_go[p] = fma(c.go[p], gap, last), up_no[p] = fma(c.no[p], gap, last);
      }
      const Pack dead = Pack::of(fma(Real(split.share), gap, last));
      Pack* up = result(split) + k * block;
      Pack sum[B];
      for (std::size_t b = 0; b < B; ++b) sum[b] = Pack::of(0.0);
      for (std::size_t p = 0; p < P; ++p) {
        for (std::size_t b = 0; b < B; ++b) {
          const Pack chosen = choose(goes[b], Pack::of(up_go[p]), Pack::of(up_no[p]));
          up[p * B + b] = repeated ? choose(before[b], chosen, dead) : chosen;
          const Pack w = weight[p * B + b];
          sum[b] = repeated ? fma(w, choose(goes[b], Pack::of(c.e_left[p]), Pack::of(c.e_right[p])), sum[b]) : sum[b] + w;
        }
      }
      for (std::size_t b = 0; b < B; ++b) {
        sum[b] = sum[b] * Pack::of(gap);
        left(split)[b] = goes[b];
        kept(split)[b] = before[b];
      }
      earn<repeated>(split, k, sum);
    }
  }

  // At a player's first split e is the same at all points.
  template <bool repeated>
  PELLUCID_INLINE void earn(const Split& split, std::size_t k, const Pack* sum) {
    Real* to = phi(split, k);
    const Mask *goes = left(split), *before = kept(split);
    for (std::size_t b = 0; b < B; ++b) {
      const Pack earned = repeated ? or_zero(before[b], sum[b])
                                   : sum[b] * choose(goes[b], Pack::of(Real(split.rest)), Pack::of(Real(-split.share)));
      (Pack::load(to + b * Pack::lanes) + earned).store(to + b * Pack::lanes);
    }
  }

  // Below a split: the ratio of its player, by the share that its splits so far let through.
  void set_ratio(const Split& split, Real cold, const Mask* passing) {
    alignas(64) Real passed[most_points], failed[most_points];
    for (std::size_t p = 0; p < most_points; ++p) {
      const Real t = task_.point[p], s = 1 - t;
      passed[p] = (1 - cold) / (t + s * cold);
      failed[p] = -1 / s;
    }
    Pack* to = ratio_ + split.slot * block;
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t b = 0; b < B; ++b) {
        to[p * B + b] = choose(passing[b], Pack::of(passed[p]), Pack::of(failed[p]));
      }
    }
  }

  // Shares what the split's player earned with each other player above, where their pair is asked for.
  template <bool repeated>
  void interact(const Split& split, std::size_t k, Pack* change) {
    const Mask *goes = left(split), *before = kept(split);
    for (std::size_t at = 0; at < block; ++at) {
      const std::size_t b = at % B;
      change[at] = repeated ? or_zero(before[b], change[at])
                            : change[at] * choose(goes[b], Pack::of(Real(split.rest)), Pack::of(Real(-split.share)));
    }
    for (std::size_t slot = 0; slot < split.others; ++slot) {
      const std::int32_t pair = task_.pair_places[split.meetings + slot];
      if (pair < 0) continue;
      Real* to = task_.pair + (std::size_t(pair) * task_.shape.outputs + task_.first_output + k) * B * Pack::lanes;
      const Pack* ratio = ratio_ + slot * block;
      for (std::size_t b = 0; b < B; ++b) {
        Pack sum = Pack::load(to + b * Pack::lanes);
        for (std::size_t p = 0; p < P; ++p) sum = fma(change[p * B + b], ratio[p * B + b], sum);
        sum.store(to + b * Pack::lanes);
      }
    }
  }

  const PathTask<Real>& task_;
  Pack* above_;       // (levels + 1, points, packs)
  Pack* below_left_;  // (levels, width, points, packs): the left child's, until the right one is done
  Pack* below_;       // (width, points, packs): the child's that was left last
  Pack* ratio_;       // (slots, points, packs)
  Mask *alive_, *left_, *kept_;  // (players, packs), (levels, packs), (levels, packs)
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

template <class Real, std::size_t B>
void reset(const Shape& shape, std::byte* scratch) {
  PathTask<Real> task{};
  task.shape = shape;
  task.scratch = scratch;
  Walk<Real, 1, B, false>(task).reset();
}

}  // namespace
}  // namespace pellucid
