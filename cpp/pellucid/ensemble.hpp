// Tree ensembles as the kernels see them: flat arrays owned by somebody else.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pellucid {

// Node n sends x left when x < threshold[n] (<= when less_equal); a missing value goes by missing_left[n].
// Children are positions in the same arrays; a leaf has feature < 0. `player` maps columns to the players of
// the game: columns of one player are shown or hidden together.
struct Ensemble {
  std::span<const std::int32_t> roots, left, right, feature, output, player;
  std::span<const double> threshold, cover, value, base;
  std::span<const std::uint8_t> missing_left;
  // A categorical node (bits_begin >= 0) asks for membership in a set of categories; all empty where there is none.
  std::span<const std::uint32_t> bits;
  std::span<const std::int32_t> bits_begin, bits_words;
  std::span<const std::uint8_t> other_left;
  std::size_t width = 0;      // values per leaf
  std::size_t n_players = 0;
  bool less_equal = false;
  bool float32_inputs = false;

  std::size_t n_outputs() const { return base.size(); }
  std::size_t n_columns() const { return player.size(); }
  bool is_leaf(std::int32_t node) const { return feature[node] < 0; }
  const double* leaf_value(std::int32_t node) const { return value.data() + std::size_t(node) * width; }

  // Inputs are rounded as the model's own library rounds them before it compares.
  double rounded(double x) const { return float32_inputs ? double(float(x)) : x; }

  bool is_categorical(std::int32_t node) const { return !bits_begin.empty() && bits_begin[node] >= 0; }

  // A category is its value cut off towards zero; what lies outside the set's words goes by other_left.
  bool is_member(std::int32_t node, double x) const {
    if (!(x > -1 && x < 32.0 * bits_words[node])) return other_left[node] != 0;
    const std::uint32_t category = x > 0 ? std::uint32_t(x) : 0;
    return (bits[std::size_t(bits_begin[node]) + category / 32] >> (category % 32)) & 1;
  }

  bool goes_left(std::int32_t node, double rounded_x) const {
    if (std::isnan(rounded_x)) return missing_left[node] != 0;
    if (is_categorical(node)) return is_member(node, rounded_x);
    return less_equal ? rounded_x <= threshold[node] : rounded_x < threshold[node];
  }
};

// Rows by columns, row after row.
struct Matrix {
  const double* data = nullptr;
  std::size_t rows = 0, columns = 0;
  const double* row(std::size_t i) const { return data + i * columns; }
};

// Share of the training weight that goes each way at a node; half when no weight reached its children.
struct Shares {
  double left, right;
};

inline Shares shares(const Ensemble& trees, std::int32_t node) {
  const double left = trees.cover[trees.left[node]];
  const double right = trees.cover[trees.right[node]];
  const double total = left + right;
  if (!(total > 0)) return {0.5, 0.5};
  return {left / total, right / total};
}

// Whether every position lies inside its array and every node has one parent, so that a walk stays inside and ends.
bool is_sound(const Ensemble& trees);

}  // namespace pellucid
