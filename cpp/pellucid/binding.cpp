// The only file that knows both Python and the kernels: checks shapes, lets go of the interpreter, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "answers.hpp"
#include "candidates.hpp"
#include "dense.hpp"
#include "ensemble.hpp"
#include "interventional.hpp"
#include "likelihood.hpp"
#include "mean.hpp"
#include "path_dependent.hpp"
#include "quadrature.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <std::size_t dimensions>
using Answer = nb::ndarray<double, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;  // memory that is numpy's own

void require(bool holds, const char* what) {
  if (!holds) throw nb::value_error(what);
}

template <class T>
std::span<const T> view(const Vector<T>& array) {
  return {array.data(), array.shape(0)};
}

pellucid::Matrix matrix(const Table& table, std::size_t columns) {
  require(table.shape(1) == columns, "rows must have one column per entry of player");
  return {table.data(), table.shape(0), table.shape(1)};
}

// Keeps the arrays alive as long as the view on them.
struct Ensemble {
  Vector<std::int32_t> roots, left, right, feature, output, player;
  Vector<double> threshold, cover;
  Vector<bool> missing_left, other_left;
  Vector<std::uint32_t> bits;
  Vector<std::int32_t> bits_begin, bits_words;  // as bits and other_left empty where nothing is categorical
  Table value;
  Vector<double> base;
  pellucid::Ensemble trees;

  Ensemble(Vector<std::int32_t> roots_, Vector<std::int32_t> left_, Vector<std::int32_t> right_,
           Vector<std::int32_t> feature_, Vector<double> threshold_, Vector<bool> missing_left_, Vector<double> cover_,
           Table value_, Vector<std::int32_t> output_, Vector<double> base_, Vector<std::int32_t> player_,
           std::size_t n_players, bool less_equal, bool float32_inputs, Vector<std::uint32_t> bits_,
           Vector<std::int32_t> bits_begin_, Vector<std::int32_t> bits_words_, Vector<bool> other_left_)
      : roots(roots_), left(left_), right(right_), feature(feature_), output(output_), player(player_),
        threshold(threshold_), cover(cover_), missing_left(missing_left_), other_left(other_left_),
        bits(bits_), bits_begin(bits_begin_), bits_words(bits_words_), value(value_), base(base_) {
    const std::size_t nodes = feature.shape(0);
    require(left.shape(0) == nodes && right.shape(0) == nodes && threshold.shape(0) == nodes &&
                cover.shape(0) == nodes && missing_left.shape(0) == nodes && value.shape(0) == nodes,
            "node arrays differ in length");
    const std::size_t sets = bits_begin.shape(0);
    require((sets == 0 || sets == nodes) && bits_words.shape(0) == sets && other_left.shape(0) == sets,
            "categorical arrays differ in length");
    require(output.shape(0) == roots.shape(0), "each tree needs one output");
    trees.roots = view(roots);
    trees.left = view(left);
    trees.right = view(right);
    trees.feature = view(feature);
    trees.output = view(output);
    trees.player = view(player);
    trees.threshold = view(threshold);
    trees.cover = view(cover);
    trees.value = {value.data(), value.size()};
    trees.base = view(base);
    trees.missing_left = {reinterpret_cast<const std::uint8_t*>(missing_left.data()), nodes};
    trees.bits = view(bits);
    trees.bits_begin = view(bits_begin);
    trees.bits_words = view(bits_words);
    trees.other_left = {reinterpret_cast<const std::uint8_t*>(other_left.data()), sets};
    trees.width = value.shape(1);
    trees.n_players = n_players;
    trees.less_equal = less_equal;
    trees.float32_inputs = float32_inputs;
    require(pellucid::is_sound(trees), "the arrays are not trees: validate them with pellucid.ir.TreeEnsemble");
  }
};

template <class T>
nb::ndarray<nb::numpy, T> to_numpy(std::unique_ptr<T[]> data, std::initializer_list<std::size_t> shape) {
  T* raw = data.release();
  nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::ndarray<nb::numpy, T>(raw, shape, owner);
}

auto to_numpy(const std::vector<double>& from) {
  auto data = std::make_unique<double[]>(from.size());
  std::copy(from.begin(), from.end(), data.get());
  return to_numpy(std::move(data), {from.size()});
}

