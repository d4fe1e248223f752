#include "program.hpp"

#include <algorithm>
#include <limits>

namespace pellucid {
namespace {

std::vector<std::int32_t> positions_of(const std::vector<std::int32_t>& chosen, std::size_t size) {
  std::vector<std::int32_t> at(size, -1);
  for (std::size_t i = 0; i < chosen.size(); ++i) at[std::size_t(chosen[i])] = std::int32_t(i);
  return at;
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

  // "Below t" is "up to the number before t"; nothing lies below minus infinity, nor up to NaN.
  double threshold(std::int32_t node) const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double t = trees.threshold[node];
    if (trees.is_categorical(node)) return 0.5;
    if (trees.less_equal) return t;
    return t == -infinity ? std::numeric_limits<double>::quiet_NaN() : std::nextafter(t, -infinity);
  }

  std::int32_t input(std::int32_t node) const {
    if (!trees.is_categorical(node)) return used.column_at[std::size_t(trees.feature[node])];
    return std::int32_t(used.columns.size()) + used.categorical_at[std::size_t(node)];
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
                      std::uint32_t(program.meetings), trees.missing_left[node] != 0, repeated, repeated};
    cold[player] = split.cold * split.share;
    program.distinct = std::max(program.distinct, std::size_t(distinct));
    place_of[player] = place_below(at, true), spot_of[player] = place_below(split.level, true);
    program.meetings += others;
    path.push_back(at);
    program.levels = std::max(program.levels, path.size());
    expected_left.resize(std::max(expected_left.size(), path.size() * trees.width));
    entered.push_back(program.moves.size());
    program.moves.push_back({Step::enter, at});
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
    finish_moves();
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

  // The moves since this split was entered are those below it. None of them enters: they pass its children.
  void finish_moves() {
    const auto own = program.moves.begin() + std::ptrdiff_t(entered.back()), end = program.moves.end();
    entered.pop_back();
    if (own + 1 == end) {
      own->step = Step::pass;
    } else if (std::all_of(own + 1, end, [](const Move& move) { return move.step == Step::pass; })) {
      own->step = Step::family;
      share_varying(own, end);
      program.moves.erase(own + 1, end);
    } else {
      program.moves.push_back({Step::leave, path.back()});
    }
  }

  // One code serves a family: its members' weights vary if those of one do.
  void share_varying(std::vector<Move>::iterator first, std::vector<Move>::iterator end) {
    const bool varying = std::any_of(first, end, [&](const Move& move) { return program.splits[move.split].varying; });
    for (; first != end; ++first) program.splits[first->split].varying = varying;
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
  std::vector<bool> column_used(trees.n_columns()), player_used(trees.n_players);
  for (std::size_t node = 0; node < trees.feature.size(); ++node) {
    const std::int32_t column = trees.feature[node];
    if (column < 0) continue;
    if (trees.is_categorical(std::int32_t(node))) categorical.push_back(std::int32_t(node));
    column_used[std::size_t(column)] = true;
    player_used[std::size_t(trees.player[column])] = true;
  }
  for (std::size_t i = 0; i < column_used.size(); ++i) {
    if (column_used[i]) columns.push_back(std::int32_t(i));
  }
  for (std::size_t i = 0; i < player_used.size(); ++i) {
    if (player_used[i]) players.push_back(std::int32_t(i));
  }
  column_at = positions_of(columns, trees.n_columns());
  player_at = positions_of(players, trees.n_players);
  if (!categorical.empty()) categorical_at = positions_of(categorical, trees.feature.size());
}

std::vector<PlayerPair> Used::renamed(std::vector<PlayerPair> pairs) const {
  for (auto& [first, second] : pairs) first = players[std::size_t(first)], second = players[std::size_t(second)];
  return pairs;
}

void Used::load(const Ensemble& trees, const double* row, double* to, std::size_t stride) const {
  for (const std::int32_t column : columns) *to = trees.rounded(row[column]), to += stride;
  for (const std::int32_t node : categorical) {
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
