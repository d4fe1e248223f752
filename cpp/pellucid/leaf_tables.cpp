// For a leaf whose path has the d players F, let Q(A) be the share of background rows that pass all splits of the
// players in A. A coalition S reaches the leaf when the row passes the splits of S and the background row those of
// the rest: worth v [S within H] Q(F - S), H being the players whose splits the row passes. With the weights
// m(s, h) = mean of t^s (1 - t)^h, for Shapley's value s! h! / (s + h + 1)!, and
//     gain(H) = sum over nonempty S within H of m(|S| - 1, d - |S|) Q(F - S),
//     loss(H) = gain(H) + sum over S within H, S != F, of m(|S|, d - |S| - 1) Q(F - S),
// every player of F earns v (gain(H) - loss(H without it)). In the same way a pair earns
//     v (both(H) - one(H without i) - one(H without j) + none(H without i and j)),
// where with a(k) = sum over S within H of m(|S| - k, d - 2 - |S| + k) Q(F - S): both = a(2), one = a(2) + a(1),
// none = a(2) + 2 a(1) + a(0). All sums over subsets take d 2^(d-1) additions.
//
// Two leaves below a player's only split have the same F, and a row that passes it towards the one fails it towards
// the other. So the left leaf's H says the right one's, H ^ f for that player f, and one look-up serves both: with
//     gain(H) = vl gainl(H) + vr gainr(H ^ f),    loss(H) = vl lossl(H) + vr lossr(H ^ f),
// every other player earns gain(H) - loss(H without it), and f earns gain(H) - vl lossl(H - f) - vr lossr(H - f).

#include "leaf_tables.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "parallel.hpp"

