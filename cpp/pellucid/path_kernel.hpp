// What the walks of one instruction set are given, and what they offer. Plain data only: these files are compiled for
// processors that the rest of the library may not run on, so they share no code with it.
#pragma once

#include <cstddef>

#include "program.hpp"

namespace pellucid {

inline constexpr std::size_t most_points = 8;  // walked together: memory grows with depth, not with points

// Sizes that scratch memory must serve: the largest of all trees.
struct Shape {
  std::size_t levels, slots, width, players, outputs;
};

// One block of rows through one tree at a few points of the quadrature.
struct PathTask {
  const Split* splits;
  const Move* moves;
  std::size_t n_moves;
  std::size_t first_output;
  std::size_t points;
  double point[most_points], weight[most_points];  // points beyond `points` are valid numbers, and unused
  Shape shape;
  const double* x;     // (columns, rows)
  double* phi;         // (players, outputs, rows)
  double* pair;        // (pairs of players, outputs, rows), or null: pair (i, j), i < j, stands at j (j - 1) / 2 + i
  std::byte* scratch;  // reset before the first tree, at a multiple of 64
};

struct PathKernel {
  std::size_t rows;  // per block
  std::size_t (*scratch_bytes)(const Shape& shape);
  void (*reset)(const Shape& shape, std::byte* scratch);
  void (*values)(const PathTask& task);
  void (*interactions)(const PathTask& task);
};

struct PathKernels {
  const char* instructions;
  PathKernel many, few;
};

extern const PathKernels path_kernels_generic, path_kernels_avx2, path_kernels_avx512;

}  // namespace pellucid
