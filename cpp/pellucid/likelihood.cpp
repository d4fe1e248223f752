// Rasmussen and Williams (2006), equation 5.9. Everything is symmetric: it is reckoned at and above the diagonal.
#include "likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "scratch.hpp"

namespace pellucid {
namespace {

// Squares side by side, in memory that is asked for once; every row begins where a vector may.
class Squares {
 public:
  Squares(std::size_t many, std::size_t n) : n_(n), line_((n + 7) / 8 * 8), room_(many * n * line_ * sizeof(double)) {}
  Numbers operator[](std::size_t i) { return {room_.numbers() + i * n_ * line_, n_, n_, std::ptrdiff_t(line_), 1}; }

 private:
  std::size_t n_, line_;
  Scratch room_;
};

// to = Σᵢ weightᵢ sᵢ tᵢ of every two pairs, where `to` is 0.
void weigh(const Dense& algebra, Given signs, std::span<const double> weight, Numbers to) {
  const std::size_t players = signs.columns;
  std::vector<double> room(signs.rows * players);
  for (std::size_t j = 0; j < signs.rows; ++j) {
    for (std::size_t i = 0; i < players; ++i) room[j * players + i] = signs(j, i) * weight[i];
  }
  algebra.add({room.data(), signs.rows, players, std::ptrdiff_t(players), 1}, signs.transposed(), to, true);
}

// Σ u s tᵀ of an upper triangle u, zero below, for each player: strip by strip, beginning at the diagonal.
std::vector<double> by_player(const Dense& algebra, Given upper, Given signs) {
  constexpr std::size_t strip = 48;
  const std::size_t pairs = signs.rows, players = signs.columns;
  std::vector<double> found(players), room(strip * players);
  for (std::size_t first = 0; first < pairs; first += strip) {
    const std::size_t rows = std::min(strip, pairs - first), rest = pairs - first;
    std::fill(room.begin(), room.end(), 0.0);
    const Numbers sums{room.data(), rows, players, std::ptrdiff_t(players), 1};
    algebra.add(upper.part(first, first, rows, rest), signs.lower_rows(first), sums);
    for (std::size_t j = 0; j < rows; ++j) {
      for (std::size_t i = 0; i < players; ++i) found[i] += sums(j, i) * signs(first + j, i);
    }
  }
  return found;
}

// Interactions at and above the diagonal, from the sums z that `powers` holds: added to `upper`, and their parts.
void interact(const Kernels& kernels, const Covariance& belief, Numbers upper, Numbers powers, Numbers exponentials,
              Numbers by_z) {
  constexpr std::size_t lanes = 8;  // of any vector, at most
  const double total = std::accumulate(belief.reach.begin(), belief.reach.end(), 0.0);
  // Dividing neither overflows nor divides by zero.
  const bool divide = std::max(total, std::abs(belief.shift)) < 100.0;
  const double product = divide ? std::exp(-2.0 * belief.shift) : 0.0;
  for (std::size_t i = 0; i < upper.rows; ++i) {
    const std::size_t first = i / lanes * lanes, count = (upper.columns + lanes - 1) / lanes * lanes - first;
    kernels.interact({belief.line, belief.cube, belief.shift, product, count, &upper(i, first), &powers(i, first),
                      &exponentials(i, first), &by_z(i, first)});
  }
}

}  // namespace

bool likelihood(const Dense& algebra, Given signs, Given odd, const Covariance& belief, Likelihood& found) {
  const std::size_t pairs = signs.rows, games = odd.columns;
  Squares squares(5, pairs);
  const Numbers upper = squares[0], powers = squares[1], exponentials = squares[2], by_z = squares[3],
                pull = squares[4];
  weigh(algebra, signs, belief.additive, upper);
  weigh(algebra, signs, belief.reach, powers);
  interact(algebra.kernels(), belief, upper, powers, exponentials, by_z);
  for (std::size_t i = 0; i < pairs; ++i) upper(i, i) += belief.alone;
  if (!algebra.factor(upper)) return false;
  algebra.inverse(upper.transposed().constant(), pull);

  std::vector<double> solutions(pairs * games), shares(pairs * games);
  const Numbers solved{solutions.data(), pairs, games, std::ptrdiff_t(games), 1};
  algebra.add(pull.constant(), odd, solved);
  found = {};
  for (std::size_t i = 0; i < pairs; ++i) {
    for (std::size_t g = 0; g < games; ++g) {
      found.loss += 0.5 * solved(i, g) * odd(i, g) / double(games);
      shares[i * games + g] = solved(i, g) / double(games);
    }
    found.loss += std::log(upper(i, i));
  }
  // K⁻¹ - Σ K⁻¹y (K⁻¹y)ᵀ / games, twice what the loss grows by with an element of K
  const Given shared{shares.data(), pairs, games, std::ptrdiff_t(games), 1};
  algebra.subtract(shared, solved.transposed().constant(), pull, true);
  for (std::size_t i = 0; i < pairs; ++i) {
    std::fill(&pull(i, 0), &pull(i, i), 0.0);
    std::fill(&by_z(i, 0), &by_z(i, i), 0.0);
    found.alone += pull(i, i);
    for (std::size_t j = i; j < pairs; ++j) {
      pull(i, j) *= j > i ? 2.0 : 1.0;  // the element below the diagonal is the same
      found.powers += pull(i, j) * powers(i, j);
      found.exponentials += pull(i, j) * exponentials(i, j);
      by_z(i, j) *= pull(i, j);
    }
  }
  found.additive = by_player(algebra, pull.constant(), signs);
  found.reach = by_player(algebra, by_z.constant(), signs);
  return true;
}

}  // namespace pellucid
