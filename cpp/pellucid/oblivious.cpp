#include "oblivious.hpp"

#include <algorithm>

#include "path_parts.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_levels = 8;
constexpr std::size_t least_entries = 8;  // what a look-up reads at once

// One split of each level, or none where a level asks different things.
std::vector<Split> common_splits(const Program& program) {
  if (program.levels > most_levels || program.splits.size() + 1 != std::size_t(1) << program.levels) return {};
  std::vector<Split> levels(program.levels);
  std::vector<bool> seen(program.levels);
  for (const Split& split : program.splits) {
    Split& first = levels[split.level];
    if (!seen[split.level]) first = split, seen[split.level] = true;
    if (split.input != first.input || split.threshold != first.threshold) return {};
  }
  return levels;
}

}  // namespace

Oblivious tabulate(const Program& program, const Quadrature& rule, Shape shape, const PathKernel<double>& kernel) {
  Oblivious tree;
  tree.levels = common_splits(program);
  if (tree.levels.empty()) return tree;
  for (const Split& split : tree.levels) {
    if (!split.repeated) tree.players.push_back(split.player);
  }
  const std::size_t n_levels = tree.levels.size(), kinds = std::size_t(1) << n_levels;
  tree.entries = std::max(least_entries, kinds);
  tree.table = Scratch(tree.players.size() * shape.width * tree.entries * sizeof(double));
  std::vector<Split> splits = program.splits;  // the same tree, with the players by slot, and an input for each level
  for (Split& split : splits) {
    split.input = std::int32_t(split.level), split.player = std::int32_t(split.slot), split.threshold = 0.5;
  }
  shape.levels = n_levels, shape.players = shape.slots = tree.players.size(), shape.outputs = shape.width;
  const std::size_t earners = shape.players * shape.width;
  Scratch x(n_levels * kernel.rows * sizeof(double)), phi(earners * kernel.rows * sizeof(double));
  Scratch scratch(kernel.scratch_bytes(shape));
  for (std::size_t first = 0; first < kinds; first += kernel.rows) {
    std::fill_n(phi.numbers(), earners * kernel.rows, 0.0);
    for (std::size_t i = 0; i < n_levels * kernel.rows; ++i) {
      const std::size_t level = i / kernel.rows, kind = first + i % kernel.rows;
      x.numbers()[i] = kind >> level & 1 ? 0.0 : 1.0;  // goes left at the levels of the kind's bits
    }
    auto task = task_of<double>(program, shape);
    task.splits = splits.data(), task.first_output = 0;
    task.x = x.numbers(), task.phi = phi.numbers(), task.scratch = scratch.bytes();
    run_parts(rule, task, [&] { kernel.values(task); });
    for (std::size_t i = 0; i < earners; ++i) {
      std::copy_n(phi.numbers() + i * kernel.rows, std::min(kernel.rows, kinds - first),
                  tree.table.numbers() + i * tree.entries + first);
    }
  }
  return tree;
}

}  // namespace pellucid
