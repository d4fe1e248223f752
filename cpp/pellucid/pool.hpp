// What candidates.cpp gives to the vectorised part of it, pool_walk.hpp. Plain data only, as in path_kernel.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pellucid {

// Candidates in tiles of `tile_columns` (see candidates.cpp). What is said of them lies tile by tile, line by line.
struct Pool {
  static constexpr std::size_t window = 64;  // steps after which a column is forgotten
  std::size_t tiles, room, players, words;  // players are whole multiples of tile_rows
  double dust;
  const std::uint64_t* shown;   // (candidates, words): a bit for each player
  const double* of_distance;
  double* rows;                 // (tiles, room, tile_columns): a line for each that is taken
  double* along;                // (tiles, window, tile_columns): of the last ones, over and over
  double* values;               // (tiles, players, tile_columns)
  double *squares, *variance, *gain;  // (candidates,): the values', summed; what is left to know; the one by the other
};

// covariance[a, c] = of_distance - Σ own rows, product[a, c] = values·values, for those that are looked ahead at.
struct AheadTask {
  Pool pool;
  std::size_t ahead, known;     // a whole multiple of tile_rows; lines of rows
  const std::uint64_t* shown;   // (ahead, words)
  const double *own, *values;   // (ahead, known), negated; (ahead, players)
  double *covariance, *product; // (ahead, candidates)
};

// values -= rows directions of the steps from the first on; and squares and gains anew.
struct CatchUpTask {
  Pool pool;
  std::size_t first, steps;
  const double* directions;  // (steps, players), negated
};

// A new line of rows and of what is along it, from a column that was looked ahead at before the steps since.
struct TakeTask {
  Pool pool;
  std::size_t since, known;  // at most a window ago
  const double *own, *lost;  // of each step since, negated
  double scale, norm;
  const double *covariance, *product;
};

}  // namespace pellucid
