// Interventional values by walking: for leaves with more players on their path than a table can hold.
#pragma once

#include <cstddef>

#include "cohort.hpp"
#include "ensemble.hpp"
#include "semivalue.hpp"
#include "walked_trees.hpp"

namespace pellucid {

// The walk goes one call deeper for each player that it decides; more on one path could overflow the stack. The weights
// of so many, which are kept for whoever gets there, take 64 MB a thread; those of forty take 7 kB.
inline constexpr std::size_t most_decided = 4000;

// Adds sums over the piece's background rows to values (rows, players, outputs), or with `pairs` the halves of
// interactions to values (rows, players, players, outputs), in both places.
void cohort_walk(const Ensemble& trees, const Semivalue& semivalue, const Matrix& rows, const Piece& piece,
                 const WalkedTrees& walked, bool pairs, std::size_t threads, double* values);

}  // namespace pellucid
