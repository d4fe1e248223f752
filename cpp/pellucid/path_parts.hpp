// A tree's quadrature, given to a walk in parts.
#pragma once

#include <algorithm>
#include <cstddef>

#include "path_kernel.hpp"
#include "program.hpp"
#include "quadrature.hpp"

namespace pellucid {

// What a tree is to a walk, without rows and points.
template <class Real>
PathTask<Real> task_of(const Program& program, const Shape& shape) {
  PathTask<Real> task{};
  task.splits = program.splits.data(), task.n_splits = program.splits.size();
  task.moves = program.moves.data(), task.n_moves = program.moves.size();
  task.leaves = program.leaves.data(), task.n_leaves = program.leaves.size();
  task.finished = program.finished.data();
  task.first_output = program.first_output;
  task.shape = shape;
  return task;
}

// One part of a tree's quadrature after the other, at most `most_points` at once: `run` is to walk with its points.
template <class Real, class Run>
void run_parts(const Quadrature& rule, PathTask<Real>& task, Run run) {
  const std::size_t total = rule.point.size(), parts = (total + most_points - 1) / most_points;
  for (std::size_t part = 0; part < parts; ++part) {
    const auto from = std::ptrdiff_t(total * part / parts), to = std::ptrdiff_t(total * (part + 1) / parts);
    task.points = std::size_t(to - from);
    std::fill_n(task.point, padded_points, Real(0.5));
    std::copy(rule.point.begin() + from, rule.point.begin() + to, task.point);
    std::copy(rule.weight.begin() + from, rule.weight.begin() + to, task.weight);
    run();
  }
}

}  // namespace pellucid
