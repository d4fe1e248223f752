#include "path_dependent.hpp"

#include <algorithm>
#include <memory>

#include "answers.hpp"
#include "parallel.hpp"
#include "path_parts.hpp"
#include "scratch.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_single_rows = 1;  // two take less time side by side
constexpr std::size_t most_together = 16;    // blocks of rows that go through a tree one after the other
constexpr std::size_t most_numbers = std::size_t(1) << 16;  // that these read and add to: they stay in the cache
constexpr std::size_t least_splits = 1024;   // of a chunk of trees: so many are worth a thread's while

// Where chunks of trees begin, and the end. Each is large beside the sums that it adds to.
std::vector<std::size_t> chunks_of(const std::vector<Program>& programs, std::size_t n_sums) {
  std::vector<std::size_t> first{0};
  std::size_t splits = 0;
  for (std::size_t tree = 0; tree < programs.size(); ++tree) {
    if (splits >= std::max(least_splits, 4 * n_sums)) first.push_back(tree), splits = 0;
    splits += programs[tree].splits.size();
  }
  first.push_back(programs.size());
  return first;
}

// Rows of an answer that are side by side in a block.
struct Stretch {
  std::size_t first, count, per_block;

  // Turns numbers (n, rows of the block) to lie row by row, `size` apart: (rows, n).
  template <class Real>
  void turn(const Real* from, std::size_t n, double* to, std::size_t size) const {
    for (to += first * size; n--; ++to, from += per_block) {
      for (std::size_t row = 0; row < count; ++row) to[row * size] = double(from[row]);
    }
  }

  // The same of one number, for both classes: (rows, 2).
  template <class Real>
  void turn_for_both(const Real* from, double* to, std::size_t size) const {
    to += first * size;
    for (std::size_t row = 0; row < count; ++row, to += size) to[0] = -double(from[row]), to[1] = double(from[row]);
  }
};

}  // namespace

template <class Real>
PathDependent<Real>::PathDependent(const Ensemble& trees, const Semivalue& semivalue, const Kernels& kernels)
    : trees_(trees), kernels_(kernels), used_(trees), semivalue_(semivalue),
      base_(trees.base.begin(), trees.base.end()),
      shape_{1, 1, trees.width, used_.players.size(), trees.n_outputs(), 1} {
  for (std::size_t tree = 0; tree < trees.roots.size(); ++tree) {
    programs_.push_back(compile(trees, used_, tree));
    const Program& program = programs_.back();
    for (std::size_t k = 0; k < trees.width; ++k) base_[program.first_output + k] += program.expectation[k];
    shape_.levels = std::max(shape_.levels, program.levels);
    shape_.slots = std::max(shape_.slots, program.distinct);
    shape_.splits = std::max(shape_.splits, program.splits.size());
    if (program.splits.empty()) continue;
    const std::size_t points = semivalue_.points(program.distinct);
    if (!rules_.contains(points)) rules_.emplace(points, semivalue_.rule(points));
  }
  for (const Program& program : programs_) {
    tables_.push_back(program.splits.empty() ? Oblivious{} : tabulate(program, rule(program), shape_, kernels_.float64.many.walk));
    any_table_ |= !tables_.back().levels.empty();
  }
  first_tree_ = chunks_of(programs_, shape_.players * shape_.outputs);
}

template <class Real>
const Quadrature& PathDependent<Real>::rule(const Program& program) const {
  return rules_.at(semivalue_.points(program.distinct));
}

