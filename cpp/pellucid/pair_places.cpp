#include "pair_places.hpp"

#include <algorithm>

namespace pellucid {
namespace {

// Calls meet(pair, or a player with itself) for each split and each slot above it, in the order of the splits.
template <class Meet>
void for_each_meeting(const Program& program, Meet meet) {
  std::vector<std::int32_t> player_in(program.distinct);
  for (const Split& split : program.splits) {
    player_in[split.slot] = split.player;
    for (std::size_t slot = 0; slot < split.others; ++slot) {
      meet(PlayerPair(std::min(split.player, player_in[slot]), std::max(split.player, player_in[slot])));
    }
  }
}

void sort_and_thin(std::vector<PlayerPair>& pairs) {
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
}

}  // namespace

std::vector<PlayerPair> pairs_that_meet(const std::vector<Program>& programs) {
  std::vector<PlayerPair> all, of_tree;
  for (const Program& program : programs) {
    of_tree.clear();
    for_each_meeting(program, [&](PlayerPair pair) {
      if (pair.first != pair.second) of_tree.push_back(pair);
    });
    sort_and_thin(of_tree);
    all.insert(all.end(), of_tree.begin(), of_tree.end());
  }
  sort_and_thin(all);
  return all;
}

std::vector<std::int32_t> pair_places(const Program& program, const std::vector<PlayerPair>& pairs) {
  std::vector<std::int32_t> places;
  for_each_meeting(program, [&](PlayerPair pair) {
    const auto found = std::lower_bound(pairs.begin(), pairs.end(), pair);
    places.push_back(found != pairs.end() && *found == pair ? std::int32_t(found - pairs.begin()) : -1);
  });
  return places;
}

}  // namespace pellucid
