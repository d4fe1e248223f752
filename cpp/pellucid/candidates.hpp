// Candidates of which the most telling is taken, again and again: a pivoted Cholesky factorisation (docs/odd-gp.md).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dense.hpp"

namespace pellucid {

// What is left to know of candidates, given those that are taken.
struct Candidates {
  std::span<const std::uint8_t> shown;          // (candidates, players)
  std::span<const double> of_distance;          // covariance of two by the number of players that only one of them shows
  double variance;                              // of one, before anything is known
  Given rows;                                   // (candidates, begun): what the first ones, which are taken, tell of each
  Given values;                                 // (candidates, players): covariance with every player's value after that
};

struct Taken {
  std::vector<std::size_t> order;
  std::vector<double> gain;  // by each candidate that is left; 0 where it is taken
};

// The next `steps`, each the one that takes most variance from all values together, or the first of those whose gains
// are a share of `tie` less than that; variances count for no less than `dust`.
Taken take_best(const Kernels& kernels, const Candidates& candidates, std::size_t steps, double tie, double dust);

}  // namespace pellucid
