#include "path_dependent.hpp"

#include <algorithm>
#include <memory>

#include "parallel.hpp"
#include "scratch.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_single_rows = 1;  // two take less time side by side
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

}  // namespace

PathDependent::PathDependent(const Ensemble& trees, const Semivalue& semivalue, const Kernels& kernels)
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
    tables_.push_back(program.splits.empty() ? Oblivious{} : tabulate(program, rule(program), shape_, kernels_.many));
  }
  first_tree_ = chunks_of(programs_, shape_.players * shape_.outputs);
}

const Quadrature& PathDependent::rule(const Program& program) const {
  return rules_.at(semivalue_.points(program.distinct));
}

// A thread's memory, and a block of rows on its way through all trees.
class PathDependent::Block {
 public:
  Block(const PathDependent& game, const PathKernel& kernel, const TableKernel& tables, bool pairs)
      : game_(game), kernel_(kernel), tables_(tables), players_(game.used_.players.size()), outputs_(game.trees_.n_outputs()),
        x_(game.used_.n_inputs() * kernel.rows * sizeof(double)), phi_(size() * sizeof(double)),
        total_(size() * sizeof(double)), pair_(pairs ? n_pairs() * outputs_ * kernel.rows * sizeof(double) : 0),
        scratch_(kernel.scratch_bytes(game.shape_)), pairs_(pairs) {
    kernel.reset(game.shape_, scratch_.bytes());
  }

  std::size_t size() const { return players_ * outputs_ * kernel_.rows; }
  std::size_t n_pairs() const { return players_ < 2 ? 0 : players_ * (players_ - 1) / 2; }
  double phi(std::size_t player, std::size_t output, std::size_t row) {
    return total_.numbers()[(player * outputs_ + output) * kernel_.rows + row];
  }
  double pair(std::size_t i, std::size_t j, std::size_t output, std::size_t row) {
    return pair_.numbers()[((j * (j - 1) / 2 + i) * outputs_ + output) * kernel_.rows + row];
  }

  void explain(const Matrix& rows, std::size_t first) {
    load(rows, first);
    clear();
    for (std::size_t chunk = 0; chunk < game_.n_chunks(); ++chunk) add(explain(chunk));
  }

  void clear() {
    std::fill_n(total_.numbers(), size(), 0.0);
    if (pairs_) std::fill_n(pair_.numbers(), n_pairs() * outputs_ * kernel_.rows, 0.0);
  }

  // Adds one chunk's sums to the totals.
  void add(const double* sums) {
    for (std::size_t i = 0; i < size(); ++i) total_.numbers()[i] += sums[i];
  }

  // The sums of one chunk of trees; pairs go to their totals.
  const double* explain(std::size_t chunk) {
    std::fill_n(phi_.numbers(), size(), 0.0);
    for (std::size_t tree = game_.first_tree_[chunk]; tree < game_.first_tree_[chunk + 1]; ++tree) {
      const Program& program = game_.programs_[tree];
      const Oblivious& table = game_.tables_[tree];
      if (!table.levels.empty() && !pairs_) look_up(table, program.first_output);
      else if (!program.splits.empty()) walk(program);
    }
    return phi_.numbers();
  }

  // The last block repeats the last row, so that it runs through the very same code.
  void load(const Matrix& rows, std::size_t first) {
    for (std::size_t b = 0; b < kernel_.rows; ++b) {
      game_.used_.load(game_.trees_, rows.row(std::min(first + b, rows.rows - 1)), x_.numbers() + b, kernel_.rows);
    }
  }

  void walk(const Program& program) {
    PathTask task = task_of(program, game_.shape_);
    task.x = x_.numbers(), task.phi = phi_.numbers(), task.pair = pair_.numbers(), task.scratch = scratch_.bytes();
    run_parts(kernel_, game_.rule(program), pairs_, task);
  }

  void look_up(const Oblivious& tree, std::size_t first_output) {
    tables_.whole_tree({tree.levels.data(), tree.levels.size(), tree.players.data(), tree.players.size(),
                        game_.shape_.width, outputs_, tree.entries, tree.table.data(), x_.numbers(),
                        phi_.numbers() + first_output * kernel_.rows});
  }

