// What the walks of one instruction set are given, and what they offer. Plain data only: these files are compiled for
// processors that the rest of the library may not run on, so they share no code with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pool.hpp"
#include "program.hpp"

namespace pellucid {

inline constexpr std::size_t most_points = 8;  // walked together: memory grows with depth, not with points
inline constexpr std::size_t padded_points = 16;  // as many as any register has lanes

// Sizes that scratch memory must serve: the largest of all trees.
struct Shape {
  std::size_t levels, slots, width, players, outputs, splits;
};

// One block of rows through one tree at a few points of the quadrature, reckoned in float64 or float32.
template <class Real>
struct PathTask {
  const Split* splits;
  const Move* moves;
  const std::uint32_t* finished;
  const Leaf* leaves;
  std::size_t n_splits, n_moves, n_leaves;
  std::size_t first_output;
  std::size_t points;
  alignas(64) Real point[padded_points], weight[padded_points];  // points beyond `points` are valid numbers, and unused
  Shape shape;
  const double* x;     // (inputs, rows)
  Real* phi;           // (players, outputs, rows)
  Real* pair;          // (pairs, outputs, rows), or null
  const Meeting* meetings;  // for each split and each slot above it
  std::byte* scratch;  // at a multiple of 64
};

template <class Real>
struct PathKernel {
  std::size_t rows;  // per block
  std::size_t (*scratch_bytes)(const Shape& shape);
  void (*values)(const PathTask<Real>& task);
  void (*interactions)(const PathTask<Real>& task);
};

// What a leaf adds to a row by the set of players whose splits the row passes: see leaf_tables.cpp.
struct LeafTable {
  const double* table;  // two arrays (values) or three (interactions, two leaves), each `entries` long; null: not looked up
  const double* value;  // null: one table of two leaves, their values within
  const std::int32_t* players;  // by slot
  std::uint32_t n_players, entries;
};

// One block of rows through the tables of one tree.
struct TableTask {
  const Split* splits;
  std::size_t n_splits;
  std::size_t first_output;
  const LeafTable* leaves;  // in the program's order
  Shape shape;
  const double* x;
  double* phi;
  double* pair;
  std::byte* scratch;
};

// One block of rows through one tree that asks the same at all nodes of a level.
struct WholeTreeTask {
  const Split* levels;  // one of each level's
  std::size_t n_levels;
  const std::int32_t* players;
  std::size_t n_players, width, outputs, entries;
  const double* table;  // (players, width, entries): what a player earns by the levels that the row goes left at
  const double* x;
  double* phi;          // from the tree's first output on
};

struct TableKernel {
  std::size_t (*scratch_bytes)(const Shape& shape);
  void (*values)(const TableTask& task);
  void (*interactions)(const TableTask& task);
  void (*whole_tree)(const WholeTreeTask& task);
};

// For blocks of one size; the tables serve as many rows as the walks.
template <class Real>
struct BlockKernels {
  PathKernel<Real> walk;
  TableKernel tables;
};

// Blocks of `many` rows, of `few` that take less time when there are not more, and single rows.
template <class Real>
struct SizedKernels {
  BlockKernels<Real> many, few, one;
};

// Rows of which some cells are hidden behind those of others; Word is as wide as a cell.
template <class Word>
struct MixTask {
  const Word* others;  // (others, columns)
  const Word* row;
  const bool* shown;   // (shown, columns)
  std::size_t n_others, n_shown, columns;
  Word* result;        // (others, shown, columns)
  std::size_t lines;   // that are written as one
  Word *own, *other;   // room for (lines, columns) each
};

// to[i, j] += Σ_k a[i, k] b[k, j], k by k, or -=; the columns of `to` are adjacent.
struct MultiplyTask {
  const double *a, *b;
  double* to;
  std::size_t rows, inner, columns;
  std::ptrdiff_t a_down, a_across, b_down, b_across, to_down;
  bool negated;
  bool upper;  // what is below the diagonal need not be right
};

// right = lower⁻¹ right; the columns of `right` are adjacent.
struct SubstituteTask {
  const double* lower;
  double* right;
  std::size_t rows, columns;
  std::ptrdiff_t lower_down, lower_across, right_down;
};

// Of sums z, two powers line z + cube z³, two exponentials exp(z - shift) - exp(-z - shift) and the derivative by z; the
// powers take the place of the sums, and both are added to `whole`.
struct InteractTask {
  double line, cube, shift, product;  // exp(-2 shift), or 0 where the second exponential is not to be had by division
  std::size_t count;                  // a whole multiple of the lanes; every row at a multiple of 64 bytes
  double *whole, *powers, *exponentials, *by_z;
};

struct Kernels {
  const char* instructions;
  std::size_t tile_rows, tile_columns;
  void (*mix64)(const MixTask<std::uint64_t>& task);
  void (*mix32)(const MixTask<std::uint32_t>& task);
  void (*multiply)(const MultiplyTask& task);
  void (*substitute)(const SubstituteTask& task);
  void (*interact)(const InteractTask& task);
  void (*look_ahead)(const AheadTask& task);
  void (*catch_up)(const CatchUpTask& task);
  void (*take)(const TakeTask& task);
  SizedKernels<double> float64;
  SizedKernels<float> float32;

  template <class Real>
  const SizedKernels<Real>& of() const {
    if constexpr (sizeof(Real) == sizeof(float)) return float32;
    else return float64;
  }
};

// Those that this processor runs, best first.
std::vector<const Kernels*> kernels();

}  // namespace pellucid
