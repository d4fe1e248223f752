// Exact Shapley values of the interventional game: a hidden player's columns take a background row's values.
#pragma once

#include <cstddef>

#include "ensemble.hpp"

namespace pellucid {

// Fills values (rows, players, outputs) and base (outputs): means over all background rows. Leaves with up to
// `table_players` players on their path are looked up, the others walked to: the same numbers at another cost.
void interventional(const Ensemble& trees, const Matrix& rows, const Matrix& background, std::size_t table_players,
                    std::size_t threads, double* values, double* base);

}  // namespace pellucid