// A thread's memory, and a few blocks of rows on their way through one tree after the other: what a tree's splits say is
// read once for all of them.
template <class Real>
class PathDependent<Real>::Blocks {
 public:
  Blocks(const PathDependent& game, const BlockKernels<Real>& kernels, const Chosen* pairs, std::size_t most)
      : game_(game), kernel_(kernels.walk), tables_(kernels.tables), pairs_(pairs), outputs_(game.trees_.n_outputs()),
        inputs_(game.used_.n_inputs() * kernel_.rows), sums_(game.used_.players.size() * outputs_ * kernel_.rows),
        pair_sums_(pairs ? pairs->pairs.size() * outputs_ * kernel_.rows : 0),
        x_(most * inputs_ * sizeof(double)), phi_(most * sums_ * sizeof(Real)), looked_up_(most * sums_ * sizeof(double)),
        total_(most * sums_ * sizeof(double)), pair_(most * pair_sums_ * sizeof(Real)),
        scratch_(kernel_.scratch_bytes(game.shape_)) {}

  std::size_t size() const { return sums_; }

  // What the players, or the pairs, of a block's rows earned: (players or pairs, outputs, rows).
  const double* sums(std::size_t block) const { return total_.numbers() + block * sums_; }
  const Real* pair_sums(std::size_t block) { return pair_.template numbers<Real>() + block * pair_sums_; }

  void explain(const Matrix& rows, std::size_t first, std::size_t count) {
    load(rows, first, (count + kernel_.rows - 1) / kernel_.rows);
    clear();
    for (std::size_t chunk = 0; chunk < game_.n_chunks(); ++chunk) {
      walk(chunk);
      sum_up(total_.numbers());
    }
  }

  // The last block repeats the last row, so that it runs through the very same code.
  void load(const Matrix& rows, std::size_t first, std::size_t blocks) {
    blocks_ = blocks;
    for (std::size_t i = 0; i < blocks * kernel_.rows; ++i) {
      double* x = x_.numbers() + i / kernel_.rows * inputs_ + i % kernel_.rows;
      game_.used_.load(game_.trees_, rows.row(std::min(first + i, rows.rows - 1)), x, kernel_.rows);
    }
  }

  void clear() {
    std::fill_n(total_.numbers(), blocks_ * sums_, 0.0);
    std::fill_n(pair_.template numbers<Real>(), blocks_ * pair_sums_, Real(0));
  }

  // Halves what pairs earned together and takes it from both: what is left of a player's value is its main effect.
  void part(std::size_t block, const std::vector<PlayerPair>& players) {
    const std::size_t size = outputs_ * kernel_.rows;
    Real* pair = pair_.template numbers<Real>() + block * pair_sums_;
    double* mains = total_.numbers() + block * sums_;
    for (const auto& [first, second] : players) {
      double *one = mains + std::size_t(first) * size, *other = mains + std::size_t(second) * size;
      for (std::size_t i = 0; i < size; ++i) {
        pair[i] /= 2;
        one[i] -= double(pair[i]), other[i] -= double(pair[i]);
      }
      pair += size;
    }
  }

  // Adds one chunk's sums to the totals.
  void add(const double* sums) {
    for (std::size_t i = 0; i < blocks_ * sums_; ++i) total_.numbers()[i] += sums[i];
  }

  // Adds up one chunk of trees; pairs go to their totals.
  void walk(std::size_t chunk) {
    for (std::size_t tree = game_.first_tree_[chunk]; tree < game_.first_tree_[chunk + 1]; ++tree) {
      if (game_.programs_[tree].splits.empty()) continue;
      if (game_.tables_[tree].levels.empty() || pairs_) walk_through(tree);
      else look_up(tree);
    }
  }

  // Adds the chunk's sums, and makes room for the next one's.
  void sum_up(double* to) {
    if (game_.any_table_) move(looked_up_.numbers(), blocks_ * sums_, to);
    move(phi_.template numbers<Real>(), blocks_ * sums_, to);
  }

 private:
  template <class Number>
  static void move(Number* from, std::size_t n, double* to) {
    for (std::size_t i = 0; i < n; ++i) to[i] += double(from[i]), from[i] = Number(0);
  }