const pellucid::Kernels& kernels_for(const std::string& instructions) {
  const auto found = pellucid::kernels();
  for (const pellucid::Kernels* kernels : found) {
    if (instructions.empty() || instructions == kernels->instructions) return *kernels;
  }
  throw nb::value_error("this processor has no such instructions");
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const pellucid::Kernels* kernels : pellucid::kernels()) names.emplace_back(kernels->instructions);
  return names;
}

pellucid::Semivalue semivalue(double a, double b, bool banzhaf) {
  require(a >= 1 && b >= 1 && a <= 1e6 && b <= 1e6, "a and b must be whole numbers from 1");
  return {std::floor(a), std::floor(b), banzhaf};
}

// A game of either kind, ready for any rows.
template <class Kind>
struct Game {
  const pellucid::Ensemble& trees;
  Table background;  // kept alive
  Kind kind;

  auto base() const {
    std::unique_ptr<double[]> copy(new double[trees.n_outputs()]);
    std::copy(kind.base().begin(), kind.base().end(), copy.get());
    return to_numpy(std::move(copy), {trees.n_outputs()});
  }

  void values(Table columns, Answer<3> to, std::size_t threads) const {
    const pellucid::Matrix rows = matrix(columns, trees.n_columns());
    require(to.shape(0) == rows.rows && to.shape(1) == trees.n_players && to.shape(2) == trees.n_outputs(),
            "an answer must have the shape (rows, players, outputs)");
    const nb::gil_scoped_release released;
    kind.values(rows, threads, to.data());
  }

  // The pairs that interact, (pairs, 2).
  auto pairs() const {
    const std::vector<pellucid::PlayerPair> found = kind.pairs();
    auto copy = std::make_unique<std::int32_t[]>(2 * found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      copy[2 * i] = found[i].first, copy[2 * i + 1] = found[i].second;
    }
    return to_numpy(std::move(copy), {found.size(), 2});
  }

  auto pair_values(Table columns, Vector<std::int32_t> chosen, std::size_t threads) const {
    const pellucid::Matrix rows = matrix(columns, trees.n_columns());
    const std::span<const std::int32_t> positions = view(chosen);
    const std::size_t n_pairs = kind.pairs().size();
    for (std::size_t i = 0; i < positions.size(); ++i) {
      require(positions[i] >= 0 && std::size_t(positions[i]) < n_pairs && (i == 0 || positions[i] > positions[i - 1]),
              "chosen must be positions of pairs, in rising order");
    }
    auto values = std::make_unique_for_overwrite<double[]>(rows.rows * positions.size() * trees.n_outputs());
    {
      const nb::gil_scoped_release released;
      kind.pair_values(rows, positions, threads, values.get());
    }
    return to_numpy(std::move(values), {rows.rows, positions.size(), trees.n_outputs()});
  }

  void interactions(Table columns, Answer<4> to, Answer<3> sums, bool mirrored, std::size_t threads) const {
    const pellucid::Matrix rows = matrix(columns, trees.n_columns());
    require(!mirrored || trees.n_outputs() == 1, "only one output has a mirror image");
    const std::size_t players = trees.n_players, depth = mirrored ? 2 : trees.n_outputs();
    require(to.shape(0) == rows.rows && to.shape(1) == players && to.shape(2) == players && to.shape(3) == depth,
            "an answer must have the shape (rows, players, players, outputs)");
    require(sums.shape(0) == rows.rows && sums.shape(1) == players && sums.shape(2) == depth,
            "sums must have the shape (rows, players, outputs)");
    const nb::gil_scoped_release released;
    kind.interactions(rows, threads, mirrored, to.data(), sums.data());
  }
};

using Interventional = Game<pellucid::Interventional>;

template <class Real>
using PathDependent = Game<pellucid::PathDependent<Real>>;

template <class Real>
void make_path_dependent(PathDependent<Real>* game, const Ensemble& ensemble, double a, double b, bool banzhaf,
                         const std::string& instructions) {
  const pellucid::Ensemble& trees = ensemble.trees;
  new (game) PathDependent<Real>{trees, {}, {trees, semivalue(a, b, banzhaf), kernels_for(instructions)}};
}

void make_interventional(Interventional* game, const Ensemble& ensemble, Table background, double a, double b,
                         bool banzhaf, std::size_t table_players, std::size_t threads,
                         const std::string& instructions) {
  const pellucid::Ensemble& trees = ensemble.trees;
  const pellucid::Matrix others = matrix(background, trees.n_columns());
  require(others.rows > 0, "the background needs at least one row");
  const pellucid::Semivalue weights = semivalue(a, b, banzhaf);
  const pellucid::Kernels& kernels = kernels_for(instructions);
  const nb::gil_scoped_release released;
  new (game) Interventional{trees, background, {trees, others, weights, table_players, threads, kernels}};
}

