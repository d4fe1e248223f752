#include "quadrature.hpp"

#include <cmath>
#include <numbers>

namespace pellucid {
namespace {

using Real = long double;  // spare digits for the recurrence where the machine has them

struct Legendre {
  Real value, derivative;
};

// P_n(x) and P_n'(x) by Bonnet's recurrence, |x| < 1.
Legendre legendre(std::size_t n, Real x) {
  Real before = 1, value = x;
  for (std::size_t k = 2; k <= n; ++k) {
    const Real next = (Real(2 * k - 1) * x * value - Real(k - 1) * before) / Real(k);
    before = value;
    value = next;
  }
  return {value, Real(n) * (before - x * value) / ((1 - x) * (1 + x))};
}

// The i-th largest root of P_n: Tricomi's estimate, then Newton's steps until they no longer move it.
Real root(std::size_t n, std::size_t i) {
  const Real size = Real(n);
  const Real angle = std::numbers::pi_v<Real> * (Real(i) + Real(0.75)) / (size + Real(0.5));
  Real x = (1 - (size - 1) / (8 * size * size * size)) * std::cos(angle);
  for (int step = 0; step < 20; ++step) {
    const Legendre p = legendre(n, x);
    const Real move = p.value / p.derivative;
    x -= move;
    if (std::abs(move) < Real(1e-18)) break;
  }
  return x;
}

}  // namespace

Quadrature gauss_legendre(std::size_t n) {
  Quadrature rule{std::vector<double>(n), std::vector<double>(n)};
  for (std::size_t i = 0; i < (n + 1) / 2; ++i) {
    const Real x = 2 * i + 1 == n ? Real(0) : root(n, i);
    const Real derivative = n == 1 ? Real(1) : legendre(n, x).derivative;
    const Real weight = 1 / ((1 - x) * (1 + x) * derivative * derivative);
    rule.point[i] = double((1 - x) / 2);
    rule.point[n - 1 - i] = double((1 + x) / 2);
    rule.weight[i] = rule.weight[n - 1 - i] = double(weight);
  }
  return rule;
}

}  // namespace pellucid