  void walk_through(std::size_t tree) {
    const Program& program = game_.programs_[tree];
    auto task = task_of<Real>(program, game_.shape_);
    task.scratch = scratch_.bytes();
    if (pairs_) task.meetings = pairs_->meetings[tree].data();
    run_parts(game_.rule(program), task, [&] {
      for (std::size_t block = 0; block < blocks_; ++block) {
        task.x = x_.numbers() + block * inputs_;
        task.phi = phi_.template numbers<Real>() + block * sums_;
        task.pair = pair_.template numbers<Real>() + block * pair_sums_;
        (pairs_ ? kernel_.interactions : kernel_.values)(task);
      }
    });
  }

  void look_up(std::size_t index) {
    const Oblivious& tree = game_.tables_[index];
    for (std::size_t block = 0; block < blocks_; ++block) {
      double* to = looked_up_.numbers() + block * sums_ + game_.programs_[index].first_output * kernel_.rows;
      tables_.whole_tree({tree.levels.data(), tree.levels.size(), tree.players.data(), tree.players.size(),
                          game_.shape_.width, outputs_, tree.entries, tree.table.numbers(), x_.numbers() + block * inputs_, to});
    }
  }

  const PathDependent& game_;
  const PathKernel<Real>& kernel_;
  const TableKernel& tables_;
  const Chosen* pairs_;
  std::size_t outputs_, inputs_, sums_, pair_sums_;  // numbers of one block
  std::size_t blocks_ = 0;
  Scratch x_, phi_, looked_up_, total_, pair_, scratch_;  // sums of a chunk by walks and by tables, and of all
};

// Hands every block of rows to store(blocks, which of them, its rows), in any order.
template <class Real>
template <class Store>
void PathDependent<Real>::explain(const Matrix& rows, std::size_t threads, const Chosen* pairs, Store store) const {
  const SizedKernels<Real>& sizes = kernels_.of<Real>();
  const bool one = rows.rows <= most_single_rows && !pairs;
  const bool few = rows.rows < sizes.many.walk.rows * threads / 2 || 2 * rows.rows < sizes.many.walk.rows;
  const BlockKernels<Real>& kernels = one ? sizes.one : few ? sizes.few : sizes.many;
  const std::size_t per_block = kernels.walk.rows, blocks = (rows.rows + per_block - 1) / per_block;
  if (blocks < threads && n_chunks() > 1 && !pairs) return explain_by_chunks(rows, threads, kernels, store);
  const std::size_t per_row = 1 + used_.n_inputs() + 3 * shape_.players * shape_.outputs;
  const std::size_t fitting = pairs ? 1 : std::clamp<std::size_t>(most_numbers / (per_row * per_block), 1, most_together);
  const std::size_t together = per_item(blocks, fitting, threads);
  const std::size_t many = together * per_block;
  parallel_for(divided_up(rows.rows, many), threads, [&] {
    return [&, walk = std::make_shared<Blocks>(*this, kernels, pairs, together)](std::size_t item) {
      const std::size_t first = item * many, count = std::min(many, rows.rows - first);
      walk->explain(rows, first, count);
      for (std::size_t i = 0; i < count; i += per_block) {
        store(*walk, i / per_block, Stretch{first + i, std::min(per_block, count - i), per_block});
      }
    };
  });
}

// Few rows: the threads share out the trees. The chunks' sums meet in the order in which one thread would add them.
template <class Real>
template <class Store>
void PathDependent<Real>::explain_by_chunks(const Matrix& rows, std::size_t threads, const BlockKernels<Real>& kernels,
                                            Store store) const {
  const std::size_t per_block = kernels.walk.rows, blocks = (rows.rows + per_block - 1) / per_block;
  Blocks whole(*this, kernels, nullptr, 1);
  std::vector<double> sums(blocks * n_chunks() * whole.size());
  parallel_for(blocks * n_chunks(), threads, [&] {
    return [&, block = std::make_shared<Blocks>(*this, kernels, nullptr, 1)](std::size_t item) {
      block->load(rows, item / n_chunks() * per_block, 1);
      block->walk(item % n_chunks());
      block->sum_up(sums.data() + item * whole.size());
    };
  });
  for (std::size_t i = 0, item = 0; i < blocks; ++i) {
    whole.load(rows, i * per_block, 1);
    whole.clear();
    for (std::size_t chunk = 0; chunk < n_chunks(); ++chunk, ++item) whole.add(sums.data() + item * whole.size());
    store(whole, 0, Stretch{i * per_block, std::min(per_block, rows.rows - i * per_block), per_block});
  }
}