template <class Kind>
nb::class_<Game<Kind>> bind_game(nb::module_& module, const char* name) {
  return nb::class_<Game<Kind>>(module, name)
      .def("base", &Game<Kind>::base)
      .def("values", &Game<Kind>::values, "columns"_a.noconvert(), "to"_a.noconvert(), "threads"_a)
      .def("interactions", &Game<Kind>::interactions, "columns"_a.noconvert(), "to"_a.noconvert(),
           "sums"_a.noconvert(), "mirrored"_a, "threads"_a)
      .def("pairs", &Game<Kind>::pairs)
      .def("pair_values", &Game<Kind>::pair_values, "columns"_a.noconvert(), "chosen"_a.noconvert(), "threads"_a);
}

template <class Real>
void bind_path_dependent(nb::module_& module, const char* name) {
  bind_game<pellucid::PathDependent<Real>>(module, name)
      .def("__init__", &make_path_dependent<Real>, "ensemble"_a, "a"_a, "b"_a, "banzhaf"_a, "instructions"_a,
           nb::keep_alive<1, 2>());
}

nb::tuple gauss_legendre(std::size_t points) {
  require(points > 0, "a quadrature needs at least one point");
  const pellucid::Quadrature rule = pellucid::gauss_legendre(points);
  auto point = std::make_unique<double[]>(points), weight = std::make_unique<double[]>(points);
  std::copy(rule.point.begin(), rule.point.end(), point.get());
  std::copy(rule.weight.begin(), rule.weight.end(), weight.get());
  return nb::make_tuple(to_numpy(std::move(point), {points}), to_numpy(std::move(weight), {points}));
}

template <class Word>
using Words = nb::ndarray<const Word, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class Word>
void mix(Words<Word> others, Vector<Word> row, nb::ndarray<const bool, nb::ndim<2>, nb::c_contig, nb::device::cpu> shown,
         nb::ndarray<Word, nb::ndim<2>, nb::c_contig, nb::device::cpu> result, const std::string& instructions) {
  constexpr std::size_t long_enough = 128;
  const std::size_t columns = others.shape(1), lines = 1 + long_enough / (columns + 1);
  require(row.shape(0) == columns && shown.shape(1) == columns && result.shape(1) == columns,
          "all arrays must have the same columns");
  require(result.shape(0) == others.shape(0) * shown.shape(0), "result must have a row for each pair of other and line");
  const pellucid::Kernels& kernels = kernels_for(instructions);
  nb::gil_scoped_release released;
  std::vector<Word> room(2 * lines * columns);
  const pellucid::MixTask<Word> task{others.data(), row.data(), shown.data(), others.shape(0), shown.shape(0), columns,
                                     result.data(), lines, room.data(), room.data() + lines * columns};
  if constexpr (sizeof(Word) == 8) kernels.mix64(task);
  else kernels.mix32(task);
}

template <class Word>
void bind_mix(nb::module_& module) {
  module.def("mix", &mix<Word>, "others"_a.noconvert(), "row"_a.noconvert(), "shown"_a.noconvert(),
             "result"_a.noconvert(), "instructions"_a = "");
}

using Strided = nb::ndarray<const double, nb::ndim<2>, nb::device::cpu>;

pellucid::Given given(const Strided& array) {
  return {array.data(), array.shape(0), array.shape(1), array.stride(0), array.stride(1)};
}

// A matrix of our own, and what numpy calls it once it is filled.
struct Result {
  std::unique_ptr<double[]> data;
  std::size_t rows, columns;

  Result(std::size_t rows_, std::size_t columns_)
      : data(new double[rows_ * columns_]()), rows(rows_), columns(columns_) {}
  explicit Result(pellucid::Given from) : Result(from.rows, from.columns) {
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) data[i * columns + j] = from(i, j);
    }
  }
  pellucid::Numbers numbers() const { return {data.get(), rows, columns, std::ptrdiff_t(columns), 1}; }
  auto to_numpy() { return ::to_numpy(std::move(data), {rows, columns}); }
};

pellucid::Dense dense(const std::string& instructions) { return pellucid::Dense(kernels_for(instructions)); }