  const PathDependent& game_;
  const PathKernel& kernel_;
  const TableKernel& tables_;
  std::size_t players_, outputs_;
  Scratch x_, phi_, total_, pair_, scratch_;
  bool pairs_;
};

// Hands every row to store(block, place in the block, row), in any order.
template <class Store>
void PathDependent::explain(const Matrix& rows, std::size_t threads, bool pairs, Store store) const {
  const bool one = rows.rows <= most_single_rows && !pairs;
  const bool few = rows.rows < kernels_.many.rows * threads / 2 || 2 * rows.rows < kernels_.many.rows;
  const PathKernel& kernel = one ? kernels_.one : few ? kernels_.few : kernels_.many;
  const TableKernel& tables = one ? kernels_.one_tables : few ? kernels_.few_tables : kernels_.many_tables;
  const std::size_t blocks = (rows.rows + kernel.rows - 1) / kernel.rows;
  if (blocks < threads && n_chunks() > 1 && !pairs) return explain_by_chunks(rows, threads, kernel, tables, store);
  parallel_for(blocks, threads, [&] {
    return [&, block = std::make_shared<Block>(*this, kernel, tables, pairs)](std::size_t item) {
      const std::size_t first = item * kernel.rows;
      block->explain(rows, first);
      for (std::size_t b = 0; b < kernel.rows && first + b < rows.rows; ++b) store(*block, b, first + b);
    };
  });
}

// Few rows: the threads share out the trees. The chunks' sums meet in the order in which one thread would add them.
template <class Store>
void PathDependent::explain_by_chunks(const Matrix& rows, std::size_t threads, const PathKernel& kernel,
                                      const TableKernel& tables, Store store) const {
  const std::size_t blocks = (rows.rows + kernel.rows - 1) / kernel.rows, chunks = n_chunks();
  Block whole(*this, kernel, tables, false);
  std::vector<double> sums(blocks * chunks * whole.size());
  parallel_for(blocks * chunks, threads, [&] {
    return [&, block = std::make_shared<Block>(*this, kernel, tables, false)](std::size_t item) {
      block->load(rows, item / chunks * kernel.rows);
      std::copy_n(block->explain(item % chunks), whole.size(), sums.data() + item * whole.size());
    };
  });
  for (std::size_t i = 0; i < blocks; ++i) {
    whole.clear();
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) whole.add(sums.data() + (i * chunks + chunk) * whole.size());
    for (std::size_t b = 0; b < kernel.rows && i * kernel.rows + b < rows.rows; ++b) store(whole, b, i * kernel.rows + b);
  }
}

void PathDependent::values(const Matrix& rows, std::size_t threads, double* values) const {
  const std::size_t outputs = trees_.n_outputs(), size = trees_.n_players * outputs;
  explain(rows, threads, false, [&](Block& block, std::size_t b, std::size_t row) {
    double* to = values + row * size;
    std::fill_n(to, size, 0.0);
    for (std::size_t i = 0; i < used_.players.size(); ++i) {
      for (std::size_t k = 0; k < outputs; ++k) to[std::size_t(used_.players[i]) * outputs + k] = block.phi(i, k, b);
    }
  });
}

void PathDependent::interactions(const Matrix& rows, std::size_t threads, double* values) const {
  const std::size_t outputs = trees_.n_outputs(), line = trees_.n_players * outputs, size = trees_.n_players * line;
  explain(rows, threads, true, [&](Block& block, std::size_t b, std::size_t row) {
    double* to = values + row * size;
    std::fill_n(to, size, 0.0);
    for (std::size_t j = 0; j < used_.players.size(); ++j) {
      const std::size_t second = std::size_t(used_.players[j]);
      for (std::size_t k = 0; k < outputs; ++k) to[second * (line + outputs) + k] += block.phi(j, k, b);
      for (std::size_t i = 0; i < j; ++i) {
        const std::size_t first = std::size_t(used_.players[i]);
        for (std::size_t k = 0; k < outputs; ++k) {
          const double half = block.pair(i, j, k, b) / 2;
          to[first * line + second * outputs + k] = to[second * line + first * outputs + k] = half;
          to[first * (line + outputs) + k] -= half;
          to[second * (line + outputs) + k] -= half;
        }
      }
    }
  });
}

}  // namespace pellucid
