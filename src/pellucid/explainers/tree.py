"""`Tree`: exact Shapley values of tree ensembles, against background rows or the trees' own covers."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.typing import Array, Float2, Float3
from pellucid._kernels.trees import SHAPLEY, Index, Interventional, PathDependent
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.interactions import PairValues, check_size, largest_pairs, pairs_of_feature
from pellucid.explanation import Evaluations
from pellucid.ir import Encoding, Model, TreeEnsemble
from pellucid.table import Table


@dataclass(frozen=True)
class Tree:
    """Exact Shapley values of a tree ensemble, at any depth.

    With background rows the game is *interventional*: a hidden feature takes a background row's
    value, averaged over all of them, none left out. Without, it is *path-dependent*: the splits of a
    hidden feature are averaged by the training weight that went each way (Lundberg et al., Nature
    Machine Intelligence 2, 2020). Columns made of one raw feature (one-hot) are shown and hidden
    together, so the values belong to the raw features.

    Parameters
    ----------
    index : str
        How coalitions are averaged. ``"SV"``: Shapley values, the only ones that add up to the output.
        ``"BV"``: Banzhaf values, all coalitions alike. ``"beta(a,b)"`` with whole a, b: Beta-Shapley
        values, of which ``"beta(16,1)"`` looks at small coalitions most (Kwon and Zou, AISTATS 2022).
    dtype : {"float64", "float32"}
        What values are computed in. ``"float32"`` takes about three fifths of the time, and the bound of the
        explanation says what it costs; without background rows only.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeRegressor(max_depth=4).fit(X, y)
    >>> explanation = pellucid.explain(model, X.head(5), background=X, method="tree")
    >>> bool(abs(explanation.prediction[:, 0] - model.predict(X.head(5))).max() < 1e-9)
    True
    """

    index: str = "SV"
    dtype: str = "float64"

    name: ClassVar[str] = "tree"
    needs: ClassVar[Needs] = "trees"
    summary: ClassVar[str] = "exact values of tree ensembles, any number of features and any depth"

    def bind(self, question: Question) -> "BoundTree":
        """Check that the trees answer the question, and encode the background.

        Raises
        ------
        InputError
            When the index or the dtype is none.
        UnsupportedRequestError
            When the model is no readable tree ensemble, its trees do not compute this space, there is
            neither a background nor a record of the training weights, or float32 is asked for beside a background.
        """
        index = _index(self.index)
        _check_dtype(self.dtype, question)
        model = question.model
        trees = model.structure
        if not isinstance(trees, TreeEnsemble) or model.encoding is None:
            raise UnsupportedRequestError(_no_trees(model))
        if not model.structure_answers(question.space):
            raise UnsupportedRequestError(
                f"the trees of {model.label} add up to space={str(model.raw_space)!r}, not to "
                f"space={str(question.space)!r}. Use space='raw', or method='shapley' (few features: "
                "method='exact') with background= for this space."
            )
        background = None
        if question.background is not None:
            background = model.encoding.transform(question.background)
        elif not trees.has_covers:
            raise UnsupportedRequestError(
                f"{model.label} does not say how much training weight reached its nodes, which path-dependent "
                "values average by. Pass background=: rows that stand for a hidden feature."
            )
        return BoundTree(
            model=model,
            trees=trees,
            encoding=model.encoding,
            game=_game(self, trees, question, model.encoding, background),
            n_background=0 if background is None else len(background),
            index=index,
            dtype=self.dtype,
            n_jobs=question.n_jobs,
            reading_bound=trees.rounding_bound(),
            largest=float(trees.leaf_sizes().max(initial=0.0)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BoundTree:
    """A game made of a tree ensemble: interventional with background rows, path-dependent without."""

    model: Model
    trees: TreeEnsemble
    encoding: Encoding
    game: PathDependent | Interventional
    n_background: int
    index: Index
    dtype: str
    n_jobs: int | None
    reading_bound: float
    largest: float

    symmetric: ClassVar[bool] = True

    def explain(self, X: Table, y: Array | None = None) -> Attribution:  # noqa: ARG002 - trees do not compute the loss
        """Return exact values and the base value that all rows share."""
        values = self.game.values(self.encoding.transform(X), n_jobs=self.n_jobs)
        return self._attribution(self._effects(_widened(values, X.n_columns, axes=(1,))))

    def interactions(self, X: Table) -> tuple[Array, Attribution]:
        """Return exact interactions (rows, features, features, outputs), and their sums.

        Raises
        ------
        UnsupportedRequestError
            When the index is not Shapley's.
        InputError
            When the answer would be too large.
        """
        self._check_index()
        check_size(len(X), X.n_columns**2, len(self.model.outputs))
        columns = self.encoding.transform(X)
        pairs, values = self.game.interactions(columns, mirrored=self.model.mirrored, n_jobs=self.n_jobs)
        values = _widened(values, X.n_columns, axes=(1,))
        return _widened(pairs, X.n_columns, axes=(1, 2)), self._attribution(values)

    def pairs(self, X: Table, feature: int | None, top: int | None) -> tuple[PairValues, Attribution]:
        """Return the interactions of one feature, or the largest, and all Shapley values; errors as `interactions`."""
        self._check_index()
        columns = self.encoding.transform(X)
        values = _widened(self.game.values(columns, n_jobs=self.n_jobs), X.n_columns, axes=(1,))
        if feature is None:
            found = largest_pairs(self.game, columns, values.shape[2], top or 1, n_jobs=self.n_jobs)
        else:
            found = pairs_of_feature(self.game, columns, values, feature, n_jobs=self.n_jobs)
        kept = PairValues(values=self._effects(found.values[:, :top]), pairs=found.pairs[:top])
        return kept, self._attribution(self._effects(values))

    def _check_index(self) -> None:
        if self.index != SHAPLEY:
            raise UnsupportedRequestError("interactions are those of Shapley values. Use Tree() with index='SV'.")

    def _effects(self, values: Float3) -> Float3:
        return self.model.structure_effects(values, n_jobs=self.n_jobs)

    def _attribution(self, values: Float3) -> Attribution:
        bases = np.tile(self.game.base, (len(values), 1))
        rows = f"{self.n_background} background rows (interventional)"
        return Attribution(
            values=values,
            base_values=self.model.structure_outputs(bases),
            evaluations=Evaluations(),
            sums=self.index == SHAPLEY,
            bound=self.reading_bound + self._rounding(values.shape[1]),
            background=rows if self.n_background else "tree covers (path-dependent)",
            reason="" if self.dtype == "float64" else f"Computed in {self.dtype}, as asked for.",
        )

    def _rounding(self, n_features: int) -> float:
        # A tree's values are averages of its leaves, made of a few products per split, and are then
        # summed over background rows, trees and features.
        terms = 8 * self.trees.depth + self.trees.n_trees + n_features + self.n_background
        return float(4 * terms * np.finfo(self.dtype).eps * self.largest)


def _game(
    method: Tree, trees: TreeEnsemble, question: Question, encoding: Encoding, background: Float2 | None
) -> PathDependent | Interventional:
    used = int(encoding.groups.max(initial=-1)) + 1
    known = question.background.n_columns if question.background is not None else len(question.model.features or ())
    players = (trees, encoding.groups, max(used, known))
    index = _index(method.index)
    if background is None:
        return PathDependent(*players, index=index, dtype=method.dtype)
    return Interventional(*players, background, index=index, n_jobs=question.n_jobs)


def _widened(values: Array, n_features: int, *, axes: tuple[int, ...]) -> Array:
    """Add zeros for features behind the last one that the encoding reads."""
    missing = n_features - values.shape[axes[0]]
    if missing <= 0:
        return values
    return np.pad(values, [(0, missing if axis in axes else 0) for axis in range(values.ndim)])


def _index(name: str) -> Index:
    known = {"SV": SHAPLEY, "BV": Index(banzhaf=True)}
    if name in known:
        return known[name]
    match = re.fullmatch(r"beta\((\d{1,3}), ?(\d{1,3})\)", name) if isinstance(name, str) else None
    if match is None or "0" in match.groups():
        raise InputError(f"index must be 'SV', 'BV' or 'beta(a,b)' with whole a and b from 1; got {name!r:.80}.")
    return Index(int(match[1]), int(match[2]))


def _check_dtype(dtype: str, question: Question) -> None:
    if dtype not in ("float64", "float32"):
        raise InputError(f"dtype must be 'float64' or 'float32'; got {dtype!r:.80}.")
    if dtype == "float32" and question.background is not None:
        raise UnsupportedRequestError(
            "values against background rows are computed in float64. Leave dtype= out, or leave out background= for "
            "path-dependent values."
        )


def _no_trees(model: Model) -> str:
    why = f" ({model.why_no_structure})" if model.structure is None and model.why_no_structure else ""
    return (
        f"method='tree' needs a tree ensemble; {model.label} is none that can be read{why}. Use method='auto', "
        "or with background= method='shapley' for any model (few features: method='exact')."
    )
