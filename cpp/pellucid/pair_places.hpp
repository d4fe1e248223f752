// Which pairs of players interact at all: those that meet on a path. Wide tables have few of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "program.hpp"

namespace pellucid {

// All pairs that meet on some path of the trees, in rising order.
std::vector<PlayerPair> pairs_that_meet(const std::vector<Program>& programs);

// For each split of a tree and each slot above it, where their players' pair stands in `pairs` (in rising order).
std::vector<Meeting> meetings(const Program& program, const std::vector<PlayerPair>& pairs);

}  // namespace pellucid
