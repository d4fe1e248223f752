// What is made of an answer's numbers and asked of them, at the speed of memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

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
inline void add_lines(const double* values, std::size_t rows, std::size_t lines, std::size_t size, double* sums) {
  constexpr std::size_t lanes = 8;  // short lines are added up side by side
  const std::size_t together = size > 0 && lanes % size == 0 ? lanes : size;
  for (std::size_t row = 0; row < rows; ++row) {
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
}

inline void add_lines(const double* values, std::size_t rows, std::size_t lines, std::size_t size, std::size_t threads,
                      double* sums) {
  in_stretches(rows, lines * size, threads, [&](std::size_t first, std::size_t end) {
    add_lines(values + first * lines * size, end - first, lines, size, sums + first * size);
  });
}

// Sum of all |values[r, i, j, k] - values[r, j, i, k]|, with a depth known beforehand where `fixed` is not 0: 0 where
// all halves are equal and all numbers finite.
template <std::size_t fixed>
double asymmetry_of(const double* values, std::size_t n, std::size_t size, std::size_t any_depth) {
  constexpr std::size_t at_once = 4, most = at_once * std::max<std::size_t>(1, fixed);  // so that no sum waits for itself
  const std::size_t depth = fixed ? fixed : any_depth, line = size * depth;
  double side[most] = {};
  for (const double* end = values + n * size * line; values != end; values += size * line) {
    for (std::size_t i = 0; i < size; ++i) {
      const double *upper = values + i * line + i * depth, *lower = upper;
      const auto add = [&](std::size_t j) {
        for (std::size_t k = 0; k < depth; ++k) {
          side[(j * depth + k) % most] += std::abs(upper[j * depth + k] - lower[j * line + k]);
        }
      };
      std::size_t left = size - i;
      for (; left >= at_once; left -= at_once, upper += at_once * depth, lower += at_once * line) {
        for (std::size_t j = 0; j < at_once; ++j) add(j);
      }
      for (std::size_t j = 0; j < left; ++j) add(j);
    }
  }
  return std::accumulate(side, side + most, 0.0);
}

// Whether matrices (n, size, size, depth) are finite and exactly the same when transposed.
inline bool have_equal_halves(const double* values, std::size_t n, std::size_t size, std::size_t depth) {
  const auto asymmetry = depth == 1 ? asymmetry_of<1> : depth == 2 ? asymmetry_of<2> : asymmetry_of<0>;
  return asymmetry(values, n, size, depth) == 0.0;  // NaN is not 0
}

}  // namespace pellucid
