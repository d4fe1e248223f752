// The quadrature of path_walk.hpp for one row: the points are the lanes. For kernels.cpp only.
//
// Straight down all splits, then straight up, without a branch that depends on the tree's shape. Every sum has the
// order and every product the factors of the walk with rows in its lanes, so a row has the same bits either way.
#pragma once

#include "path_walk.hpp"

namespace pellucid {
namespace {

template <class Real, std::size_t P>
class RowWalk {
 public:
  using Pack = pellucid::Pack<Real>;
  using Mask = typename Pack::Mask;
  static constexpr std::size_t packs = (P + Pack::lanes - 1) / Pack::lanes;

  explicit RowWalk(const PathTask<Real>& task) : task_(task), splits_(task.splits), x_(task.x) {
    const std::size_t splits = task.shape.splits, places = 2 * splits + 1;
    Pack* pack = reinterpret_cast<Pack*>(task.scratch);
    above_ = pack, pack += places * packs;
    below_ = pack, pack += places * packs;
    r_ = pack, pack += splits * packs;
    e_ = pack, pack += splits * packs;
    first_e_ = reinterpret_cast<Real*>(pack);
    passing_ = reinterpret_cast<bool*>(first_e_ + splits);
  }

  static std::size_t scratch_bytes(const Shape& shape) {
    const std::size_t splits = shape.splits, places = 2 * splits + 1;
    return 2 * (places + splits) * packs * sizeof(Pack) + splits * sizeof(Real) + places + 64;
  }

  void run() {
    for (std::size_t q = 0; q < packs; ++q) above_[q] = Pack::load(task_.weight + q * Pack::lanes);
    passing_[root_place] = true;
    const std::size_t n = task_.n_splits;
    for (std::size_t i = 0; i < n; ++i) {
      if (splits_[i].repeated) descend<true>(i);
      else descend<false>(i);
    }
    for (std::size_t k = 0; k < task_.shape.width; ++k) climb(k);
  }

 private:
  template <bool varying>
  PELLUCID_INLINE void descend(std::size_t i) {
    const Split& split = splits_[i];
    const bool goes = x_[split.input] <= split.threshold;
    const bool alive = passing_[split.earlier];
    const std::uint32_t left = place_below(i, true), right = place_below(i, false);
    passing_[left] = alive & goes, passing_[right] = alive & !goes;
    const Real first_e[] = {Real(-split.share), Real(split.rest)};
    first_e_[i] = varying ? Real(1) : first_e[goes];
    const Mask goes_left = Mask::all(goes), is_alive = Mask::all(alive);
    for (std::size_t q = 0; q < packs; ++q) {
      const auto f = factors<varying>(split, Pack::load(task_.point + q * Pack::lanes));
      Pack r = choose(goes_left, f.go, f.no);
      if constexpr (varying) {
        r = choose(is_alive, r, Pack::of(Real(split.share)));
        e_[i * packs + q] = or_zero(is_alive, choose(goes_left, f.e_left, f.e_right));
      }
      const Pack from = above_[split.place * packs + q], to_left = from * r;
      above_[left * packs + q] = to_left, above_[right * packs + q] = from - to_left;
      r_[i * packs + q] = r;
    }
  }

  void climb(std::size_t k) {
    const Leaf* end_of_leaves = task_.leaves + task_.n_leaves;
    for (const Leaf* leaf = task_.leaves; leaf != end_of_leaves; ++leaf) {
      for (std::size_t q = 0; q < packs; ++q) below_[leaf->place * packs + q] = Pack::of(Real(leaf->value[k]));
    }
    Real* phi = task_.phi + task_.first_output + k;
    const std::uint32_t *finished = task_.finished, *end = finished + task_.n_splits;
    const std::size_t outputs = task_.shape.outputs;
    for (; finished != end; ++finished) phi[std::size_t(splits_[*finished].player) * outputs] += earned(*finished);
  }

  // Between two leaves the gap is taken out of the sum and put to e where that is the same at all points, as the walk with
  // rows in its lanes does.
  PELLUCID_INLINE Real earned(std::uint32_t i) {
    const Split& split = splits_[i];
    const Pack *left = below_ + place_below(i, true) * packs, *right = below_ + place_below(i, false) * packs;
    alignas(64) Real change[packs * Pack::lanes], e[packs * Pack::lanes], common[Pack::lanes];
    const Mask flat = Mask::all((split.left != nullptr) & (split.right != nullptr)), varying = Mask::all(split.repeated);
    const Pack one = Pack::of(1.0);
    for (std::size_t q = 0; q < packs; ++q) {
      const Pack gap = left[q] - right[q], weight = above_[split.place * packs + q];
      below_[split.place * packs + q] = fma(r_[i * packs + q], gap, right[q]);
      const Pack step = choose(flat, one, gap);
      choose(varying, weight * step, weight).store(change + q * Pack::lanes);
      choose(varying, e_[i * packs + q], step).store(e + q * Pack::lanes);
      if (q == 0) choose(flat, gap, one).store(common);
    }
    Real sum = 0;
    for (std::size_t p = 0; p < P; ++p) sum = fma(change[p], e[p], sum);
    return sum * (common[0] * first_e_[i]);
  }

  const PathTask<Real>& task_;
  const Split* splits_;
  const double* x_;
  Pack *above_, *below_;  // (places, packs)
  Pack *r_, *e_;          // (splits, packs): e where it varies from point to point
  Real* first_e_;         // (splits,): e where it does not vary, else 1
  bool* passing_;         // (places,): whether the row passed the splits of the player above that leads here
};

template <class Real>
void run_row(const PathTask<Real>& task) {
  switch (task.points) {
    case 1: return RowWalk<Real, 1>(task).run();
    case 2: return RowWalk<Real, 2>(task).run();
    case 3: return RowWalk<Real, 3>(task).run();
    case 4: return RowWalk<Real, 4>(task).run();
    case 5: return RowWalk<Real, 5>(task).run();
    case 6: return RowWalk<Real, 6>(task).run();
    case 7: return RowWalk<Real, 7>(task).run();
    default: return RowWalk<Real, 8>(task).run();
  }
}

}  // namespace
}  // namespace pellucid