namespace pellucid {
namespace {

constexpr std::size_t most_players = 12;                    // a table has 2^12 entries at most
constexpr std::size_t most_splits = 64;                     // on a path: each leaf keeps a list of them
constexpr std::size_t most_entries = std::size_t(1) << 26;  // of all tables together: 512 MB
constexpr std::size_t least_entries = 8;                    // what the walks read at once
constexpr std::size_t most_rows = 128;                      // that go through a tree one block after the other

// sums[H] = sum of terms over the subsets of H.
void sum_over_subsets(double* terms, std::size_t players) {
  const std::size_t size = std::size_t(1) << players;
  for (std::size_t bit = 1; bit < size; bit <<= 1) {
    for (std::size_t high = 0; high < size; high += 2 * bit) {
      for (std::size_t low = high; low < high + bit; ++low) terms[low + bit] += terms[low];
    }
  }
}

}  // namespace

LeafTables::LeafTables(const Ensemble& trees, const Semivalue& semivalue, std::size_t table_players,
                       const Kernels& kernels, bool pairs)
    : trees_(trees), semivalue_(semivalue), table_players_(std::min(table_players, most_players)), kernels_(kernels),
      pairs_(pairs), used_(trees), marked_(trees.feature.size(), false),
      shape_{1, 1, trees.width, used_.players.size(), trees.n_outputs(), 1} {
  for (std::size_t tree = 0; tree < trees.roots.size(); ++tree) {
    programs_.push_back(compile(trees, used_, tree));
    shape_.levels = std::max(shape_.levels, programs_.back().levels);
    first_leaf_.push_back(leaves_.size());
    list(tree);
  }
  first_leaf_.push_back(leaves_.size());
  tables_ = Scratch(n_numbers_ * sizeof(double));
  walked_ = WalkedTrees(trees, marked_);
}

// The leaves in the program's order.
void LeafTables::list(std::size_t tree) {
  std::vector<Split> path;
  std::vector<bool> lefts;  // per split on the path: whether the left child is being listed
  for (const Split& split : programs_[tree].splits) {
    path.resize(split.level), lefts.resize(split.level);
    if (split.level) lefts.back() = split.spot == place_below(split.level - 1, true);
    path.push_back(split), lefts.push_back(true);
    if (split.left) add_leaf(trees_.left[split.node], path, lefts);
    lefts.back() = false;
    if (split.right) add_leaf(trees_.right[split.node], path, lefts);
    if (can_merge(split)) leaves_[leaves_.size() - 2].merged = true;
  }
}

bool LeafTables::can_merge(const Split& split) const {
  const bool siblings = split.left && split.right && !split.repeated;
  return siblings && !pairs_ && trees_.width == 1 && leaves_.rbegin()[0].has_table && leaves_.rbegin()[1].has_table;
}

void LeafTables::add_leaf(std::int32_t node, const std::vector<Split>& path, const std::vector<bool>& lefts) {
  std::size_t n_players = 0;
  for (const Split& split : path) n_players += !split.repeated;
  const std::size_t entries = n_players > most_players ? 0 : std::max(least_entries, std::size_t(1) << n_players);
  const std::size_t arrays = pairs_ ? 3 : 2;
  const bool fits =
      path.size() <= most_splits && n_players <= table_players_ && n_numbers_ + arrays * entries <= most_entries;
  leaves_.push_back({node, fits, conditions_.size(), path.size(), players_.size(), n_players, n_numbers_, entries, false});
  if (!fits) {
    all_in_tables_ = false;
    marked_[std::size_t(node)] = true;
    for (auto above = path.rbegin(); above != path.rend() && !marked_[std::size_t(above->node)]; ++above) {
      marked_[std::size_t(above->node)] = true;
    }
    return;
  }
  n_numbers_ += arrays * entries;
  for (std::size_t i = 0; i < path.size(); ++i) {
    conditions_.push_back({path[i].node, std::uint8_t(path[i].slot), lefts[i]});
    if (!path[i].repeated) players_.push_back(path[i].player);
  }
}

void LeafTables::count(const Piece& piece, std::size_t threads) {
  parallel_for(programs_.size(), threads, [&] {
    return [&, all_of = std::vector<Cohort>(std::size_t(1) << most_players)](std::size_t tree) mutable {
      for (std::size_t i = first_leaf_[tree]; i < first_leaf_[tree + 1]; ++i) {
        if (leaves_[i].has_table) count(leaves_[i], piece, all_of);
      }
    };
  });
}

// gain[A] += number of background rows that pass all splits of the players in A.
void LeafTables::count(const Leaf& leaf, const Piece& piece, std::vector<Cohort>& all_of) {
  std::array<Cohort, most_players> passing;
  passing.fill(piece.everyone);
  for (std::size_t i = 0; i < leaf.n_conditions; ++i) {
    const Condition& condition = conditions_[leaf.condition + i];
    const Cohort& lefts = piece.lefts[std::size_t(condition.node)];
    Cohort& mine = passing[condition.slot];
    mine = condition.left ? mine & lefts : without(mine, lefts);
  }
  all_of[0] = piece.everyone;
  for (std::size_t slot = 0; slot < leaf.n_players; ++slot) {
    const std::size_t bit = std::size_t(1) << slot;
    for (std::size_t set = 0; set < bit; ++set) all_of[set | bit] = all_of[set] & passing[slot];
  }
  double* counts = tables_.numbers() + leaf.table;
  for (std::size_t set = 0; set < std::size_t(1) << leaf.n_players; ++set) counts[set] += double(all_of[set].size());
}

void LeafTables::finish(double background_rows, std::size_t threads) {
  constexpr std::size_t leaves_per_item = 64;
  parallel_for((leaves_.size() + leaves_per_item - 1) / leaves_per_item, threads, [&] {
    return [&](std::size_t item) {
      const std::size_t end = std::min(leaves_.size(), (item + 1) * leaves_per_item);
      for (std::size_t i = item * leaves_per_item; i < end; ++i) {
        if (!leaves_[i].has_table || !leaves_[i].n_players || (i && leaves_[i - 1].merged)) continue;
        pairs_ ? finish_pairs(leaves_[i], background_rows) : finish_values(leaves_[i], background_rows);
        if (!leaves_[i].merged) continue;
        finish_values(leaves_[i + 1], background_rows);
        merge(leaves_[i], leaves_[i + 1]);
      }
    };
  });
}

void LeafTables::finish_values(const Leaf& leaf, double background_rows) {
  const std::size_t d = leaf.n_players, size = std::size_t(1) << d;
  std::array<double, most_players> weight{};
  for (std::size_t s = 0; s < d; ++s) weight[s] = semivalue_.weight(s, d - 1 - s);
  double *gain = tables_.numbers() + leaf.table, *loss = gain + leaf.entries;
  std::reverse(gain, gain + size);  // the rest of a set is its mirror image
  for (std::size_t set = 0; set < size; ++set) {
    const std::size_t s = std::size_t(std::popcount(set));
    const double share = gain[set] / background_rows;
    gain[set] = s > 0 ? weight[s - 1] * share : 0.0;
    loss[set] = s < d ? weight[s] * share : 0.0;
  }
  for (double* sums : {gain, loss}) sum_over_subsets(sums, d);
  for (std::size_t set = 0; set < size; ++set) loss[set] += gain[set];
}

void LeafTables::finish_pairs(const Leaf& leaf, double background_rows) {
  const std::size_t d = leaf.n_players, size = std::size_t(1) << d;
  std::array<double, most_players + 1> weight{};
  for (std::size_t s = 0; s + 1 < d; ++s) weight[s] = semivalue_.weight(s, d - 2 - s);
  double *both = tables_.numbers() + leaf.table, *one = both + leaf.entries, *none = one + leaf.entries;
  std::reverse(both, both + size);
  for (std::size_t set = 0; set < size; ++set) {
    const std::size_t s = std::size_t(std::popcount(set));
    const double share = both[set] / background_rows;
    both[set] = s > 1 ? weight[s - 2] * share : 0.0;
    one[set] = s > 0 ? weight[s - 1] * share : 0.0;
    none[set] = weight[s] * share;
  }
  for (double* sums : {both, one, none}) sum_over_subsets(sums, d);
  for (std::size_t set = 0; set < size; ++set) {
    none[set] += both[set] + 2 * one[set];
    one[set] += both[set];
  }
}

// Both leaves' arrays become three: gain, loss, and what f loses where H is without f. Its slot is the last.
void LeafTables::merge(const Leaf& left, const Leaf& right) {
  const std::size_t half = std::size_t(1) << (left.n_players - 1);
  const double l = *trees_.leaf_value(left.node), r = *trees_.leaf_value(right.node);
  double *gain = tables_.numbers() + left.table, *loss = gain + left.entries;
  double *gain_right = loss + left.entries, *loss_right = gain_right + left.entries;
  for (std::size_t set = 0; set < half; ++set) {
    const std::size_t with = set + half;
    const double without_f = l * loss[set] + r * loss_right[set];
    gain[set] = l * gain[set] + r * gain_right[with];
    gain[with] = l * gain[with] + r * gain_right[set];
    loss[set] = l * loss[set] + r * loss_right[with];
    loss[with] = l * loss[with] + r * loss_right[set];
    gain_right[set] = without_f;
  }
}

std::vector<LeafTable> LeafTables::lookups() const {
  std::vector<LeafTable> tables;
  tables.reserve(leaves_.size());
  bool looked_up = false;  // with the leaf before
  for (const Leaf& leaf : leaves_) {
    tables.push_back({leaf.has_table && !looked_up ? tables_.numbers() + leaf.table : nullptr,
                      leaf.merged ? nullptr : trees_.leaf_value(leaf.node), players_.data() + leaf.player,
                      std::uint32_t(leaf.n_players), std::uint32_t(leaf.entries)});
    looked_up = leaf.merged;
  }
  return tables;
}

// A thread's memory, and a few blocks of rows on their way through one tree after the other.
class LeafTables::Block {
 public:
  Block(const LeafTables& tables, const std::vector<LeafTable>& leaves, bool few, std::size_t blocks)
      : tables_(tables), leaves_(leaves), kernel_(few ? tables.kernels_.float64.few.tables : tables.kernels_.float64.many.tables),
        rows_(few ? tables.kernels_.float64.few.walk.rows : tables.kernels_.float64.many.walk.rows),
        inputs_(tables.used_.n_inputs() * rows_), size_((tables.pairs_ ? n_pairs() : n_players()) * n_outputs() * rows_),
        x_(blocks * inputs_ * sizeof(double)), sums_(blocks * size_ * sizeof(double)),
        scratch_(kernel_.scratch_bytes(tables.shape_)) {}

