// The mean of lines, whose bits depend neither on how many columns they have nor on where a column stands.
#pragma once

#include <algorithm>
#include <cstddef>

namespace pellucid {

// Counted from the first line, so that equal numbers have exactly their own value as mean, and added up line by line;
// so many columns at a time as stay in the nearest cache.
inline void mean(const double* lines, std::size_t count, std::size_t columns, double* found) {
  constexpr std::size_t strip = 1024;
  for (std::size_t first = 0; first < columns; first += strip) {
    const std::size_t last = std::min(columns, first + strip);
    for (std::size_t j = first; j < last; ++j) found[j] = 0.0;
    for (std::size_t i = 1; i < count; ++i) {
      const double* line = lines + i * columns;
      for (std::size_t j = first; j < last; ++j) found[j] += line[j] - lines[j];
    }
    for (std::size_t j = first; j < last; ++j) found[j] = lines[j] + found[j] / double(count);
  }
}

}  // namespace pellucid
