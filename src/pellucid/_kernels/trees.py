"""Exact Shapley values of tree ensembles: the door to the compiled kernels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.parallel import thread_count
from pellucid._base.typing import Array, Float1, Float2, Float3, Int1, Int2
from pellucid._kernels import _native
from pellucid.ir import TreeEnsemble

TABLE_PLAYERS = 12
"""Leaves with more features on their path than this are walked to for each row instead of looked up."""


@dataclass(frozen=True)
class Index:
    """How coalitions are averaged: a semivalue, of which Shapley's is the one whose values add up.

    Parameters
    ----------
    a, b : int
        Of Beta(a, b)-Shapley (Kwon and Zou, AISTATS 2022): a > b leans on small coalitions; 1, 1 is Shapley's.
    banzhaf : bool
        All coalitions alike; `a` and `b` then do not matter.
    """

    a: int = 1
    b: int = 1
    banzhaf: bool = False


SHAPLEY = Index()


def path_dependent(
    trees: TreeEnsemble, groups: Int1, n_features: int, columns: Float2, *, n_jobs: int | None = None
) -> tuple[Float3, Float1]:
    """Return exact values of the game in which a hidden feature's splits are averaged by training cover.

    Parameters
    ----------
    trees : TreeEnsemble
    groups : int64 array of shape (columns,)
        Feature that each column belongs to; the columns of one feature are shown or hidden together.
    n_features : int
        Number of features.
    columns : float64 array of shape (rows, columns)
        Encoded rows; NaN is a missing value.
    n_jobs : int or None
        Threads; their number changes no bit of the answer.

    Returns
    -------
    values : float64 array of shape (rows, features, outputs)
    base : float64 array of shape (outputs,)
        Outputs when every feature is hidden; ``base + values.sum(axis=1)`` is the ensemble's output.

    Raises
    ------
    InputError
        When shapes do not fit.
    """
    game = PathDependent(trees, groups, n_features)
    return game.values(columns, n_jobs=n_jobs), game.base


def interventional(
    trees: TreeEnsemble,
    groups: Int1,
    n_features: int,
    columns: Float2,
    background: Float2,
    *,
    n_jobs: int | None = None,
) -> tuple[Float3, Float1]:
    """Return exact values of the game in which hidden features take a background row's values.

    Parameters
    ----------
    trees, groups, n_features, columns, n_jobs
        As for `path_dependent`.
    background : float64 array of shape (background rows, columns)
        The answer is the mean over all of them.

    Returns
    -------
    values : float64 array of shape (rows, features, outputs)
    base : float64 array of shape (outputs,)
        Mean output over the background.

    Raises
    ------
    InputError
        When shapes do not fit or the background is empty.
    """
    game = Interventional(trees, groups, n_features, background, n_jobs=n_jobs)
    return game.values(columns, n_jobs=n_jobs), game.base


class _Game:
    """A game of one ensemble, made ready to be solved for any rows. Thread-safe."""

    def __init__(self, trees: TreeEnsemble, n_features: int, native: "_native._Game") -> None:
        self._trees, self._n_features, self._native = trees, n_features, native
        self.base: Float1 = native.base()
        """Outputs when every feature is hidden, (outputs,)."""

    def values(self, columns: Float2, *, n_jobs: int | None = None) -> Float3:
        """Return each feature's value, (rows, features, outputs), read-only."""
        rows = _rows(columns, self._trees, "columns")
        values = np.empty((len(rows), self._n_features, len(self.base)))  # the threads touch it first
        self._native.values(rows, values, thread_count(n_jobs))
        values.flags.writeable = False  # so that whoever keeps it need not copy it
        return values

    def interactions(
        self, columns: Float2, *, mirrored: bool = False, n_jobs: int | None = None
    ) -> tuple[Array, Float3]:
        """Return interactions (rows, features, features, outputs), and what their lines add up to: the values.

        Halves are the same numbers to the last bit. `mirrored` makes the one output v two, ``-v`` and ``v``. Both
        arrays are read-only.
        """
        rows = _rows(columns, self._trees, "columns")
        line = (self._n_features, 2 if mirrored else len(self.base))
        matrices, sums = np.empty((len(rows), self._n_features, *line)), np.empty((len(rows), *line))
        self._native.interactions(rows, matrices, sums, mirrored, thread_count(n_jobs))
        matrices.flags.writeable = sums.flags.writeable = False
        return matrices, sums

    @cached_property
    def pairs(self) -> Int2:
        """Pairs of features that meet on a path, (pairs, 2), in rising order; no others interact."""
        return self._native.pairs().astype(np.int64)

    def pair_values(self, columns: Float2, chosen: Int1, *, n_jobs: int | None = None) -> Float3:
        """Return whole interactions of some of `pairs`, by position in rising order: (rows, chosen, outputs)."""
        rows = _rows(columns, self._trees, "columns")
        return self._native.pair_values(rows, _flat(chosen, np.int32), thread_count(n_jobs))


