// Rows whose hidden cells are those of other rows: what a marginal game gives its model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace pellucid {

// result[b, s, j] = shown[s, j] ? row[j] : others[b, j], bit for bit; Word is as wide as a cell.
//
// Which cells are shown is widened once to words of ones and zeros, so a tile of them stays in the nearest cache while
// every background row is written beside it, several cells at once and without a branch.
template <class Word>
void mix(const Word* others, std::size_t n_others, const Word* row, const bool* shown, std::size_t n_shown,
         std::size_t columns, Word* result) {
  constexpr std::size_t tile_bytes = 1 << 14;
  const std::size_t step = std::max<std::size_t>(1, tile_bytes / (sizeof(Word) * std::max<std::size_t>(1, columns)));
  std::vector<Word> mask(step * columns), change(columns);
  for (std::size_t first = 0; first < n_shown; first += step) {
    const std::size_t count = std::min(step, n_shown - first);
    for (std::size_t i = 0; i < count * columns; ++i) mask[i] = shown[first * columns + i] ? ~Word(0) : Word(0);
    for (std::size_t b = 0; b < n_others; ++b) {
      const Word* other = others + b * columns;
      for (std::size_t j = 0; j < columns; ++j) change[j] = other[j] ^ row[j];
      Word* to = result + (b * n_shown + first) * columns;
      const Word* known = mask.data();
      for (std::size_t s = 0; s < count; ++s, to += columns, known += columns)
        for (std::size_t j = 0; j < columns; ++j) to[j] = other[j] ^ (known[j] & change[j]);
    }
  }
}

}  // namespace pellucid
