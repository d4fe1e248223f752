// Whether matrices have two equal halves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace pellucid {

// Largest |values[r, i, j, k] - values[r, j, i, k]| of matrices (n, size, size, depth); one after the other, as each
// fits the cache and its columns do not.
inline double asymmetry(const double* values, std::size_t n, std::size_t size, std::size_t depth) {
  double largest = 0.0;
  for (const double* end = values + n * size * size * depth; values != end; values += size * size * depth) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = i + 1; j < size; ++j) {
        const double *upper = values + (i * size + j) * depth, *lower = values + (j * size + i) * depth;
        for (std::size_t k = 0; k < depth; ++k) largest = std::max(largest, std::abs(upper[k] - lower[k]));
      }
    }
  }
  return largest;
}

}  // namespace pellucid