  std::size_t n_players() const { return tables_.used_.players.size(); }
  std::size_t n_pairs() const { return n_players() < 2 ? 0 : n_players() * (n_players() - 1) / 2; }
  std::size_t n_outputs() const { return tables_.trees_.n_outputs(); }

  // Of a player or pair, for the row at `place` from the first.
  double sum(std::size_t earner, std::size_t output, std::size_t place) const {
    return sums_.numbers()[place / rows_ * size_ + (earner * n_outputs() + output) * rows_ + place % rows_];
  }

  void explain(const Matrix& rows, std::size_t first, std::size_t count) {
    const std::size_t blocks = (count + rows_ - 1) / rows_;
    std::fill_n(sums_.numbers(), blocks * size_, 0.0);
    for (std::size_t i = 0; i < blocks * rows_; ++i) {
      double* x = x_.numbers() + i / rows_ * inputs_ + i % rows_;
      // The last block repeats the last row, so that it runs through the very same code.
      tables_.used_.load(tables_.trees_, rows.row(std::min(first + i, rows.rows - 1)), x, rows_);
    }
    for (std::size_t tree = 0; tree < tables_.programs_.size(); ++tree) {
      const Program& program = tables_.programs_[tree];
      for (std::size_t block = 0; block < blocks && !program.splits.empty(); ++block) {
        double* sums = sums_.numbers() + block * size_;
        (tables_.pairs_ ? kernel_.interactions : kernel_.values)(
            {program.splits.data(), program.splits.size(), program.first_output,
             leaves_.data() + tables_.first_leaf_[tree], tables_.shape_, x_.numbers() + block * inputs_, sums, sums,
             scratch_.bytes()});
      }
    }
  }

