// Interventional Shapley values by walking: for leaves with more players on their path than a table can hold.
#pragma once

#include <cstddef>
#include <vector>

#include "cohort.hpp"
#include "ensemble.hpp"

namespace pellucid {

// Adds sums over the piece's background rows to values (rows, players, outputs); enters only `walked` nodes.
void cohort_walk(const Ensemble& trees, const Matrix& rows, const Piece& piece, const std::vector<bool>& walked,
                 std::size_t threads, double* values);

}  // namespace pellucid
