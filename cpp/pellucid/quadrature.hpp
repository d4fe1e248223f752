// Gauss-Legendre quadrature on [0, 1].
#pragma once

#include <cstddef>
#include <vector>

namespace pellucid {

struct Quadrature {
  std::vector<double> point, weight;
};

// `n` points, exact for polynomials of degree 2n - 1.
Quadrature gauss_legendre(std::size_t n);

}  // namespace pellucid
