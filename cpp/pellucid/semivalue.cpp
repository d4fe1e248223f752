#include "semivalue.hpp"

#include <cmath>

namespace pellucid {

Quadrature Semivalue::rule(std::size_t points) const {
  if (banzhaf) return {{0.5}, {1.0}};
  Quadrature rule = gauss_legendre(points);
  if (a == 1 && b == 1) return rule;
  const double scale = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b));
  double total = 0;
  for (std::size_t i = 0; i < points; ++i) {
    const double t = rule.point[i];
    rule.weight[i] *= scale * std::pow(t, b - 1) * std::pow(1 - t, a - 1);
    total += rule.weight[i];
  }
  for (double& weight : rule.weight) weight /= total;  // takes away what lgamma rounds
  return rule;
}

}  // namespace pellucid
