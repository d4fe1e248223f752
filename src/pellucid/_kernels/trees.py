"""Exact Shapley values of tree ensembles: the door to the compiled kernels."""

from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.parallel import thread_count
from pellucid._base.typing import Array, Float1, Float2, Float3, Int1
from pellucid.ir import TreeEnsemble

try:
    from pellucid._kernels import _native
except ImportError as error:
    error.add_note(
        "pellucid's compiled kernels are missing. In a checkout, build them with "
        "'pip install --no-build-isolation -e .' (needs a C++20 compiler); else reinstall pellucid."
    )
    raise

TABLE_PLAYERS = 12
"""Leaves with more features on their path than this are walked to for each row instead of looked up."""


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


class PathDependent:
    """The path-dependent game of one ensemble, made ready to be solved for any rows.

    Parameters
    ----------
    trees, groups, n_features
        As for `path_dependent`.
    instructions : str
        One of `instruction_sets`; the best one of the processor when empty.
    """

    def __init__(self, trees: TreeEnsemble, groups: Int1, n_features: int, *, instructions: str = "") -> None:
        self.trees = trees
        self._native = _native.PathDependent(_native_ensemble(trees, groups, n_features), instructions)

    @property
    def base(self) -> Float1:
        """Outputs when every feature is hidden, (outputs,)."""
        return self._native.base()

    def values(self, columns: Float2, *, n_jobs: int | None = None) -> Float3:
        """Shapley values, (rows, features, outputs)."""
        return self._native.values(_rows(columns, self.trees, "columns"), thread_count(n_jobs))

    def interactions(self, columns: Float2, *, n_jobs: int | None = None) -> Array:
        """Shapley interaction values, (rows, features, features, outputs)."""
        return self._native.interactions(_rows(columns, self.trees, "columns"), thread_count(n_jobs))


def instruction_sets() -> list[str]:
    """Instruction sets that this processor has kernels for, best first."""
    return _native.instruction_sets()


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
    if len(background) == 0:
        raise InputError("background must have at least one row; got none.")
    ensemble = _native_ensemble(trees, groups, n_features)
    rows, others = _rows(columns, trees, "columns"), _rows(background, trees, "background")
    return _native.interventional(ensemble, rows, others, TABLE_PLAYERS, thread_count(n_jobs))


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
    )


def _rows(rows: Float2, trees: TreeEnsemble, what: str) -> Float2:
    if np.ndim(rows) != 2 or np.shape(rows)[1] != trees.n_columns:
        raise InputError(f"{what} must have shape (rows, {trees.n_columns}); got {np.shape(rows)}.")
    checked: Float2 = _flat(rows, np.float64)
    return checked


def _flat(array: Any, dtype: Any) -> Any:
    return np.ascontiguousarray(array, dtype=dtype)
