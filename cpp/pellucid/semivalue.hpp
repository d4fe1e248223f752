// Averages over coalitions: which share of the attention falls on coalitions of each size.
//
// A semivalue draws t from a distribution on [0, 1] and then shows each other player with chance t. Shapley's t is
// uniform, Banzhaf's always 1/2, Beta(a, b)-Shapley's (Kwon and Zou, AISTATS 2022) has the density of Beta(b, a).
#pragma once

#include <cstddef>

#include "quadrature.hpp"

namespace pellucid {

struct Semivalue {
  double a = 1, b = 1;  // whole numbers; 1, 1 is Shapley's
  bool banzhaf = false;

  // Mean of t given `shown` successes and `hidden` failures before: what one success more costs in probability.
  double shown_factor(std::size_t shown, std::size_t hidden) const {
    return banzhaf ? 0.5 : (b + double(shown)) / (a + b + double(shown + hidden));
  }
  double hidden_factor(std::size_t shown, std::size_t hidden) const {
    return banzhaf ? 0.5 : (a + double(hidden)) / (a + b + double(shown + hidden));
  }

  // Mean of t^shown (1 - t)^hidden. Every factor is below one, so nothing underflows before the answer does.
  double weight(std::size_t shown, std::size_t hidden) const {
    double product = 1;
    for (std::size_t i = 0; i < shown; ++i) product *= shown_factor(i, 0);
    for (std::size_t i = 0; i < hidden; ++i) product *= hidden_factor(shown, i);
    return product;
  }

  // Points that make the mean of a polynomial with `players` - 1 as its degree exact.
  std::size_t points(std::size_t players) const {
    return banzhaf ? 1 : (players + std::size_t(a + b) - 1) / 2;
  }
  Quadrature rule(std::size_t points) const;
};

}  // namespace pellucid
