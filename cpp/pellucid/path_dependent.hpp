// Exact values of the path-dependent game: a hidden player's splits are averaged by training cover.
#pragma once

#include <cstddef>
#include <map>
#include <string_view>
#include <vector>

#include "ensemble.hpp"
#include "oblivious.hpp"
#include "path_kernel.hpp"
#include "program.hpp"
#include "semivalue.hpp"

namespace pellucid {

// Everything that does not depend on the rows. Thread-safe: nothing changes after it is made.
class PathDependent {
 public:
  PathDependent(const Ensemble& trees, const Semivalue& semivalue, const Kernels& kernels);

  // Outputs when every player is hidden, (outputs,).
  const std::vector<double>& base() const { return base_; }

  // Fills values (rows, players, outputs).
  void values(const Matrix& rows, std::size_t threads, double* values) const;

  // Fills values (rows, players, players, outputs): symmetric, each row of a matrix adds up to the player's value.
  void interactions(const Matrix& rows, std::size_t threads, double* values) const;

 private:
  class Block;

  const Quadrature& rule(const Program& program) const;
  std::size_t n_chunks() const { return first_tree_.size() - 1; }

  template <class Store>
  void explain(const Matrix& rows, std::size_t threads, bool pairs, Store store) const;
  template <class Store>
  void explain_by_chunks(const Matrix& rows, std::size_t threads, const PathKernel& kernel, const TableKernel& tables,
                         Store store) const;

  const Ensemble& trees_;
  const Kernels& kernels_;
  Used used_;
  std::vector<Program> programs_;
  std::vector<Oblivious> tables_;  // per tree
  std::vector<std::size_t> first_tree_;  // per chunk, and the end: trees are summed chunk by chunk, on one thread or many
  Semivalue semivalue_;
  std::map<std::size_t, Quadrature> rules_;  // by number of points
  std::vector<double> base_;
  Shape shape_;
};

}  // namespace pellucid
