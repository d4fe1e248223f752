// How likely odd parts of games are under the odd Gaussian process (docs/odd-gp.md), and what would make them likelier.
#pragma once

#include <span>
#include <vector>

#include "dense.hpp"

namespace pellucid {

// k(s, t) = Σᵢ additiveᵢ sᵢ tᵢ + p(z) + alone [s = t], where z = Σᵢ reachᵢ sᵢ tᵢ and
// p(z) = line z + cube z³ + exp(z - shift) - exp(-z - shift).
struct Covariance {
  std::span<const double> additive, reach;
  double line, cube, shift, alone;
};

// For each game the negative logarithm of the marginal likelihood, but for a constant; and twice its derivatives: by
// `additive`, by `reach`, by the logarithm of a factor of both powers, of both exponentials, and by `alone`.
struct Likelihood {
  double loss;
  std::vector<double> additive, reach;
  double powers, exponentials, alone;
};

// Of odd parts (pairs, games) at signs (pairs, players); false where the covariance is not positive definite.
bool likelihood(const Dense& algebra, Given signs, Given odd, const Covariance& belief, Likelihood& found);

}  // namespace pellucid
