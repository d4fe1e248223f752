// Rasmussen and Williams (2006), equation 5.9. Everything is symmetric: it is reckoned at and above the diagonal.
#include "likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pellucid {
namespace {

// Squares side by side, in memory that is asked for once.
class Squares {
 public:
  Squares(std::size_t many, std::size_t n) : data_(many * n * n), n_(n) {}
  Numbers operator[](std::size_t i) { return {data_.data() + i * n_ * n_, n_, n_, std::ptrdiff_t(n_), 1}; }

 private:
  std::vector<double> data_;
  std::size_t n_;
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

// Of p(z): both powers, both exponentials and the derivative by z.
struct Parts {
  double powers, exponentials, by_z;
};

class Interactions {
 public:
  explicit Interactions(const Covariance& belief)
      : belief_(belief), product_(std::exp(-2.0 * belief.shift)),
        total_(std::accumulate(belief.reach.begin(), belief.reach.end(), 0.0)) {}

  Parts of(double z) const {
    const double up = std::exp(z - belief_.shift), squared = belief_.cube * z * z;
    // A division is quicker than another exponential, where it neither overflows nor divides by zero.
    const double down = std::max(total_, std::abs(belief_.shift)) < 100.0 ? product_ / up : std::exp(-z - belief_.shift);
    return {(belief_.line + squared) * z, up - down, belief_.line + 3.0 * squared + up + down};
  }

 private:
  const Covariance& belief_;
  double product_, total_;
};

}  // namespace

bool likelihood(const Dense& algebra, Given signs, Given odd, const Covariance& belief, Likelihood& found) {
  const std::size_t pairs = signs.rows, games = odd.columns;
  const Interactions interactions(belief);
  Squares squares(5, pairs);
  const Numbers upper = squares[0], powers = squares[1], exponentials = squares[2], by_z = squares[3],
                pull = squares[4];
  weigh(algebra, signs, belief.additive, upper);
  weigh(algebra, signs, belief.reach, powers);
  for (std::size_t i = 0; i < pairs; ++i) {
    for (std::size_t j = i; j < pairs; ++j) {
      const Parts parts = interactions.of(powers(i, j));
      powers(i, j) = parts.powers;
      exponentials(i, j) = parts.exponentials;
      by_z(i, j) = parts.by_z;
      upper(i, j) += parts.powers + parts.exponentials;
    }
    upper(i, i) += belief.alone;
  }
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