auto multiply(Strided a, Strided b, const std::string& instructions) {
  require(a.shape(1) == b.shape(0), "a must have as many columns as b has rows");
  const auto algebra = dense(instructions);
  Result found(a.shape(0), b.shape(1));
  {
    const nb::gil_scoped_release released;
    algebra.add(given(a), given(b), found.numbers());
  }
  return found.to_numpy();
}

nb::object factor(Strided matrix, const std::string& instructions) {
  require(matrix.shape(0) == matrix.shape(1), "a matrix with a factor is square");
  const auto algebra = dense(instructions);
  Result upper(given(matrix));
  bool found;
  {
    const nb::gil_scoped_release released;
    found = algebra.factor(upper.numbers());
    for (std::size_t i = 0; i < upper.rows; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        upper.numbers()(i, j) = upper.numbers()(j, i);
        upper.numbers()(j, i) = 0.0;
      }
    }
  }
  return found ? nb::cast(upper.to_numpy()) : nb::none();
}

template <void (pellucid::Dense::*solve)(pellucid::Given, pellucid::Numbers) const>
auto solve_triangle(Strided lower, Strided right, const std::string& instructions) {
  require(lower.shape(0) == lower.shape(1) && lower.shape(0) == right.shape(0),
          "lower must be square, and as long as right");
  const auto algebra = dense(instructions);
  Result found(given(right));
  {
    const nb::gil_scoped_release released;
    (algebra.*solve)(given(lower), found.numbers());
  }
  return found.to_numpy();
}

auto inverse(Strided lower, const std::string& instructions) {
  require(lower.shape(0) == lower.shape(1), "a triangle is square");
  const auto algebra = dense(instructions);
  Result found(lower.shape(0), lower.shape(0));
  {
    const nb::gil_scoped_release released;
    algebra.inverse(given(lower), found.numbers());
  }
  return found.to_numpy();
}

nb::object likelihood(Strided signs, Strided odd, Vector<double> additive, Vector<double> reach, double line, double cube,
                      double shift, double alone, const std::string& instructions) {
  const std::size_t players = signs.shape(1);
  require(odd.shape(0) == signs.shape(0), "odd must have a row for each pair");
  require(additive.shape(0) == players && reach.shape(0) == players, "each player needs two weights");
  const auto algebra = dense(instructions);
  pellucid::Likelihood found;
  bool positive;
  {
    const nb::gil_scoped_release released;
    positive = pellucid::likelihood(algebra, given(signs), given(odd),
                                    {view(additive), view(reach), line, cube, shift, alone}, found);
  }
  if (!positive) return nb::none();
  return nb::make_tuple(found.loss, to_numpy(found.additive), to_numpy(found.reach), found.powers, found.exponentials,
                        found.alone);
}

nb::tuple take_best(nb::ndarray<const bool, nb::ndim<2>, nb::c_contig, nb::device::cpu> shown,
                    Vector<double> of_distance, double variance, Strided rows, Strided values, std::size_t steps,
                    double tie, double dust, const std::string& instructions) {
  const std::size_t candidates = shown.shape(0), players = shown.shape(1);
  require(rows.shape(0) == candidates && values.shape(0) == candidates, "each candidate needs rows and values");
  require(values.shape(1) == players && of_distance.shape(0) == players + 1, "each player needs a value and a distance");
  require(rows.shape(1) + steps <= candidates, "no more can be taken than there are");
  const pellucid::Kernels& kernels = kernels_for(instructions);
  pellucid::Taken found;
  {
    const nb::gil_scoped_release released;
    const std::span<const std::uint8_t> flags{reinterpret_cast<const std::uint8_t*>(shown.data()), shown.size()};
    found = pellucid::take_best(kernels, {flags, view(of_distance), variance, given(rows), given(values)}, steps, tie,
                                dust);
  }
  auto order = std::make_unique<std::int64_t[]>(steps);
  std::copy(found.order.begin(), found.order.end(), order.get());
  return nb::make_tuple(to_numpy(std::move(order), {steps}), to_numpy(found.gain));
}