template <class Real>
void PathDependent<Real>::values(const Matrix& rows, std::size_t threads, double* values) const {
  const std::size_t outputs = trees_.n_outputs(), size = trees_.n_players * outputs;
  explain(rows, threads, nullptr, [&](Blocks& blocks, std::size_t block, Stretch stretch) {
    std::fill_n(values + stretch.first * size, stretch.count * size, 0.0);
    const double* from = blocks.sums(block);
    for (const std::int32_t player : used_.players) {
      stretch.turn(from, outputs, values + std::size_t(player) * outputs, size);
      from += outputs * stretch.per_block;
    }
  });
}

template <class Real>
auto PathDependent<Real>::meeting() const -> const Chosen& {
  std::call_once(meeting_found_, [&] {
    meeting_.pairs = pairs_that_meet(programs_);
    for (const Program& program : programs_) meeting_.meetings.push_back(meetings(program, meeting_.pairs));
  });
  return meeting_;
}

template <class Real>
std::vector<PlayerPair> PathDependent<Real>::pairs() const {
  return used_.renamed(meeting().pairs);
}

template <class Real>
void PathDependent<Real>::pair_values(const Matrix& rows, std::span<const std::int32_t> positions, std::size_t threads,
                                      double* values) const {
  std::vector<std::int32_t> place_of(meeting().pairs.size(), -1);
  Chosen chosen{{}, meeting().meetings};
  for (const std::int32_t position : positions) {
    place_of[std::size_t(position)] = std::int32_t(chosen.pairs.size());
    chosen.pairs.push_back(meeting().pairs[std::size_t(position)]);
  }
  for (auto& of_tree : chosen.meetings) {
    for (Meeting& meeting : of_tree) meeting.pair = meeting.pair < 0 ? -1 : place_of[std::size_t(meeting.pair)];
  }
  const std::size_t outputs = trees_.n_outputs();
  const std::size_t size = positions.size() * outputs;
  explain(rows, threads, &chosen, [&](Blocks& blocks, std::size_t block, Stretch stretch) {
    stretch.turn(blocks.pair_sums(block), size, values, size);
  });
}

template <class Real>
void PathDependent<Real>::interactions(const Matrix& rows, std::size_t threads, bool mirrored, double* values,
                                       double* sums) const {
  const std::size_t outputs = trees_.n_outputs(), depth = mirrored ? 2 : outputs, players = trees_.n_players;
  const std::size_t line = players * depth, size = players * line;
  const std::vector<PlayerPair> names = pairs();
  explain(rows, threads, &meeting(), [&](Blocks& blocks, std::size_t block, Stretch stretch) {
    double* found = values + stretch.first * size;
    std::fill_n(found, stretch.count * size, 0.0);
    const auto place = [&](const auto* from, std::int32_t i, std::int32_t j) {
      double* to = values + std::size_t(i) * line + std::size_t(j) * depth;
      if (mirrored) stretch.turn_for_both(from, to, size);
      else stretch.turn(from, outputs, to, size);
    };
    blocks.part(block, meeting().pairs);
    const double* main = blocks.sums(block);
    for (const std::int32_t player : used_.players) {
      place(main, player, player);
      main += outputs * stretch.per_block;
    }
    const Real* pair = blocks.pair_sums(block);
    for (const auto& [first, second] : names) {
      place(pair, first, second), place(pair, second, first);
      pair += outputs * stretch.per_block;
    }
    add_lines(found, stretch.count * players, players, depth, sums + stretch.first * line);
  });
}

template class PathDependent<double>;
template class PathDependent<float>;

}  // namespace pellucid
