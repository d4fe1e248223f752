// Rows whose hidden cells are those of other rows: what a marginal game gives its model. For kernels.cpp only.
#pragma once

#include <cstddef>
#include <type_traits>

#include "path_kernel.hpp"
#include "simd.hpp"

namespace pellucid {
namespace {

// result[b, s, j] = shown[s, j] ? row[j] : others[b, j], bit for bit.
//
// The result is written once, from its beginning to its end, several cells at once and without a branch; a few lines are
// written as one, as short ones are slow.
template <class Word>
void mix(const MixTask<Word>& task) {
  using Cells = Pack<std::conditional_t<sizeof(Word) == 8, double, float>>;
  const std::size_t columns = task.columns, most = task.lines * columns, size = task.n_shown * columns;
  Word *own = task.own, *other = task.other;
  for (std::size_t j = 0; j < most; ++j) own[j] = task.row[j % columns];
  for (std::size_t b = 0; b < task.n_others; ++b) {
    for (std::size_t line = 0; line < most; line += columns) {
      for (std::size_t j = 0; j < columns; ++j) other[line + j] = task.others[b * columns + j];
    }
    for (std::size_t i = 0; i < size; i += most) {
      const std::size_t count = size - i < most ? size - i : most;
      const bool* shown = task.shown + i;
      Word* to = task.result + b * size + i;
      std::size_t j = 0;
      for (; j + Cells::lanes <= count; j += Cells::lanes) {
        choose(Cells::Known::where(shown + j), Cells::load_any(own + j), Cells::load_any(other + j)).store_any(to + j);
      }
      for (; j < count; ++j) to[j] = shown[j] ? own[j] : other[j];
    }
  }
}

}  // namespace
}  // namespace pellucid
