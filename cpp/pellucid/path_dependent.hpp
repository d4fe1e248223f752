// Exact values of the path-dependent game: a hidden player's splits are averaged by training cover.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "ensemble.hpp"
#include "oblivious.hpp"
#include "pair_places.hpp"
#include "path_kernel.hpp"
#include "program.hpp"
#include "semivalue.hpp"

namespace pellucid {

// Everything that does not depend on the rows, reckoned in `Real`: float64 or float32. Inputs are compared, and chunks of
// trees summed, in float64 either way. Thread-safe: nothing that a caller could see changes after it is made.
template <class Real>
class PathDependent {
 public:
  PathDependent(const Ensemble& trees, const Semivalue& semivalue, const Kernels& kernels);

  // Outputs when every player is hidden, (outputs,).
  const std::vector<double>& base() const { return base_; }

  // Fills values (rows, players, outputs).
  void values(const Matrix& rows, std::size_t threads, double* values) const;

  // Fills values (rows, players, players, outputs): symmetric, each line of a matrix adds up to the player's value, which
  // goes to sums (rows, players, outputs). `mirrored` makes the one output v two, -v and v.
  void interactions(const Matrix& rows, std::size_t threads, bool mirrored, double* values, double* sums) const;

  // The pairs of players that meet on a path, in rising order; all others do not interact.
  std::vector<PlayerPair> pairs() const;

  // Fills values (rows, chosen, outputs) with the interactions of some of `pairs`, by position in rising order. Memory is
  // proportional to those that are chosen.
  void pair_values(const Matrix& rows, std::span<const std::int32_t> chosen, std::size_t threads, double* values) const;

 private:
  struct Chosen {
    std::vector<PlayerPair> pairs;
    std::vector<std::vector<Meeting>> meetings;  // per tree
  };

  class Blocks;

  const Quadrature& rule(const Program& program) const;
  std::size_t n_chunks() const { return first_tree_.size() - 1; }

  const Chosen& meeting() const;

  template <class Store>
  void explain(const Matrix& rows, std::size_t threads, const Chosen* pairs, Store store) const;
  template <class Store>
  void explain_by_chunks(const Matrix& rows, std::size_t threads, const BlockKernels<Real>& kernels,
                         Store store) const;

  const Ensemble& trees_;
  const Kernels& kernels_;
  Used used_;
  std::vector<Program> programs_;
  std::vector<Oblivious> tables_;  // per tree
  bool any_table_ = false;
  std::vector<std::size_t> first_tree_;  // per chunk, and the end: trees are summed chunk by chunk, on one thread or many
  Semivalue semivalue_;
  std::map<std::size_t, Quadrature> rules_;  // by number of points
  std::vector<double> base_;
  Shape shape_;
  mutable std::once_flag meeting_found_;
  mutable Chosen meeting_;
};

}  // namespace pellucid
