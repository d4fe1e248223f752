#include "program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace pellucid {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Those that are used, in rising order.
std::vector<std::int32_t> chosen(const std::vector<bool>& used) {
  std::vector<std::int32_t> found;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) found.push_back(std::int32_t(i));
  }
  return found;
}

std::vector<std::int32_t> positions_of(const std::vector<std::int32_t>& those, std::size_t size) {
  std::vector<std::int32_t> at(size, -1);
  for (std::size_t i = 0; i < those.size(); ++i) at[std::size_t(those[i])] = std::int32_t(i);
  return at;
}

// What goes left is up to it. "Below t" is "up to the number before t"; nothing lies below minus infinity, nor up to NaN.
double largest_left(const Ensemble& trees, std::int32_t node) {
  const double t = trees.threshold[node];
  if (trees.less_equal) return t;
  return t == -infinity ? std::numeric_limits<double>::quiet_NaN() : std::nextafter(t, -infinity);
}

// No number is up to NaN, and what is missing is no number.
bool stands_apart(const Ensemble& trees, std::int32_t node) {
  return trees.is_categorical(node) || (trees.missing_left[node] && std::isnan(largest_left(trees, node)));
}

struct Compiler {
  const Ensemble& trees;
  const Used& used;
  Program program;
  std::vector<double> cold;             // per player, on the path to here
  std::vector<std::uint32_t> splits_of, slot_of;  // per player: splits on the path to here, its slot
  std::vector<std::uint32_t> place_of;  // per player: where its last split on the path to here leads
  std::vector<std::uint32_t> spot_of;   // the same place by levels
  std::vector<std::uint32_t> path;      // splits entered and not left
  std::vector<std::size_t> entered;     // their moves
  std::vector<double> expected_left;    // per level and output: expectation of the left child
  std::vector<double> expected;         // of the node just finished
  std::uint32_t distinct = 0;

  Compiler(const Ensemble& ensemble, const Used& in_use)
      : trees(ensemble), used(in_use), cold(in_use.players.size(), 1.0), splits_of(in_use.players.size(), 0),
        slot_of(in_use.players.size(), 0), place_of(in_use.players.size(), root_place),
        spot_of(in_use.players.size(), root_place), expected(ensemble.width) {}

  const double* leaf_or_null(std::int32_t node) const {
    return trees.is_leaf(node) ? trees.leaf_value(node) : nullptr;
  }

  double threshold(std::int32_t node) const {
    return used.apart_at[std::size_t(node)] < 0 ? largest_left(trees, node) : 0.5;
  }

  std::int32_t input(std::int32_t node) const {
    const std::int32_t apart = used.apart_at[std::size_t(node)];
    if (apart >= 0) return std::int32_t(used.inputs.size()) + apart;
    return used.input_at[2 * std::size_t(trees.feature[node]) + (trees.missing_left[node] != 0)];
  }

  void enter(std::int32_t node, bool is_left) {
    const std::int32_t column = trees.feature[node];
    const std::size_t player = std::size_t(used.player_at[std::size_t(trees.player[column])]);
    const bool repeated = splits_of[player]++ > 0;
    const std::uint32_t others = distinct;
    if (!repeated) slot_of[player] = distinct++;
    const Shares share = shares(trees, node);
    const std::uint32_t at = std::uint32_t(program.splits.size());
    const std::uint32_t place = path.empty() ? root_place : place_below(path.back(), is_left);
    const std::uint32_t spot = path.empty() ? root_place : place_below(path.size() - 1, is_left);
    const Split split{threshold(node), share.left, share.right, cold[player],
                      leaf_or_null(trees.left[node]), leaf_or_null(trees.right[node]),
                      node, input(node), std::int32_t(player), std::uint32_t(path.size()),
                      slot_of[player], others, place, place_of[player], spot, spot_of[player],
                      std::uint32_t(program.meetings), repeated};
    cold[player] = split.cold * split.share;
    program.distinct = std::max(program.distinct, std::size_t(distinct));
    place_of[player] = place_below(at, true), spot_of[player] = place_below(split.level, true);
    program.meetings += others;
    path.push_back(at);
    program.levels = std::max(program.levels, path.size());
    expected_left.resize(std::max(expected_left.size(), path.size() * trees.width));
    entered.push_back(program.moves.size());
    if (repeated) ask(split);
    program.moves.push_back({enter_step(repeated, false), at});
    program.splits.push_back(split);
    if (split.left) program.leaves.push_back({split.left, place_below(at, true)});
    if (split.right) program.leaves.push_back({split.right, place_below(at, false)});
    if (split.left) std::copy_n(split.left, trees.width, expected.begin());
  }

