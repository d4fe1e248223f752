#include "pair_places.hpp"

#include <algorithm>

namespace pellucid {
namespace {

// Calls meet(pair, or a player with itself; where its last split above leads to) for each split and each slot above it,
// in the order of the splits.
template <class Meet>
void for_each_meeting(const Program& program, Meet meet) {
  struct Last {
    std::int32_t player;
    std::uint32_t spot;
  };
  std::vector<std::vector<Last>> lasts(program.levels, std::vector<Last>(program.distinct));  // by level and slot
  std::vector<const Split*> path(program.levels);
  for (const Split& split : program.splits) {
    std::vector<Last>& above = lasts[split.level];
    if (split.level) {
      const Split& parent = *path[split.level - 1];
      above = lasts[split.level - 1];
      above[parent.slot] = {parent.player, split.spot};
    }
    path[split.level] = &split;
    for (std::size_t slot = 0; slot < split.others; ++slot) {
      const std::int32_t other = above[slot].player;
      meet(PlayerPair(std::min(split.player, other), std::max(split.player, other)), above[slot].spot);
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
    for_each_meeting(program, [&](PlayerPair pair, std::uint32_t) {
      if (pair.first != pair.second) of_tree.push_back(pair);
    });
    sort_and_thin(of_tree);
    all.insert(all.end(), of_tree.begin(), of_tree.end());
  }
  sort_and_thin(all);
  return all;
}

std::vector<Meeting> meetings(const Program& program, const std::vector<PlayerPair>& pairs) {
  std::vector<Meeting> found;
  for_each_meeting(program, [&](PlayerPair pair, std::uint32_t spot) {
    const auto at = std::lower_bound(pairs.begin(), pairs.end(), pair);
    found.push_back({at != pairs.end() && *at == pair ? std::int32_t(at - pairs.begin()) : -1, spot});
  });
  return found;
}

}  // namespace pellucid
