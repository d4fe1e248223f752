"""`Tree`: exact Shapley values of tree ensembles, against background rows or the trees' own covers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.typing import Array, Float2
from pellucid._kernels.trees import interventional, path_dependent
from pellucid.explainers.base import Attribution, Needs, Question
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

    name: ClassVar[str] = "tree"
    needs: ClassVar[Needs] = "trees"
    summary: ClassVar[str] = "exact values of tree ensembles, any number of features and any depth"

    def bind(self, question: Question) -> "BoundTree":
        """Check that the trees answer the question, and encode the background.

        Raises
        ------
        UnsupportedRequestError
            When the model is no readable tree ensemble, its trees do not compute this space, or there is
            neither a background nor a record of the training weights.
        """
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
            model=model, trees=trees, encoding=model.encoding, background=background, n_jobs=question.n_jobs
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BoundTree:
    """A tree ensemble with its encoded background; without one, the game is path-dependent."""

    model: Model
    trees: TreeEnsemble
    encoding: Encoding
    background: Float2 | None
    n_jobs: int | None

    def explain(self, X: Table, y: Array | None = None) -> Attribution:  # noqa: ARG002 - trees do not compute the loss
        """Return exact values and the base value that all rows share."""
        columns = self.encoding.transform(X)
        groups = self.encoding.groups
        if self.background is None:
            values, base = path_dependent(self.trees, groups, X.n_columns, columns, n_jobs=self.n_jobs)
            background = "tree covers (path-dependent)"
        else:
            values, base = interventional(self.trees, groups, X.n_columns, columns, self.background, n_jobs=self.n_jobs)
            background = f"{len(self.background)} background rows (interventional)"
        bases = np.tile(base, (len(columns), 1))
        return Attribution(
            values=self.model.structure_outputs(values),
            base_values=self.model.structure_outputs(bases),
            evaluations=Evaluations(),
            bound=self.trees.rounding_bound() + self._rounding(X.n_columns),
            background=background,
        )

    def _rounding(self, n_features: int) -> float:
        # A tree's values are averages of its leaves, made of a few products per split, and are then
        # summed over background rows, trees and features.
        terms = 8 * self.trees.depth + self.trees.n_trees + n_features
        terms += 0 if self.background is None else len(self.background)
        return float(4 * terms * np.finfo(float).eps * self.trees.leaf_sizes().max(initial=0.0))


def _no_trees(model: Model) -> str:
    why = f" ({model.why_no_structure})" if model.structure is None and model.why_no_structure else ""
    return (
        f"method='tree' needs a tree ensemble; {model.label} is none that can be read{why}. Use method='auto', "
        "or with background= method='shapley' for any model (few features: method='exact')."
    )