  void turn(const Split& split) {
    cold[split.player] = split.cold * split.rest;
    std::copy_n(expected.begin(), trees.width, expected_left.begin() + std::ptrdiff_t(split.level * trees.width));
    place_of[split.player] = place_below(path.back(), false), spot_of[split.player] = place_below(split.level, false);
    if (split.right) std::copy_n(split.right, trees.width, expected.begin());
  }

  void leave(const Split& split) {
    finish_moves(split);
    program.finished.push_back(path.back());
    cold[split.player] = split.cold;
    place_of[split.player] = split.earlier, spot_of[split.player] = split.earlier_spot;
    distinct -= --splits_of[split.player] == 0;
    const double* left = expected_left.data() + split.level * trees.width;
    for (std::size_t k = 0; k < trees.width; ++k) {
      expected[k] = split.share * left[k] + split.rest * expected[k];
    }
    path.pop_back();
  }

  // The player's last split above is to say which rows pass it.
  void ask(const Split& split) {
    Move& move = program.moves[entered[(split.earlier_spot - 1) / 2]];
    move.step = enter_step(program.splits[move.split].repeated, true);
  }

  std::optional<Child> fork(std::size_t move) const {
    const auto [step, split] = program.moves[move];
    const bool repeated = program.splits[split].repeated;
    if (step != family_step(repeated, Child::leaf, Child::leaf)) return std::nullopt;
    return repeated ? Child::repeated_fork : Child::fork;
  }

  // The moves since this split was entered are those below it, the left child's first.
  void finish_moves(const Split& split) {
    const std::size_t own = entered.back();
    entered.pop_back();
    std::size_t next = own + 1;
    const auto left = split.left ? Child::leaf : fork(next++);
    const auto right = split.right ? Child::leaf : left ? fork(next++) : left;
    if (left && right) {
      program.moves[own].step = family_step(split.repeated, *left, *right);
      program.moves.resize(own + 1);
    } else {
      program.moves.push_back({leave_step(split.repeated), path.back()});
    }
  }

  void walk(std::int32_t root) {
    struct Open {
      std::int32_t node;
      int done;
    };
    std::vector<Open> open{{root, 0}};
    enter(root, true);
    while (!path.empty()) {
      const Split split = program.splits[path.back()];
      const std::int32_t node = open.back().node;
      switch (open.back().done++) {
        case 0:
          if (split.left) break;
          open.push_back({trees.left[node], 0});
          enter(trees.left[node], true);
          break;
        case 1:
          turn(split);
          if (split.right) break;
          open.push_back({trees.right[node], 0});
          enter(trees.right[node], false);
          break;
        default:
          leave(split);
          open.pop_back();
      }
    }
  }
};

}  // namespace

Used::Used(const Ensemble& trees) {
  std::vector<bool> input_used(2 * trees.n_columns()), node_apart(trees.feature.size()), player_used(trees.n_players);
  for (std::size_t node = 0; node < trees.feature.size(); ++node) {
    if (trees.feature[node] < 0) continue;
    const std::size_t column = std::size_t(trees.feature[node]);
    if (stands_apart(trees, std::int32_t(node))) node_apart[node] = true;
    else input_used[2 * column + (trees.missing_left[node] != 0)] = true;
    player_used[std::size_t(trees.player[column])] = true;
  }
  const std::vector<std::int32_t> shared = chosen(input_used);
  for (const std::int32_t i : shared) inputs.push_back({i / 2, i % 2 == 1});
  apart = chosen(node_apart), players = chosen(player_used);
  input_at = positions_of(shared, input_used.size()), apart_at = positions_of(apart, node_apart.size());
  player_at = positions_of(players, trees.n_players);
}

std::vector<PlayerPair> Used::renamed(std::vector<PlayerPair> pairs) const {
  for (auto& [first, second] : pairs) first = players[std::size_t(first)], second = players[std::size_t(second)];
  return pairs;
}

void Used::load(const Ensemble& trees, const double* row, double* to, std::size_t stride) const {
  for (const auto [column, missing_left] : inputs) {
    const double x = trees.rounded(row[column]);
    *to = missing_left && std::isnan(x) ? -infinity : x;
    to += stride;
  }
  for (const std::int32_t node : apart) {
    *to = trees.goes_left(node, trees.rounded(row[trees.feature[node]])) ? 0.0 : 1.0;
    to += stride;
  }
}

Program compile(const Ensemble& trees, const Used& used, std::size_t tree) {
  Compiler compiler(trees, used);
  const std::int32_t root = trees.roots[tree];
  if (trees.is_leaf(root)) {
    std::copy_n(trees.leaf_value(root), trees.width, compiler.expected.begin());
  } else {
    compiler.walk(root);
  }
  compiler.program.first_output = std::size_t(trees.output[tree]);
  compiler.program.expectation = std::move(compiler.expected);
  return std::move(compiler.program);
}

}  // namespace pellucid
