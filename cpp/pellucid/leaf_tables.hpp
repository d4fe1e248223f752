// Interventional Shapley values by look-up: one small table per leaf, whatever the number of background rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "cohort.hpp"
#include "ensemble.hpp"

namespace pellucid {

// Tables for all leaves with few players on their path; the others are left to the cohort walk.
class LeafTables {
 public:
  // Lists the leaves. Which of them get a table depends on the trees alone, never on the rows.
  LeafTables(const Ensemble& trees, std::size_t table_players);

  // For each node, whether a leaf without a table lies below.
  const std::vector<bool>& walked() const { return walked_; }

  void count(const Piece& piece, std::size_t threads);
  void finish(double background_rows, std::size_t threads);

  // Adds to values (rows, players, outputs).
  void explain(const Matrix& rows, std::size_t threads, double* values) const;

 private:
  struct Condition {
    std::int32_t node;
    std::uint8_t slot;  // position of the player among the leaf's players
    bool left;
  };
  struct Leaf {
    std::int32_t node;
    std::size_t condition, n_conditions;  // part of conditions_
    std::size_t player, n_players;        // part of players_
    std::size_t table;                    // part of gain_ and loss_, 2^n_players long
  };
  struct Tree {
    std::vector<std::int32_t> splits;
    std::vector<Leaf> leaves;
    std::size_t first_output;
  };
  class Rows;

  void list(std::int32_t root, Tree& tree);
  bool add_leaf(std::int32_t node, const std::vector<std::pair<std::int32_t, bool>>& path, Tree& tree);
  void count(const Leaf& leaf, const Piece& piece, std::vector<Cohort>& all_of);
  void finish(const Leaf& leaf, double background_rows);

  const Ensemble& trees_;
  std::size_t table_players_;
  std::vector<Tree> tables_of_;  // per tree
  std::vector<Condition> conditions_;
  std::vector<std::int32_t> players_;
  std::vector<double> gain_, loss_;
  std::vector<bool> walked_;
};

}  // namespace pellucid