class PathDependent(_Game):
    """The game in which a hidden feature's splits are averaged by training cover.

    Parameters
    ----------
    trees, groups, n_features
        As for `path_dependent`.
    index : Index
    dtype : {"float64", "float32"}
        What is reckoned in. Inputs are compared, and chunks of trees summed, in float64 either way.
    instructions : str
        One of `instruction_sets`; the processor's best when empty.
    """

    def __init__(
        self,
        trees: TreeEnsemble,
        groups: Int1,
        n_features: int,
        *,
        index: Index = SHAPLEY,
        dtype: str = "float64",
        instructions: str = "",
    ) -> None:
        ensemble = _native_ensemble(trees, groups, n_features)
        kind = _native.PathDependentFloat32 if dtype == "float32" else _native.PathDependent
        super().__init__(trees, n_features, kind(ensemble, index.a, index.b, index.banzhaf, instructions))


class Interventional(_Game):
    """The game in which hidden features take a background row's values.

    Parameters
    ----------
    trees, groups, n_features, background, n_jobs
        As for `interventional`.
    index, instructions
        As for `PathDependent`.
    """

    def __init__(
        self,
        trees: TreeEnsemble,
        groups: Int1,
        n_features: int,
        background: Float2,
        *,
        index: Index = SHAPLEY,
        n_jobs: int | None = None,
        instructions: str = "",
    ) -> None:
        if len(background) == 0:
            raise InputError("background must have at least one row; got none.")
        ensemble, others = _native_ensemble(trees, groups, n_features), _rows(background, trees, "background")
        weights = (index.a, index.b, index.banzhaf)
        try:
            native = _native.Interventional(
                ensemble, others, *weights, TABLE_PLAYERS, thread_count(n_jobs), instructions=instructions
            )
        except ValueError as error:
            raise InputError(
                f"values against background rows take trees with up to 4,000 features on one path ({error}). Leave out "
                "background= for path-dependent values."
            ) from error
        super().__init__(trees, n_features, native)


def instruction_sets() -> list[str]:
    """Instruction sets that this processor has kernels for, best first."""
    return _native.instruction_sets()


def gauss_legendre(points: int) -> tuple[Float1, Float1]:
    """Points and weights of Gauss-Legendre quadrature on [0, 1], exact for degree ``2 * points - 1``."""
    return _native.gauss_legendre(points)


def _native_ensemble(trees: TreeEnsemble, groups: Int1, n_features: int) -> _native.Ensemble:
    player = np.asarray(groups)
    if player.shape != (trees.n_columns,) or not np.issubdtype(player.dtype, np.integer):
        raise InputError(
            f"groups must name one feature per column, shape ({trees.n_columns},); got {player.dtype} {player.shape}."
        )
    if len(player) and not 0 <= player.min() <= player.max() < n_features:
        raise InputError(f"groups must lie between 0 and {n_features - 1}; got {player.min()} to {player.max()}.")
    return _native.Ensemble(
        roots=_flat(trees.roots, np.int32),
        left=_flat(trees.left, np.int32),
        right=_flat(trees.right, np.int32),
        feature=_flat(trees.feature, np.int32),
        threshold=_flat(trees.threshold, np.float64),
        missing_left=_flat(trees.missing_left, np.bool_),
        cover=_flat(trees.cover, np.float64),
        value=_flat(trees.value, np.float64),
        output=_flat(trees.output, np.int32),
        base=_flat(trees.base, np.float64),
        player=_flat(player, np.int32),
        n_players=n_features,
        less_equal=trees.less_equal,
        float32_inputs=trees.input_dtype == "float32",
        bits=_flat([] if trees.bits is None else trees.bits, np.uint32),
        bits_begin=_flat([] if trees.bits_begin is None else trees.bits_begin, np.int32),
        bits_words=_flat([] if trees.bits_words is None else trees.bits_words, np.int32),
        other_left=_flat([] if trees.other_left is None else trees.other_left, np.bool_),
    )


def _rows(rows: Float2, trees: TreeEnsemble, what: str) -> Float2:
    if np.ndim(rows) != 2 or np.shape(rows)[1] != trees.n_columns:
        raise InputError(f"{what} must have shape (rows, {trees.n_columns}); got {np.shape(rows)}.")
    checked: Float2 = _flat(rows, np.float64)
    return checked


def _flat(array: Any, dtype: Any) -> Any:
    return np.ascontiguousarray(array, dtype=dtype)
