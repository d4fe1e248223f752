// What candidates.cpp does to all candidates at once: tile by tile, side by side. For kernels.cpp only.
#pragma once

#include <bit>

#include "path_kernel.hpp"
#include "products.hpp"

namespace pellucid {
namespace {

// to[r, c] += Σ_k a[r, k] b[k, c] for one tile of candidates; rows of `to` are whole multiples of tile_rows.
inline void add_tiles(const double* a, std::ptrdiff_t down, std::ptrdiff_t across, const double* b, std::size_t inner,
                      double* to, std::size_t to_down, std::size_t rows) {
  for (std::size_t r = 0; r < rows; r += tile_rows) {
    add_tile(a + std::ptrdiff_t(r) * down, down, across, b, inner, to + r * to_down, std::ptrdiff_t(to_down));
  }
}

void look_ahead(const AheadTask& task) {
  const Pool pool = task.pool;
  const std::size_t all = pool.tiles * tile_columns;
  for (std::size_t tile = 0; tile < pool.tiles; ++tile) {
    const std::size_t first = tile * tile_columns;
    for (std::size_t a = 0; a < task.ahead; ++a) {
      for (std::size_t c = first; c < first + tile_columns; ++c) {
        int distance = 0;
        for (std::size_t w = 0; w < pool.words; ++w) {
          distance += std::popcount(task.shown[a * pool.words + w] ^ pool.shown[c * pool.words + w]);
        }
        task.covariance[a * all + c] = pool.of_distance[distance];
        task.product[a * all + c] = 0.0;
      }
    }
    add_tiles(task.own, std::ptrdiff_t(task.known), 1, pool.rows + first * pool.room, task.known,
              task.covariance + first, all, task.ahead);
    add_tiles(task.values, std::ptrdiff_t(pool.players), 1, pool.values + first * pool.players, pool.players,
              task.product + first, all, task.ahead);
  }
}

// What candidates tell by now.
PELLUCID_INLINE void find_gain(const Pool& pool, std::size_t at, Pack<double> squares, Pack<double> variance) {
  const auto dust = Pack<double>::of(pool.dust);
  squares.store(pool.squares + at);
  variance.store(pool.variance + at);
  (squares / choose(variance <= dust, dust, variance)).store(pool.gain + at);
}

void catch_up(const CatchUpTask& task) {
  const Pool& pool = task.pool;
  for (std::size_t tile = 0; tile < pool.tiles; ++tile) {
    const std::size_t first = tile * tile_columns;
    double* values = pool.values + first * pool.players;
    add_tiles(task.directions, 1, std::ptrdiff_t(pool.players), pool.rows + first * pool.room + task.first * tile_columns,
              task.steps, values, tile_columns, pool.players);
    for (std::size_t c = 0; c < tile_columns; c += wide) {
      auto squares = Pack<double>::of(0.0);
      for (std::size_t i = 0; i < pool.players; ++i) {
        const auto value = Pack<double>::load(values + i * tile_columns + c);
        squares = fma(value, value, squares);
      }
      find_gain(pool, first + c, squares, Pack<double>::load(pool.variance + first + c));
    }
  }
}

void take(const TakeTask& task) {
  const Pool& pool = task.pool;
  constexpr std::size_t window = Pool::window;
  const auto scale = Pack<double>::of(task.scale), norm = Pack<double>::of(task.norm), two = Pack<double>::of(2.0);
  for (std::size_t first = 0; first < pool.tiles * tile_columns; first += tile_columns) {
    for (std::size_t c = 0; c < tile_columns; c += wide) {
      double *rows = pool.rows + first * pool.room + c, *along = pool.along + first * window + c;
      auto row = Pack<double>::load(task.covariance + first + c), product = Pack<double>::load(task.product + first + c);
      for (std::size_t s = task.since; s < task.known; ++s) {
        const auto before = Pack<double>::load(rows + s * tile_columns);
        const auto own = Pack<double>::of(task.own[s - task.since]);
        row = fma(own, before, row);
        product = fma(own, Pack<double>::load(along + s % window * tile_columns), product);
        product = fma(Pack<double>::of(task.lost[s - task.since]), before, product);
      }
      row = row * scale;
      product = product * scale;
      row.store(rows + task.known * tile_columns);
      product.store(along + task.known % window * tile_columns);
      find_gain(pool, first + c, Pack<double>::load(pool.squares + first + c) - row * (two * product - row * norm),
                Pack<double>::load(pool.variance + first + c) - row * row);
    }
  }
}

}  // namespace
}  // namespace pellucid
