#include "interventional.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "answers.hpp"
#include "cohort_walk.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_kept = std::size_t(1) << 28;      // bytes of pieces
constexpr std::size_t most_at_once = std::size_t(1) << 25;   // numbers of whole matrices of interactions

// Adds the trees' sum over the background rows of one piece.
void add_predictions(const Ensemble& trees, const Piece& piece, double* sums) {
  struct Reached {
    std::int32_t node;
    Cohort cohort;
  };
  std::vector<Reached> open;
  for (std::size_t tree = 0; tree < trees.roots.size(); ++tree) {
    open.push_back({trees.roots[tree], piece.everyone});
    while (!open.empty()) {
      const Reached at = open.back();
      open.pop_back();
      if (at.cohort.empty()) continue;
      if (trees.is_leaf(at.node)) {
        const double* value = trees.leaf_value(at.node);
        const double size = double(at.cohort.size());
        for (std::size_t k = 0; k < trees.width; ++k) sums[std::size_t(trees.output[tree]) + k] += size * value[k];
        continue;
      }
      const Cohort& lefts = piece.lefts[std::size_t(at.node)];
      open.push_back({trees.right[at.node], without(at.cohort, lefts)});
      open.push_back({trees.left[at.node], at.cohort & lefts});
    }
  }
}

}  // namespace

Interventional::Interventional(const Ensemble& trees, const Matrix& background, const Semivalue& semivalue,
                               std::size_t table_players, std::size_t threads, const Kernels& kernels)
    : trees_(trees), background_(background), semivalue_(semivalue),
      table_players_(table_players), kernels_(kernels), tables_(trees, semivalue, table_players, kernels, false),
      base_(trees.n_outputs()) {
  for (const Program& program : tables_.programs()) {
    if (program.distinct > most_decided) throw std::invalid_argument("a path has too many players");
  }
  const std::size_t count = (background.rows + Cohort::capacity - 1) / Cohort::capacity;
  const bool keep = !tables_.all_in_tables() && count * trees.feature.size() * sizeof(Cohort) <= most_kept;
  for (std::size_t first = 0; first < background.rows; first += Cohort::capacity) {
    Piece piece(trees, background, first, threads);
    add_predictions(trees, piece, base_.data());
    tables_.count(piece, threads);
    if (keep) pieces_.push_back(std::move(piece));
  }
  for (std::size_t k = 0; k < base_.size(); ++k) base_[k] = trees.base[k] + base_[k] / double(background.rows);
  tables_.finish(double(background.rows), threads);
}

const LeafTables& Interventional::pair_tables(std::size_t threads) const {
  std::call_once(pairs_made_, [&] {
    auto tables = std::make_unique<LeafTables>(trees_, semivalue_, table_players_, kernels_, true);
    for (std::size_t first = 0; first < background_.rows; first += Cohort::capacity) {
      tables->count(Piece(trees_, background_, first, threads), threads);
    }
    tables->finish(double(background_.rows), threads);
    pair_tables_ = std::move(tables);
  });
  return *pair_tables_;
}

void Interventional::walk(const LeafTables& tables, const Matrix& rows, bool pairs, std::size_t threads, double* values) const {
  const std::size_t players = trees_.n_players;
  const std::size_t size = rows.rows * players * trees_.n_outputs() * (pairs ? players : 1);
  if (tables.all_in_tables()) return;  // who looks up begins from nothing
  std::fill_n(values, size, 0.0);
  for (const Piece& piece : pieces_) {
    cohort_walk(trees_, semivalue_, rows, piece, tables.walked(), pairs, threads, values);
  }
  for (std::size_t first = 0; pieces_.empty() && first < background_.rows; first += Cohort::capacity) {
    const Piece piece(trees_, background_, first, threads);
    cohort_walk(trees_, semivalue_, rows, piece, tables.walked(), pairs, threads, values);
  }
  for (std::size_t i = 0; i < size; ++i) values[i] /= double(background_.rows);
}

void Interventional::values(const Matrix& rows, std::size_t threads, double* values) const {
  walk(tables_, rows, false, threads, values);
  tables_.values(rows, threads, values);
}

std::vector<PlayerPair> Interventional::pairs() const { return tables_.used().renamed(pairs_that_meet(tables_.programs())); }

void Interventional::pair_values(const Matrix& rows, std::span<const std::int32_t> chosen, std::size_t threads,
                                 double* values) const {
  const std::vector<PlayerPair> names = pairs();
  const std::size_t outputs = trees_.n_outputs(), line = trees_.n_players * outputs, size = trees_.n_players * line;
  const std::size_t at_once = std::max<std::size_t>(1, most_at_once / std::max<std::size_t>(1, size));
  std::vector<double> whole(std::min(at_once, rows.rows) * size);
  for (std::size_t first = 0; first < rows.rows; first += at_once) {
    const std::size_t count = std::min(at_once, rows.rows - first);
    matrices({rows.row(first), count, rows.columns}, threads, whole.data());
    for (std::size_t row = 0; row < count; ++row) {
      for (const std::int32_t position : chosen) {
        const auto [i, j] = names[std::size_t(position)];
        const double* half = whole.data() + row * size + std::size_t(i) * line + std::size_t(j) * outputs;
        for (std::size_t k = 0; k < outputs; ++k) *values++ = 2 * half[k];
      }
    }
  }
}

void Interventional::interactions(const Matrix& rows, std::size_t threads, bool mirrored, double* values,
                                  double* sums) const {
  const std::size_t players = trees_.n_players, cells = rows.rows * players * players;
  if (mirrored) {
    const auto one = std::make_unique_for_overwrite<double[]>(cells);
    matrices(rows, threads, one.get());
    both_classes(one.get(), cells, threads, values);
  } else {
    matrices(rows, threads, values);
  }
  add_lines(values, rows.rows * players, players, mirrored ? 2 : trees_.n_outputs(), threads, sums);
}

// Fills values (rows, players, players, outputs).
void Interventional::matrices(const Matrix& rows, std::size_t threads, double* values) const {
  const LeafTables& tables = pair_tables(threads);
  walk(tables, rows, true, threads, values);
  tables.interactions(rows, threads, values);
  const std::size_t outputs = trees_.n_outputs(), players = trees_.n_players, line = players * outputs;
  std::vector<double> sums(rows.rows * line);
  this->values(rows, threads, sums.data());
  in_stretches(rows.rows * players, line, threads, [&](std::size_t first, std::size_t end) {
    for (std::size_t at = first; at < end; ++at) {
      double *to = values + at * line, *main = to + at % players * outputs;
      const double* sum = sums.data() + at * outputs;
      for (std::size_t k = 0; k < outputs; ++k) {
        double rest = sum[k];
        for (std::size_t j = 0; j < players; ++j) {
          if (j != at % players) rest -= to[j * outputs + k];
        }
        main[k] = rest;
      }
    }
  });
}

}  // namespace pellucid
