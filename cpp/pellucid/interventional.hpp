// Exact values of the interventional game: a hidden player's columns take a background row's values.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "cohort.hpp"
#include "ensemble.hpp"
#include "leaf_tables.hpp"
#include "pair_places.hpp"

namespace pellucid {

// Everything that does not depend on the rows. Thread-safe: nothing that a caller could see changes after it is made;
// tables of interactions are made when they are first asked for. Leaves with up to
// `table_players` players on their path are looked up, the others walked to: the same numbers at another cost.
class Interventional {
 public:
  // The trees and the background's numbers must outlive the game.
  Interventional(const Ensemble& trees, const Matrix& background, const Semivalue& semivalue,
                 std::size_t table_players, std::size_t threads, const Kernels& kernels);

  // Mean outputs over the background, (outputs,).
  const std::vector<double>& base() const { return base_; }

  // Fills values (rows, players, outputs): means over all background rows.
  void values(const Matrix& rows, std::size_t threads, double* values) const;

  // As for PathDependent; chosen pairs are made of whole matrices, a few rows at a time.
  void interactions(const Matrix& rows, std::size_t threads, bool mirrored, double* values, double* sums) const;
  std::vector<PlayerPair> pairs() const;
  void pair_values(const Matrix& rows, std::span<const std::int32_t> chosen, std::size_t threads, double* values) const;

 private:
  // Fills values with means over the background rows, for the leaves that `tables` has no tables for.
  void matrices(const Matrix& rows, std::size_t threads, double* values) const;
  void walk(const LeafTables& tables, const Matrix& rows, bool pairs, std::size_t threads, double* values) const;
  const LeafTables& pair_tables(std::size_t threads) const;

  const Ensemble& trees_;
  Matrix background_;
  Semivalue semivalue_;
  std::size_t table_players_;
  const Kernels& kernels_;
  LeafTables tables_;
  mutable std::once_flag pairs_made_;
  mutable std::unique_ptr<LeafTables> pair_tables_;
  std::vector<Piece> pieces_;  // kept for the walk where that is cheap, else made anew for each call
  std::vector<double> base_;
};

}  // namespace pellucid
