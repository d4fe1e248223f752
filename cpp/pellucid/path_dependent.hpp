// Exact Shapley values of the path-dependent game: a hidden player's splits are averaged by training cover.
#pragma once

#include <cstddef>

#include "ensemble.hpp"

namespace pellucid {

// Fills values (rows, players, outputs) and base (outputs).
void path_dependent(const Ensemble& trees, const Matrix& rows, std::size_t threads, double* values, double* base);

}  // namespace pellucid
