// What the walks of one instruction set are given, and what they offer. Plain data only: these files are compiled for
// processors that the rest of the library may not run on, so they share no code with it.
#pragma once

#include <cstddef>

#include "program.hpp"

namespace pellucid {

inline constexpr std::size_t most_points = 8;  // walked together: memory grows with depth, not with points

// Sizes that scratch memory must serve: the largest of all trees.
struct Shape {
  std::size_t levels, slots, width, players, outputs, splits;
};

// One block of rows through one tree at a few points of the quadrature.
struct PathTask {
  const Split* splits;
  const Move* moves;
  const std::uint32_t* finished;
  const Leaf* leaves;
  std::size_t n_splits, n_moves, n_leaves;
  std::size_t first_output;
  std::size_t points;
  alignas(64) double point[most_points], weight[most_points];  // points beyond `points` are valid numbers, and unused
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

// What a leaf adds to a row by the set of players whose splits the row passes: see leaf_tables.cpp.
struct LeafTable {
  const double* table;  // two arrays (values) or three (interactions), each `entries` long; null: not looked up
  const double* value;
  const std::int32_t* players;  // by slot
  std::uint32_t n_players, entries;
};

// One block of rows through the tables of one tree.
struct TableTask {
  const Split* splits;
  const Move* moves;
  std::size_t n_moves;
  std::size_t first_output;
  const LeafTable* leaves;  // in the order of the moves
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

// Blocks of `many` rows, of `few` that take less time when there are not more, and single rows.
struct Kernels {
  const char* instructions;
  PathKernel many, few, one;
  TableKernel many_tables, few_tables, one_tables;
};

// Those that this processor runs, best first.
std::vector<const Kernels*> kernels();

}  // namespace pellucid
