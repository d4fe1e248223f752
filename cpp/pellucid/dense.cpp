// Everything is halved until products of halves do nearly all the work.
#include "dense.hpp"

#include <cmath>
#include <vector>

namespace pellucid {
namespace {

constexpr std::size_t small = 24;  // rows that are solved one by one

// Read from its last row and column, a transposed lower triangle is one too.
Given from_the_end(Given lower) {
  const std::size_t last = lower.rows - 1;
  return {&lower(last, last), lower.rows, lower.columns, -lower.across, -lower.down};
}

void mirror(Numbers to) {
  for (std::size_t i = 0; i < to.rows; ++i) {
    for (std::size_t j = 0; j < i; ++j) to(i, j) = to(j, i);
  }
}

}  // namespace

void Dense::multiply(Given a, Given b, Numbers to, bool negated, bool upper) const {
  kernels_.multiply({a.data, b.data, to.data, a.rows, a.columns, b.columns, a.down, a.across, b.down, b.across, to.down,
                     negated, upper});
}

bool Dense::factor(Numbers a) const {
  const std::size_t n = a.rows, half = n / 2;
  if (n > small) {
    const Numbers first = a.part(0, 0, half, half), beside = a.part(0, half, half, n - half);
    const Numbers rest = a.part(half, half, n - half, n - half);
    if (!factor(first)) return false;
    forward(first.transposed().constant(), beside);
    subtract(beside.transposed().constant(), beside.constant(), rest, true);
    return factor(rest);
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!(a(i, i) > 0)) return false;
    const double root = std::sqrt(a(i, i));
    for (std::size_t j = i; j < n; ++j) a(i, j) /= root;
    for (std::size_t k = i + 1; k < n; ++k) {
      for (std::size_t j = k; j < n; ++j) a(k, j) -= a(i, k) * a(i, j);
    }
  }
  return true;
}

void Dense::forward(Given lower, Numbers right) const {
  const std::size_t n = lower.rows, half = n / 2;
  if (n <= small) {
    kernels_.substitute({lower.data, right.data, n, right.columns, lower.down, lower.across, right.down});
    return;
  }
  forward(lower.part(0, 0, half, half), right.upper_rows(half));
  subtract(lower.part(half, 0, n - half, half), right.upper_rows(half).constant(), right.lower_rows(half));
  forward(lower.part(half, half, n - half, n - half), right.lower_rows(half));
}

void Dense::backward(Given lower, Numbers right) const {
  if (right.rows == 0) return;
  forward(from_the_end(lower), {&right(right.rows - 1, 0), right.rows, right.columns, -right.down, right.across});
}

void Dense::inverse(Given lower, Numbers to) const {
  upper_inverse(lower, to);
  mirror(to);
}

// At and above the diagonal.
void Dense::upper_inverse(Given lower, Numbers to) const {
  const std::size_t n = lower.rows, half = n / 2, rest = n - half;
  if (n <= small) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) to(i, j) = i == j ? 1.0 : 0.0;
    }
    forward(lower, to);
    backward(lower, to);
    return;
  }
  // Schur complements: with x = first⁻ᵀ belowᵀ the inverse is [first's + x rest's xᵀ, -x rest's; …, rest's].
  std::vector<double> room(half * rest);
  const Numbers across{room.data(), half, rest, std::ptrdiff_t(rest), 1};
  const Numbers first = to.part(0, 0, half, half), corner = to.part(0, half, half, rest);
  const Numbers last = to.part(half, half, rest, rest);
  for (std::size_t i = 0; i < half; ++i) {
    for (std::size_t j = 0; j < rest; ++j) {
      across(i, j) = lower(half + j, i);
      corner(i, j) = 0.0;
    }
  }
  backward(lower.part(0, 0, half, half), across);
  inverse(lower.part(half, half, rest, rest), last);
  upper_inverse(lower.part(0, 0, half, half), first);
  subtract(across.constant(), last.constant(), corner);
  subtract(corner.constant(), across.transposed().constant(), first, true);
}

}  // namespace pellucid
