// The only file that knows both Python and the kernels: checks shapes, lets go of the interpreter, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <vector>

#include "ensemble.hpp"
#include "interventional.hpp"
#include "path_dependent.hpp"
#include "quadrature.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

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
  Vector<bool> missing_left;
  Table value;
  Vector<double> base;
  pellucid::Ensemble trees;

  Ensemble(Vector<std::int32_t> roots_, Vector<std::int32_t> left_, Vector<std::int32_t> right_,
           Vector<std::int32_t> feature_, Vector<double> threshold_, Vector<bool> missing_left_, Vector<double> cover_,
           Table value_, Vector<std::int32_t> output_, Vector<double> base_, Vector<std::int32_t> player_,
           std::size_t n_players, bool less_equal, bool float32_inputs)
      : roots(roots_), left(left_), right(right_), feature(feature_), output(output_), player(player_),
        threshold(threshold_), cover(cover_), missing_left(missing_left_), value(value_), base(base_) {
    const std::size_t nodes = feature.shape(0);
    require(left.shape(0) == nodes && right.shape(0) == nodes && threshold.shape(0) == nodes &&
                cover.shape(0) == nodes && missing_left.shape(0) == nodes && value.shape(0) == nodes,
            "node arrays differ in length");
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
    trees.width = value.shape(1);
    trees.n_players = n_players;
    trees.less_equal = less_equal;
    trees.float32_inputs = float32_inputs;
    require(pellucid::is_sound(trees), "the arrays are not trees: validate them with pellucid.ir.TreeEnsemble");
  }
};

nb::ndarray<nb::numpy, double> to_numpy(std::unique_ptr<double[]> data, std::initializer_list<std::size_t> shape) {
  double* raw = data.release();
  nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<double*>(p); });
  return nb::ndarray<nb::numpy, double>(raw, shape, owner);
}

template <class Kernel>
nb::tuple solve(const pellucid::Ensemble& trees, std::size_t rows, Kernel kernel) {
  auto values = std::make_unique<double[]>(rows * trees.n_players * trees.n_outputs());
  auto base = std::make_unique<double[]>(trees.n_outputs());
  {
    const nb::gil_scoped_release released;
    kernel(values.get(), base.get());
  }
  return nb::make_tuple(to_numpy(std::move(values), {rows, trees.n_players, trees.n_outputs()}),
                        to_numpy(std::move(base), {trees.n_outputs()}));
}

const pellucid::PathKernels& kernels_for(const std::string& instructions) {
  const auto found = pellucid::path_kernels();
  for (const pellucid::PathKernels* kernels : found) {
    if (instructions.empty() || instructions == kernels->instructions) return *kernels;
  }
  throw nb::value_error("this processor has no such instructions");
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const pellucid::PathKernels* kernels : pellucid::path_kernels()) names.emplace_back(kernels->instructions);
  return names;
}

// The path-dependent game, ready for any rows.
struct PathDependent {
  const pellucid::Ensemble& trees;
  pellucid::PathDependent game;

  PathDependent(const Ensemble& ensemble, const std::string& instructions)
      : trees(ensemble.trees), game(trees, kernels_for(instructions)) {}

  auto base() const {
    auto copy = std::make_unique<double[]>(trees.n_outputs());
    std::copy(game.base().begin(), game.base().end(), copy.get());
    return to_numpy(std::move(copy), {trees.n_outputs()});
  }

  auto values(Table columns, std::size_t threads) const {
    const pellucid::Matrix rows = matrix(columns, trees.n_columns());
    std::unique_ptr<double[]> values(new double[rows.rows * trees.n_players * trees.n_outputs()]);
    {
      const nb::gil_scoped_release released;
      game.values(rows, threads, values.get());
    }
    return to_numpy(std::move(values), {rows.rows, trees.n_players, trees.n_outputs()});
  }

  auto interactions(Table columns, std::size_t threads) const {
    const pellucid::Matrix rows = matrix(columns, trees.n_columns());
    const std::size_t players = trees.n_players;
    std::unique_ptr<double[]> values(new double[rows.rows * players * players * trees.n_outputs()]);
    {
      const nb::gil_scoped_release released;
      game.interactions(rows, threads, values.get());
    }
    return to_numpy(std::move(values), {rows.rows, players, players, trees.n_outputs()});
  }
};

nb::tuple interventional(const Ensemble& ensemble, Table columns, Table background, std::size_t table_players,
                         std::size_t threads) {
  const pellucid::Ensemble& trees = ensemble.trees;
  const pellucid::Matrix rows = matrix(columns, trees.n_columns());
  const pellucid::Matrix others = matrix(background, trees.n_columns());
  require(others.rows > 0, "the background needs at least one row");
  return solve(trees, rows.rows, [&](double* values, double* base) {
    pellucid::interventional(trees, rows, others, table_players, threads, values, base);
  });
}

nb::tuple gauss_legendre(std::size_t points) {
  require(points > 0, "a quadrature needs at least one point");
  const pellucid::Quadrature rule = pellucid::gauss_legendre(points);
  auto point = std::make_unique<double[]>(points), weight = std::make_unique<double[]>(points);
  std::copy(rule.point.begin(), rule.point.end(), point.get());
  std::copy(rule.weight.begin(), rule.weight.end(), weight.get());
  return nb::make_tuple(to_numpy(std::move(point), {points}), to_numpy(std::move(weight), {points}));
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "Compiled kernels; pellucid._kernels.trees is the way in.";
  nb::class_<Ensemble>(module, "Ensemble")
      .def(nb::init<Vector<std::int32_t>, Vector<std::int32_t>, Vector<std::int32_t>, Vector<std::int32_t>,
                    Vector<double>, Vector<bool>, Vector<double>, Table, Vector<std::int32_t>, Vector<double>,
                    Vector<std::int32_t>, std::size_t, bool, bool>(),
           "roots"_a.noconvert(), "left"_a.noconvert(), "right"_a.noconvert(), "feature"_a.noconvert(),
           "threshold"_a.noconvert(), "missing_left"_a.noconvert(), "cover"_a.noconvert(), "value"_a.noconvert(),
           "output"_a.noconvert(), "base"_a.noconvert(), "player"_a.noconvert(), "n_players"_a, "less_equal"_a,
           "float32_inputs"_a);
  nb::class_<PathDependent>(module, "PathDependent")
      .def(nb::init<const Ensemble&, const std::string&>(), "ensemble"_a, "instructions"_a, nb::keep_alive<1, 2>())
      .def("base", &PathDependent::base)
      .def("values", &PathDependent::values, "columns"_a.noconvert(), "threads"_a)
      .def("interactions", &PathDependent::interactions, "columns"_a.noconvert(), "threads"_a);
  module.def("instruction_sets", &instruction_sets);
  module.def("interventional", &interventional, "ensemble"_a, "columns"_a.noconvert(), "background"_a.noconvert(),
             "table_players"_a, "threads"_a);
  module.def("gauss_legendre", &gauss_legendre, "points"_a);
}
