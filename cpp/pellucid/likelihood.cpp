// Rasmussen and Williams (2006), equation 5.9. Everything is symmetric: it is reckoned at and above the diagonal.
#include "likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pellucid {
namespace {

struct Square {
  std::vector<double> data;
  std::size_t n;
  explicit Square(std::size_t n_) : data(n_ * n_), n(n_) {}
  double* row(std::size_t i) { return data.data() + i * n; }
  Numbers numbers() { return {data.data(), n, n, std::ptrdiff_t(n), 1}; }
};

// Σᵢ weightᵢ sᵢ tᵢ of every two pairs.
Square weighed(const Dense& algebra, Given signs, std::span<const double> weight) {
  const std::size_t players = signs.columns;
  std::vector<double> room(signs.rows * players);
  for (std::size_t j = 0; j < signs.rows; ++j) {
    for (std::size_t i = 0; i < players; ++i) room[j * players + i] = signs(j, i) * weight[i];
  }
  Square found(signs.rows);
  const Given scaled{room.data(), signs.rows, players, std::ptrdiff_t(players), 1};
  algebra.add(scaled, signs.transposed(), found.numbers(), true);
  return found;
}

// Σ u s tᵀ of an upper triangle u, zero below, for each player: strip by strip, beginning at the diagonal.
std::vector<double> by_player(const Dense& algebra, Square& upper, Given signs) {
  constexpr std::size_t strip = 48;
  const std::size_t pairs = signs.rows, players = signs.columns;
  std::vector<double> found(players), room(strip * players);
  for (std::size_t first = 0; first < pairs; first += strip) {
    const std::size_t rows = std::min(strip, pairs - first), rest = pairs - first;
    std::fill(room.begin(), room.end(), 0.0);
    const Numbers sums{room.data(), rows, players, std::ptrdiff_t(players), 1};
    algebra.add(upper.numbers().part(first, first, rows, rest).constant(), signs.lower_rows(first), sums);
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
  Square lower = weighed(algebra, signs, belief.additive), powers = weighed(algebra, signs, belief.reach);
  Square exponentials(pairs), by_z(pairs), pull(pairs);
  for (std::size_t i = 0; i < pairs; ++i) {
    for (std::size_t j = i; j < pairs; ++j) {
      const Parts parts = interactions.of(powers.row(i)[j]);
      powers.row(i)[j] = parts.powers;
      exponentials.row(i)[j] = parts.exponentials;
      by_z.row(i)[j] = parts.by_z;
      lower.row(i)[j] += parts.powers + parts.exponentials;
    }
    lower.row(i)[i] += belief.alone;
  }
  if (!algebra.factor(lower.numbers())) return false;
  algebra.inverse(lower.numbers().transposed().constant(), pull.numbers());

  std::vector<double> room(pairs * games), shares(pairs * games);
  const Numbers solved{room.data(), pairs, games, std::ptrdiff_t(games), 1};
  algebra.add(pull.numbers().constant(), odd, solved);
  found = {};
  for (std::size_t i = 0; i < pairs; ++i) {
    for (std::size_t g = 0; g < games; ++g) {
      found.loss += 0.5 * solved(i, g) * odd(i, g) / double(games);
      shares[i * games + g] = solved(i, g) / double(games);
    }
    found.loss += std::log(lower.row(i)[i]);
  }
  // K⁻¹ - Σ K⁻¹y (K⁻¹y)ᵀ / games, twice what the loss grows by with an element of K
  const Given shared{shares.data(), pairs, games, std::ptrdiff_t(games), 1};
  algebra.subtract(shared, solved.transposed().constant(), pull.numbers(), true);
  for (std::size_t i = 0; i < pairs; ++i) {
    double* own = pull.row(i);
    std::fill(own, own + i, 0.0);
    std::fill(by_z.row(i), by_z.row(i) + i, 0.0);
    found.alone += own[i];
    for (std::size_t j = i; j < pairs; ++j) {
      own[j] *= j > i ? 2.0 : 1.0;  // the element below the diagonal is the same
      found.powers += own[j] * powers.row(i)[j];
      found.exponentials += own[j] * exponentials.row(i)[j];
      by_z.row(i)[j] *= own[j];
    }
  }
  found.additive = by_player(algebra, pull, signs);
  found.reach = by_player(algebra, by_z, signs);
  return true;
}

}  // namespace pellucid