void bind_dense(nb::module_& module) {
  module.def("multiply", &multiply, "a"_a.noconvert(), "b"_a.noconvert(), "instructions"_a = "");
  module.def("factor", &factor, "matrix"_a.noconvert(), "instructions"_a = "");
  module.def("forward", &solve_triangle<&pellucid::Dense::forward>, "lower"_a.noconvert(), "right"_a.noconvert(),
             "instructions"_a = "");
  module.def("backward", &solve_triangle<&pellucid::Dense::backward>, "lower"_a.noconvert(), "right"_a.noconvert(),
             "instructions"_a = "");
  module.def("inverse", &inverse, "lower"_a.noconvert(), "instructions"_a = "");
  module.def("likelihood", &likelihood, "signs"_a.noconvert(), "odd"_a.noconvert(), "additive"_a.noconvert(),
             "reach"_a.noconvert(), "line"_a, "cube"_a, "shift"_a, "alone"_a, "instructions"_a = "");
  module.def("take_best", &take_best, "shown"_a.noconvert(), "of_distance"_a.noconvert(), "variance"_a,
             "rows"_a.noconvert(), "values"_a.noconvert(), "steps"_a, "tie"_a, "dust"_a, "instructions"_a = "");
}

auto mean(Table lines) {
  require(lines.shape(0) > 0, "a mean needs at least one line");
  const std::size_t columns = lines.shape(1);
  auto found = std::make_unique_for_overwrite<double[]>(columns);
  {
    const nb::gil_scoped_release released;
    pellucid::mean(lines.data(), lines.shape(0), columns, found.get());
  }
  return to_numpy(std::move(found), {columns});
}

void both_classes(Vector<double> values, Answer<2> to, std::size_t threads) {
  require(to.shape(0) == values.shape(0) && to.shape(1) == 2, "each value needs two places");
  const nb::gil_scoped_release released;
  pellucid::both_classes(values.data(), values.size(), threads, to.data());
}

void add_lines(nb::ndarray<const double, nb::ndim<3>, nb::c_contig, nb::device::cpu> values, Answer<2> sums,
               std::size_t threads) {
  require(sums.shape(0) == values.shape(0) && sums.shape(1) == values.shape(2), "each row needs a sum of its lines");
  const nb::gil_scoped_release released;
  pellucid::add_lines(values.data(), values.shape(0), values.shape(1), values.shape(2), threads, sums.data());
}

bool have_equal_halves(nb::ndarray<const double, nb::ndim<4>, nb::c_contig, nb::device::cpu> values) {
  require(values.shape(1) == values.shape(2), "matrices must be square");
  const nb::gil_scoped_release released;
  return pellucid::have_equal_halves(values.data(), values.shape(0), values.shape(1), values.shape(3));
}

void bind_answers(nb::module_& module) {
  module.def("mean", &mean, "lines"_a.noconvert());
  module.def("both_classes", &both_classes, "values"_a.noconvert(), "to"_a.noconvert(), "threads"_a);
  module.def("add_lines", &add_lines, "values"_a.noconvert(), "sums"_a.noconvert(), "threads"_a);
  module.def("have_equal_halves", &have_equal_halves, "values"_a.noconvert());
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "Compiled kernels; pellucid._kernels.trees is the way in.";
  nb::class_<Ensemble>(module, "Ensemble")
      .def(nb::init<Vector<std::int32_t>, Vector<std::int32_t>, Vector<std::int32_t>, Vector<std::int32_t>,
                    Vector<double>, Vector<bool>, Vector<double>, Table, Vector<std::int32_t>, Vector<double>,
                    Vector<std::int32_t>, std::size_t, bool, bool, Vector<std::uint32_t>, Vector<std::int32_t>,
                    Vector<std::int32_t>, Vector<bool>>(),
           "roots"_a.noconvert(), "left"_a.noconvert(), "right"_a.noconvert(), "feature"_a.noconvert(),
           "threshold"_a.noconvert(), "missing_left"_a.noconvert(), "cover"_a.noconvert(), "value"_a.noconvert(),
           "output"_a.noconvert(), "base"_a.noconvert(), "player"_a.noconvert(), "n_players"_a, "less_equal"_a,
           "float32_inputs"_a, "bits"_a.noconvert(), "bits_begin"_a.noconvert(), "bits_words"_a.noconvert(),
           "other_left"_a.noconvert());
  bind_path_dependent<double>(module, "PathDependent");
  bind_path_dependent<float>(module, "PathDependentFloat32");
  bind_game<pellucid::Interventional>(module, "Interventional")
      .def("__init__", &make_interventional, "ensemble"_a, "background"_a.noconvert(), "a"_a, "b"_a, "banzhaf"_a,
           "table_players"_a, "threads"_a, "instructions"_a, nb::keep_alive<1, 2>());
  module.def("instruction_sets", &instruction_sets);
  bind_mix<std::uint64_t>(module);
  bind_mix<std::uint32_t>(module);
  bind_dense(module);
  bind_answers(module);
  module.def("gauss_legendre", &gauss_legendre, "points"_a);
}
