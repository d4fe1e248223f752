// What is made of an answer's numbers and asked of them, at the speed of memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "parallel.hpp"

namespace pellucid {

constexpr std::size_t worth_a_thread = std::size_t(1) << 16;  // numbers: fewer are done before a thread has begun

// Calls run(first, end) for stretches of 0 ... count - 1, each of `size` numbers.
template <class Run>
void in_stretches(std::size_t count, std::size_t size, std::size_t threads, Run run) {
  const std::size_t least = divided_up(worth_a_thread, std::max<std::size_t>(1, size));
  const std::size_t many = std::max(least, per_item(count, count + 1, threads, 4));
  parallel_for(divided_up(count, many), threads, [&] {
    return [&](std::size_t item) { run(item * many, std::min(count, (item + 1) * many)); };
  });
}

// What moves the second of two classes moves the first the other way: to[i] = {-values[i], values[i]}.
inline void both_classes(const double* values, std::size_t n, std::size_t threads, double* to) {
  in_stretches(n, 2, threads, [&](std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i) to[2 * i] = -values[i], to[2 * i + 1] = values[i];
  });
}

// sums[row, i] = values[row, 0, i] + values[row, 1, i] + ... of values (rows, lines, size).
inline void add_lines(const double* values, std::size_t rows, std::size_t lines, std::size_t size, std::size_t threads,
                      double* sums) {
  constexpr std::size_t lanes = 8;  // short lines are added up side by side
  const std::size_t together = size > 0 && lanes % size == 0 ? lanes : size;
  in_stretches(rows, lines * size, threads, [&](std::size_t first, std::size_t end) {
    for (std::size_t row = first; row < end; ++row) {
      const double *from = values + row * lines * size, *past = from + lines * size;
      double side[lanes] = {}, *to = together == size ? sums + row * size : side;
      std::fill_n(sums + row * size, size, 0.0);
      for (; from + together <= past && together > 0; from += together) {
        for (std::size_t i = 0; i < together; ++i) to[i] += from[i];
      }
      if (to != side) continue;
      for (std::size_t i = 0; from != past; ++i, ++from) side[i] += *from;
      for (std::size_t i = 0; i < lanes; ++i) sums[row * size + i % size] += side[i];
    }
  });
}

// Sum of all |values[r, i, j, k] - values[r, j, i, k]| of matrices (n, size, size, depth): 0 where all halves are equal
// and all numbers finite. Columns are laid out as lines first, beside which they are short work.
inline double asymmetry(const double* values, std::size_t n, std::size_t size, std::size_t depth) {
  constexpr std::size_t lanes = 8;  // sums side by side, so that none waits for the other
  const std::size_t line = size * depth;
  double side[lanes] = {};
  std::vector<double> column(divided_up(line, lanes) * lanes);
  for (const double* end = values + n * size * line; values != end; values += size * line) {
    for (std::size_t i = 0; i < size; ++i) {
      const double *upper = values + i * line + i * depth, *lower = upper;
      const std::size_t count = line - i * depth, whole = count / lanes * lanes;
      for (double* to = column.data(); to != column.data() + count; to += depth, lower += line) {
        for (std::size_t k = 0; k < depth; ++k) to[k] = lower[k];
      }
      for (std::size_t first = 0; first < whole; first += lanes) {
        for (std::size_t k = 0; k < lanes; ++k) side[k] += std::abs(upper[first + k] - column[first + k]);
      }
      for (std::size_t k = whole; k < count; ++k) side[k - whole] += std::abs(upper[k] - column[k]);
    }
  }
  return std::accumulate(side, side + lanes, 0.0);
}

}  // namespace pellucid
