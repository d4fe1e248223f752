// Matrix products and triangular systems of few rows: what dense.cpp is made of. For kernels.cpp only.
#pragma once

#include <cstring>

#include "path_kernel.hpp"
#include "simd.hpp"

namespace pellucid {
namespace {

// A tile of the result fills most registers: each of its sums is `tile_packs` times `tile_rows` apart from the next.
inline constexpr std::size_t wide = Pack<double>::lanes, tile_rows = wide > 1 ? 6 : 4, tile_packs = wide > 1 ? 2 : 4;
inline constexpr std::size_t tile_columns = tile_packs * wide;
inline constexpr std::size_t strip = 192;  // of the inner index: so many lines of b's tile stay in the nearest cache

PELLUCID_INLINE Pack<double> load_anywhere(const double* from) {
  Pack<double> found;
  std::memcpy(&found, from, sizeof found);
  return found;
}

// to[r, c] += Σ_k a[r, k] b[k, c] for a whole tile, k by k.
PELLUCID_INLINE void add_tile(const double* a, std::ptrdiff_t down, std::ptrdiff_t across, const double* b,
                              std::size_t inner, double* to, std::ptrdiff_t to_down) {
  Pack<double> sum[tile_rows][tile_packs];
  for (std::size_t r = 0; r < tile_rows; ++r) {
    for (std::size_t p = 0; p < tile_packs; ++p) sum[r][p] = load_anywhere(to + std::ptrdiff_t(r) * to_down + p * wide);
  }
  for (std::size_t k = 0; k < inner; ++k, a += across, b += tile_columns) {
    Pack<double> other[tile_packs];
    for (std::size_t p = 0; p < tile_packs; ++p) other[p] = Pack<double>::load(b + p * wide);
    for (std::size_t r = 0; r < tile_rows; ++r) {
      const auto own = Pack<double>::of(a[std::ptrdiff_t(r) * down]);
      for (std::size_t p = 0; p < tile_packs; ++p) sum[r][p] = fma(own, other[p], sum[r][p]);
    }
  }
  for (std::size_t r = 0; r < tile_rows; ++r) {
    for (std::size_t p = 0; p < tile_packs; ++p) {
      std::memcpy(to + std::ptrdiff_t(r) * to_down + p * wide, &sum[r][p], sizeof sum[r][p]);
    }
  }
}

// The same for a tile that reaches beyond the result: in a room of its own, and beyond a's last row this row once more.
inline void add_part_of_tile(const MultiplyTask& task, const double* a, const double* b, std::size_t inner, double* to,
                             std::size_t rows, std::size_t columns) {
  double room[tile_rows * tile_columns] = {}, lines[tile_rows * strip];
  for (std::size_t r = 0; r < rows; ++r) {
    const double* line = to + std::ptrdiff_t(r) * task.to_down;
    for (std::size_t c = 0; c < columns; ++c) room[r * tile_columns + c] = line[c];
  }
  if (rows == tile_rows) {
    add_tile(a, task.a_down, task.a_across, b, inner, room, tile_columns);
  } else {
    for (std::size_t r = 0; r < tile_rows; ++r) {
      const double* line = a + std::ptrdiff_t(r < rows ? r : rows - 1) * task.a_down;
      for (std::size_t k = 0; k < inner; ++k) lines[r * strip + k] = line[std::ptrdiff_t(k) * task.a_across];
    }
    add_tile(lines, strip, 1, b, inner, room, tile_columns);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    double* line = to + std::ptrdiff_t(r) * task.to_down;
    for (std::size_t c = 0; c < columns; ++c) line[c] = room[r * tile_columns + c];
  }
}

// Lines of b's tile one after the other, zeros beyond its end; negated where the product is taken away.
inline void pack_tile(const MultiplyTask& task, const double* b, std::size_t inner, std::size_t columns, double* tile) {
  for (std::size_t k = 0; k < inner; ++k) {
    const double* from = b + std::ptrdiff_t(k) * task.b_down;
    for (std::size_t c = 0; c < tile_columns; ++c) {
      const double one = c < columns ? from[std::ptrdiff_t(c) * task.b_across] : 0.0;
      tile[k * tile_columns + c] = task.negated ? -one : one;
    }
  }
}

void multiply(const MultiplyTask& task) {
  alignas(64) double tile[strip * tile_columns];
  for (std::size_t k = 0; k < task.inner; k += strip) {
    const std::size_t inner = task.inner - k < strip ? task.inner - k : strip;
    for (std::size_t j = 0; j < task.columns; j += tile_columns) {
      const std::size_t columns = task.columns - j < tile_columns ? task.columns - j : tile_columns;
      const double* b = task.b + std::ptrdiff_t(k) * task.b_down + std::ptrdiff_t(j) * task.b_across;
      pack_tile(task, b, inner, columns, tile);
      const std::size_t last = task.upper && j + columns < task.rows ? j + columns : task.rows;
      for (std::size_t i = 0; i < last; i += tile_rows) {
        const std::size_t rows = last - i < tile_rows ? last - i : tile_rows;
        const double* a = task.a + std::ptrdiff_t(i) * task.a_down + std::ptrdiff_t(k) * task.a_across;
        double* to = task.to + std::ptrdiff_t(i) * task.to_down + std::ptrdiff_t(j);
        if (rows == tile_rows && columns == tile_columns) {
          add_tile(a, task.a_down, task.a_across, tile, inner, to, task.to_down);
        } else {
          add_part_of_tile(task, a, tile, inner, to, rows, columns);
        }
      }
    }
  }
}

// right = lower⁻¹ right for some packs of columns, which stay in registers while a line of them is made.
template <std::size_t packs>
PELLUCID_INLINE void substitute_columns(const SubstituteTask& task, double* right) {
  for (std::size_t i = 0; i < task.rows; ++i) {
    const double* line = task.lower + std::ptrdiff_t(i) * task.lower_down;
    double* own = right + std::ptrdiff_t(i) * task.right_down;
    Pack<double> sum[packs];
    for (std::size_t p = 0; p < packs; ++p) sum[p] = load_anywhere(own + p * wide);
    for (std::size_t k = 0; k < i; ++k) {
      const double* known = right + std::ptrdiff_t(k) * task.right_down;
      const auto factor = Pack<double>::of(-line[std::ptrdiff_t(k) * task.lower_across]);
      for (std::size_t p = 0; p < packs; ++p) sum[p] = fma(factor, load_anywhere(known + p * wide), sum[p]);
    }
    const auto diagonal = Pack<double>::of(line[std::ptrdiff_t(i) * task.lower_across]);
    for (std::size_t p = 0; p < packs; ++p) {
      const auto found = sum[p] / diagonal;
      std::memcpy(own + p * wide, &found, sizeof found);
    }
  }
}

// The same for one column.
inline void substitute_column(const SubstituteTask& task, double* right) {
  for (std::size_t i = 0; i < task.rows; ++i) {
    const double* line = task.lower + std::ptrdiff_t(i) * task.lower_down;
    double sum = right[std::ptrdiff_t(i) * task.right_down];
    for (std::size_t k = 0; k < i; ++k) {
      sum = fma(-line[std::ptrdiff_t(k) * task.lower_across], right[std::ptrdiff_t(k) * task.right_down], sum);
    }
    right[std::ptrdiff_t(i) * task.right_down] = sum / line[std::ptrdiff_t(i) * task.lower_across];
  }
}

void substitute(const SubstituteTask& task) {
  std::size_t c = 0;
  for (; c + 4 * wide <= task.columns; c += 4 * wide) substitute_columns<4>(task, task.right + c);
  for (; c + wide <= task.columns; c += wide) substitute_columns<1>(task, task.right + c);
  for (; c < task.columns; ++c) substitute_column(task, task.right + c);
}

}  // namespace
}  // namespace pellucid
