// Interventional values of a block of rows, by look-up in the leaves' tables. For kernels.cpp only.
#pragma once

#include "path_kernel.hpp"
#include "simd.hpp"

namespace pellucid {
namespace {

template <std::size_t B, bool pairs>
class TableWalk {
 public:
  explicit TableWalk(const TableTask& task) : task_(task), leaf_(task.leaves) {
    pattern_ = reinterpret_cast<Pattern*>(task.scratch);
  }

  static std::size_t scratch_bytes(const Shape& shape) {
    return (2 * shape.levels + 1) * B * sizeof(Pattern);
  }

  void run() {
    for (std::size_t b = 0; b < B; ++b) pattern_[b] = Pattern::none();
    for (std::size_t i = 0; i < task_.n_splits; ++i) descend(task_.splits[i]);
  }

 private:
  // The players whose splits the row passes, one split further. Leaves with very many players have no tables.
  void descend(const Split& split) {
    const std::uint32_t bit = split.slot < 16 ? 1u << split.slot : 0;
    const Pattern* above = pattern_ + split.spot * B;
    Pattern *left = pattern_ + place_below(split.level, true) * B, *right = pattern_ + place_below(split.level, false) * B;
    for (std::size_t b = 0; b < B; ++b) {
      const double* x = task_.x + (std::size_t(split.input) * B + b) * Pack<double>::lanes;
      const auto goes = going_left(x, split.threshold);
      left[b] = split.repeated ? above[b].without(bit, ~goes) : above[b].with(bit, goes);
      right[b] = split.repeated ? above[b].without(bit, goes) : above[b].with(bit, ~goes);
    }
    if (split.left) finish_leaf(left);
    if (split.right) finish_leaf(right);
  }

  void finish_leaf(const Pattern* passed) {
    const LeafTable& leaf = *leaf_++;
    if (!leaf.table) return;
    switch (leaf.n_players) {
      case 0: return;
      case 1: case 2: case 3: return earn<3>(leaf, passed);
      case 4: return earn<4>(leaf, passed);
      case 5: return earn<5>(leaf, passed);
      case 6: return earn<6>(leaf, passed);
      default: return earn<7>(leaf, passed);
    }
  }

  template <std::size_t players>
  void earn(const LeafTable& leaf, const Pattern* passed) {
    if constexpr (pairs) return interact<players>(leaf, passed);
    const double *gain = leaf.table, *loss = leaf.table + leaf.entries;
    Pack<double> gained[B];
    for (std::size_t b = 0; b < B; ++b) gained[b] = look_up<players>(gain, passed[b]);
    for (std::size_t slot = 0; slot < leaf.n_players; ++slot) {
      const bool turned = !leaf.value && slot + 1 == leaf.n_players;  // the split's own player, in tables of two leaves
      const double* lost = turned ? loss + leaf.entries : loss;
      Pack<double> earned[B];
      for (std::size_t b = 0; b < B; ++b) {
        earned[b] = gained[b] - look_up<players>(lost, passed[b].without(1u << slot));
      }
      const std::size_t player = std::size_t(leaf.players[slot]);
      add(leaf, earned, task_.phi, player);
    }
  }

  // Half of each pair's interaction.
  template <std::size_t players>
  void interact(const LeafTable& leaf, const Pattern* passed) {
    const double *both = leaf.table, *one = both + leaf.entries, *none = one + leaf.entries;
    for (std::size_t second = 1; second < leaf.n_players; ++second) {
      const std::uint32_t bit = 1u << second;
      Pack<double> base[B];
      for (std::size_t b = 0; b < B; ++b) {
        base[b] = look_up<players>(both, passed[b]) - look_up<players>(one, passed[b].without(bit));
      }
      for (std::size_t first = 0; first < second; ++first) {
        const std::uint32_t other = 1u << first;
        Pack<double> earned[B];
        for (std::size_t b = 0; b < B; ++b) {
          earned[b] = (base[b] - look_up<players>(one, passed[b].without(other))) +
                      look_up<players>(none, passed[b].without(bit | other));
        }
        const std::size_t i = std::size_t(leaf.players[first]), j = std::size_t(leaf.players[second]);
        add(leaf, earned, task_.pair, i < j ? j * (j - 1) / 2 + i : i * (i - 1) / 2 + j);
      }
    }
  }

  PELLUCID_INLINE void add(const LeafTable& leaf, const Pack<double>* earned, double* to, std::size_t place) {
    constexpr double one = 1;
    const double* value = leaf.value ? leaf.value : &one;
    to += (place * task_.shape.outputs + task_.first_output) * B * Pack<double>::lanes;
    for (std::size_t k = 0; k < task_.shape.width; ++k) {
      for (std::size_t b = 0; b < B; ++b, to += Pack<double>::lanes) {
        fma(Pack<double>::of(value[k]), earned[b], Pack<double>::load(to)).store(to);
      }
    }
  }

  const TableTask& task_;
  const LeafTable* leaf_;
  Pattern* pattern_;  // (places on the path, packs)
};

// A tree that asks the same at all nodes of a level: the answers to its few questions say everything.
template <std::size_t B, std::size_t levels>
void look_up_whole_tree(const WholeTreeTask& task) {
  Pattern answers[B];
  for (std::size_t b = 0; b < B; ++b) answers[b] = Pattern::none();
  for (std::size_t level = 0; level < task.n_levels; ++level) {
    const Split& split = task.levels[level];
    const double* x = task.x + std::size_t(split.input) * B * Pack<double>::lanes;
    for (std::size_t b = 0; b < B; ++b, x += Pack<double>::lanes) {
      answers[b] = answers[b].with(1u << level, going_left(x, split.threshold));
    }
  }
  const double* table = task.table;
  for (std::size_t slot = 0; slot < task.n_players; ++slot) {
    double* to = task.phi + std::size_t(task.players[slot]) * task.outputs * B * Pack<double>::lanes;
    for (std::size_t k = 0; k < task.width; ++k, table += task.entries) {
      for (std::size_t b = 0; b < B; ++b, to += Pack<double>::lanes) {
        (Pack<double>::load(to) + look_up<levels>(table, answers[b])).store(to);
      }
    }
  }
}

template <std::size_t B>
void look_up_tree(const WholeTreeTask& task) {
  switch (task.n_levels) {
    case 1: case 2: case 3: return look_up_whole_tree<B, 3>(task);
    case 4: return look_up_whole_tree<B, 4>(task);
    case 5: return look_up_whole_tree<B, 5>(task);
    case 6: return look_up_whole_tree<B, 6>(task);
    default: return look_up_whole_tree<B, 7>(task);
  }
}

void look_up_row(const WholeTreeTask& task) {
  std::size_t answers = 0;
  for (std::size_t level = 0; level < task.n_levels; ++level) {
    const Split& split = task.levels[level];
    answers |= std::size_t(task.x[split.input] <= split.threshold) << level;
  }
  const double* table = task.table + answers;
  for (std::size_t slot = 0; slot < task.n_players; ++slot) {
    double* to = task.phi + std::size_t(task.players[slot]) * task.outputs;
    for (std::size_t k = 0; k < task.width; ++k, table += task.entries) to[k] += *table;
  }
}

template <std::size_t B>
void look_up_values(const TableTask& task) {
  TableWalk<B, false>(task).run();
}

template <std::size_t B>
void look_up_interactions(const TableTask& task) {
  TableWalk<B, true>(task).run();
}

}  // namespace
}  // namespace pellucid
