// Rows whose hidden cells are those of other rows: what a marginal game gives its model. For kernels.cpp only.
#pragma once

#include "path_kernel.hpp"

namespace pellucid {
namespace {

// result[b, s, j] = shown[s, j] ? row[j] : others[b, j], bit for bit.
//
// Which cells are shown is widened once to words of ones and zeros, so a tile of them stays in the nearest cache while
// every background row is written beside it, several cells at once and without a branch; a few lines are written as one,
// as short ones are slow.
template <class Word>
void mix(const MixTask<Word>& task) {
  const std::size_t columns = task.columns, most = task.lines * columns;
  Word *mask = task.mask, *other = task.other, *change = task.change;
  for (std::size_t first = 0; first < task.n_shown; first += task.tile) {
    const std::size_t left = task.n_shown - first, size = (left < task.tile ? left : task.tile) * columns;
    const bool* shown = task.shown + first * columns;
    for (std::size_t i = 0; i < size; ++i) mask[i] = shown[i] ? ~Word(0) : Word(0);
    for (std::size_t b = 0; b < task.n_others; ++b) {
      for (std::size_t line = 0; line < most; line += columns) {
        for (std::size_t j = 0; j < columns; ++j) other[line + j] = task.others[b * columns + j];
        for (std::size_t j = 0; j < columns; ++j) change[line + j] = other[j] ^ task.row[j];
      }
      Word* to = task.result + (b * task.n_shown + first) * columns;
      for (std::size_t i = 0; i < size; i += most) {
        const std::size_t count = size - i < most ? size - i : most;
        for (std::size_t j = 0; j < count; ++j) to[i + j] = other[j] ^ (mask[i + j] & change[j]);
      }
    }
  }
}

}  // namespace
}  // namespace pellucid
