// Products, factors and solutions of dense matrices whose every element is added up in one fixed order, whatever
// stands beside it: so its bits depend neither on threads nor on how many rows or columns are asked for at once.
#pragma once

#include <cstddef>

#include "path_kernel.hpp"

namespace pellucid {

// A matrix, or a part of one, read in any direction.
template <class Real>
struct Grid {
  Real* data;
  std::size_t rows, columns;
  std::ptrdiff_t down, across;  // from a row, or a column, to the next

  Real& operator()(std::size_t i, std::size_t j) const {
    return data[std::ptrdiff_t(i) * down + std::ptrdiff_t(j) * across];
  }
  Grid part(std::size_t i, std::size_t j, std::size_t n_rows, std::size_t n_columns) const {
    return {&(*this)(i, j), n_rows, n_columns, down, across};
  }
  Grid upper_rows(std::size_t n) const { return part(0, 0, n, columns); }
  Grid lower_rows(std::size_t n) const { return part(n, 0, rows - n, columns); }
  Grid transposed() const { return {data, columns, rows, across, down}; }
  Grid<const Real> constant() const { return {data, rows, columns, down, across}; }
};

using Numbers = Grid<double>;
using Given = Grid<const double>;

class Dense {
 public:
  explicit Dense(const Kernels& kernels) : kernels_(kernels) {}

  // to += a b, or to -= a b; `upper`: only at and above the diagonal, and somewhere below. Columns of `to` are adjacent.
  void add(Given a, Given b, Numbers to, bool upper = false) const { multiply(a, b, to, false, upper); }
  void subtract(Given a, Given b, Numbers to, bool upper = false) const { multiply(a, b, to, true, upper); }

  // a = uᵀu, of which only the upper triangle is read, and becomes u; false where a is not positive definite.
  bool factor(Numbers a) const;

  // right = lower⁻¹ right, or lower⁻ᵀ right.
  void forward(Given lower, Numbers right) const;
  void backward(Given lower, Numbers right) const;

  // to = (lower lowerᵀ)⁻¹.
  void inverse(Given lower, Numbers to) const;

  const Kernels& kernels() const { return kernels_; }

 private:
  void multiply(Given a, Given b, Numbers to, bool negated, bool upper) const;
  void upper_inverse(Given lower, Numbers to) const;

  const Kernels& kernels_;
};

}  // namespace pellucid