 private:
  const LeafTables& tables_;
  const std::vector<LeafTable>& leaves_;
  const TableKernel& kernel_;
  std::size_t rows_;
  std::size_t inputs_, size_;
  Scratch x_, sums_, scratch_;
};

// Hands every row to store(block, place in the block, row), in any order.
template <class Store>
void LeafTables::explain(const Matrix& rows, std::size_t threads, Store store) const {
  const std::size_t of_few = kernels_.float64.few.walk.rows, of_many = kernels_.float64.many.walk.rows;
  const bool few = 2 * rows.rows < of_many;
  const std::size_t per_block = few ? of_few : of_many;
  const std::size_t most = std::max<std::size_t>(1, most_rows / per_block);
  const std::size_t together = per_item(divided_up(rows.rows, per_block), most, threads), many = together * per_block;
  const std::vector<LeafTable> leaves = lookups();
  parallel_for(divided_up(rows.rows, many), threads, [&] {
    return [&, block = std::make_shared<Block>(*this, leaves, few, together)](std::size_t item) {
      const std::size_t first = item * many, count = std::min(many, rows.rows - first);
      block->explain(rows, first, count);
      for (std::size_t i = 0; i < count; ++i) store(*block, i, first + i);
    };
  });
}

void LeafTables::values(const Matrix& rows, std::size_t threads, double* values) const {
  const std::size_t outputs = trees_.n_outputs(), size = trees_.n_players * outputs;
  explain(rows, threads, [&](const Block& block, std::size_t place, std::size_t row) {
    if (all_in_tables_) std::fill_n(values + row * size, size, 0.0);
    for (std::size_t i = 0; i < used_.players.size(); ++i) {
      double* to = values + row * size + std::size_t(used_.players[i]) * outputs;
      for (std::size_t k = 0; k < outputs; ++k) to[k] += block.sum(i, k, place);
    }
  });
}

void LeafTables::interactions(const Matrix& rows, std::size_t threads, double* values) const {
  const std::size_t outputs = trees_.n_outputs(), line = trees_.n_players * outputs, size = trees_.n_players * line;
  explain(rows, threads, [&](const Block& block, std::size_t place, std::size_t row) {
    if (all_in_tables_) std::fill_n(values + row * size, size, 0.0);
    for (std::size_t j = 0, pair = 0; j < used_.players.size(); ++j) {
      for (std::size_t i = 0; i < j; ++i, ++pair) {
        const std::size_t first = std::size_t(used_.players[i]), second = std::size_t(used_.players[j]);
        for (std::size_t k = 0; k < outputs; ++k) {
          const double half = block.sum(pair, k, place) / 2;
          values[row * size + first * line + second * outputs + k] += half;
          values[row * size + second * line + first * outputs + k] += half;
        }
      }
    }
  });
}

}  // namespace pellucid
