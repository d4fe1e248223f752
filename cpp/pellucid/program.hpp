// A tree as a straight list of moves: every row makes the same walk, so a walk needs no stack and no recursion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ensemble.hpp"

namespace pellucid {

struct Split {
  std::int32_t node, column, player;
  std::size_t level;       // splits above this one
  bool repeated;           // the player already split above
  bool is_left;            // this split is its parent's left child
  const double* left;      // values of the left child where it is a leaf, else null
  const double* right;
  Shares share;
  double cold;             // share of the training weight that the player's splits above let through
};

enum class Step : std::uint8_t {
  enter,  // from above, before the left child
  turn,   // between the children
  leave,  // after the right child
};

struct Move {
  Step step;
  std::uint32_t split;
};

struct Program {
  std::vector<Split> splits;
  std::vector<Move> moves;
  std::size_t levels = 0;           // most splits on a path
  std::size_t distinct = 0;         // most different players on a path
  std::size_t first_output = 0;
  std::vector<double> expectation;  // of the tree when every player is hidden, (width,)
};

Program compile(const Ensemble& trees, std::size_t tree);

}  // namespace pellucid
