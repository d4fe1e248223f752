// Interventional values by look-up: one small table per leaf, whatever the number of background rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cohort.hpp"
#include "ensemble.hpp"
#include "path_kernel.hpp"
#include "scratch.hpp"
#include "semivalue.hpp"
#include "walked_trees.hpp"

namespace pellucid {

// Tables of values, or of interactions, for all leaves with few players on their path; the others are left to the
// cohort walk. Thread-safe once `finish` has run.
class LeafTables {
 public:
  // Lists the leaves. Which of them get a table depends on the trees alone, never on the rows.
  LeafTables(const Ensemble& trees, const Semivalue& semivalue, std::size_t table_players, const Kernels& kernels,
             bool pairs);

  // The nodes that a leaf without a table lies below.
  const WalkedTrees& walked() const { return walked_; }
  bool all_in_tables() const { return all_in_tables_; }

  const Used& used() const { return used_; }
  const std::vector<Program>& programs() const { return programs_; }

  // Counts the background rows of one piece; after the last, makes the tables.
  void count(const Piece& piece, std::size_t threads);
  void finish(double background_rows, std::size_t threads);

  // Adds to values (rows, players, outputs), or fills them where all leaves have tables; for tables of values.
  void values(const Matrix& rows, std::size_t threads, double* values) const;

  // As values, the pairs' halves: (rows, players, players, outputs), in both places and nothing on the diagonal. For
  // tables of interactions.
  void interactions(const Matrix& rows, std::size_t threads, double* values) const;

 private:
  struct Condition {
    std::int32_t node;
    std::uint8_t slot;  // position of the player among the leaf's players
    bool left;
  };
  struct Leaf {
    std::int32_t node;
    bool has_table;
    std::size_t condition, n_conditions;  // part of conditions_
    std::size_t player, n_players;        // part of players_
    std::size_t table, entries;           // part of tables_: as many arrays of `entries` as a leaf has
    bool merged;                          // with the next leaf, its sibling: their tables are used as one
  };
  class Block;

  void list(std::size_t tree);
  void add_leaf(std::int32_t node, const std::vector<Split>& path, const std::vector<bool>& lefts);
  bool can_merge(const Split& split) const;
  void count(const Leaf& leaf, const Piece& piece, std::vector<Cohort>& all_of);
  void finish_values(const Leaf& leaf, double background_rows);
  void finish_pairs(const Leaf& leaf, double background_rows);
  void merge(const Leaf& left, const Leaf& right);
  std::vector<LeafTable> lookups() const;

  template <class Store>
  void explain(const Matrix& rows, std::size_t threads, Store store) const;

  const Ensemble& trees_;
  Semivalue semivalue_;
  std::size_t table_players_;
  const Kernels& kernels_;
  bool pairs_;
  Used used_;
  std::vector<Program> programs_;
  std::vector<std::size_t> first_leaf_;  // per tree, and the end
  std::vector<Leaf> leaves_;
  std::vector<Condition> conditions_;
  std::vector<std::int32_t> players_;
  std::size_t n_numbers_ = 0;
  Scratch tables_;  // per leaf: gain, loss; or both, one, none
  std::vector<bool> marked_;  // per node, whether it is walked
  WalkedTrees walked_;
  bool all_in_tables_ = true;
  Shape shape_;
};

}  // namespace pellucid
