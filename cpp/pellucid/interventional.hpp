// Exact Shapley values of the interventional game: a hidden player's columns take a background row's values.
#pragma once

#include <cstddef>

#include "ensemble.hpp"

namespace pellucid {

// Fills values (rows, players, outputs) and base (outputs): means over all background rows.
void interventional(const Ensemble& trees, const Matrix& rows, const Matrix& background, std::size_t threads,
                    double* values, double* base);

}  // namespace pellucid
