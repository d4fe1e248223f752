// A tree as a straight list of moves: every row makes the same walk, so a walk needs no stack and no recursion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ensemble.hpp"

namespace pellucid {

// Places in a tree: its root, then the left and the right child of each split in turn. A walk that is on one path at a
// time needs places for this path only, two below each level: there the same numbers are made of levels.
inline constexpr std::uint32_t root_place = 0;
constexpr std::uint32_t place_below(std::size_t split, bool left) { return std::uint32_t(2 * split + (left ? 1 : 2)); }

struct Split {
  double threshold;           // an input up to it goes left; none is missing there
  double share, rest;         // of the training weight: what goes left, and right
  double cold;                // share of the training weight that the player's splits above let through
  const double* left;         // values of the left child where it is a leaf, else null
  const double* right;
  std::int32_t node;
  std::int32_t input, player;  // counted among those that the trees use
  std::uint32_t level;        // splits above this one
  std::uint32_t slot;         // the player's position among the different players on the path
  std::uint32_t others;       // different players on the path above, this one's included if it is among them
  std::uint32_t place;        // where this split stands below its parent
  std::uint32_t earlier;      // the place below the player's last split above, through which the path goes; root_place at a first split
  std::uint32_t spot, earlier_spot;  // the same two places on the path
  std::uint32_t meetings;     // `others` of all splits before this one together
  bool repeated;              // the player already split above: what it earns is weighted point by point
};

// What a walk does at a split: it enters it from above, and leaves it after its children. A family is a split whose children
// are leaves or forks, and a fork a split between two leaves: they are entered and left at once.
enum class Child : std::uint32_t { leaf, fork, repeated_fork };
using Step = std::uint32_t;
constexpr Step family_step(bool repeated, Child left, Child right) {
  return Step(repeated) + 2 * (Step(left) + 3 * Step(right));
}
constexpr Step enter_step(bool repeated, bool asked) { return 18 + Step(repeated) + 2 * Step(asked); }
constexpr Step leave_step(bool repeated) { return 22 + Step(repeated); }
inline constexpr Step n_steps = 24;

struct Move {
  Step step;
  std::uint32_t split;
};

// A split's player with another above it.
struct Meeting {
  std::int32_t pair;  // of those that are asked for; -1: not asked for, or the player with itself
  std::uint32_t spot;  // on the path: below the other's last split
};

using PlayerPair = std::pair<std::int32_t, std::int32_t>;  // the smaller first

// A column as the walks read it: where splits send missing values left they are minus infinity.
struct Input {
  std::int32_t column;
  bool missing_left;
};

// The inputs and players that some split uses, in rising order. A split that no threshold tells has an input of its own
// behind the others: 0 where a row goes left, else 1.
struct Used {
  std::vector<Input> inputs;
  std::vector<std::int32_t> apart, players;
  std::vector<std::int32_t> input_at, apart_at, player_at;  // back from the ensemble's own numbers; -1 where unused

  explicit Used(const Ensemble& trees);

  // Pairs of players by the ensemble's own numbers, which keeps their order.
  std::vector<PlayerPair> renamed(std::vector<PlayerPair> pairs) const;

  std::size_t n_inputs() const { return inputs.size() + apart.size(); }

  // What the walks read of a row: input j at to[j * stride].
  void load(const Ensemble& trees, const double* row, double* to, std::size_t stride) const;
};

struct Leaf {
  const double* value;
  std::uint32_t place;
};

struct Program {
  std::vector<Split> splits;             // parents before children
  std::vector<Move> moves;
  std::vector<std::uint32_t> finished;   // splits in the order in which the moves finish them: children before parents
  std::vector<Leaf> leaves;              // in the order of their splits, left before right
  std::size_t levels = 0;           // most splits on a path
  std::size_t distinct = 0;         // most different players on a path
  std::size_t meetings = 0;         // of splits with different players above them, this one's included
  std::size_t first_output = 0;
  std::vector<double> expectation;  // of the tree when every player is hidden, (width,)
};

Program compile(const Ensemble& trees, const Used& used, std::size_t tree);

}  // namespace pellucid
