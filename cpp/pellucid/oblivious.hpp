// Oblivious (symmetric) trees: all nodes of a level ask the same, so a tree of L levels tells 2^L kinds of rows apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "path_kernel.hpp"
#include "program.hpp"
#include "scratch.hpp"
#include "semivalue.hpp"

namespace pellucid {

// What every kind of row earns, found by explaining one row of each kind. No levels: the tree is not oblivious.
struct Oblivious {
  std::vector<Split> levels;
  std::vector<std::int32_t> players;
  std::size_t entries = 0;
  Scratch table;  // (players, width, entries)
};

Oblivious tabulate(const Program& program, const Quadrature& rule, Shape shape, const PathKernel<double>& kernel);

}  // namespace pellucid
