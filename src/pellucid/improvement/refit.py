"""Fitting a model again under a change, and measuring on rows it has not seen what the change brings."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.numbers import interval_text
from pellucid._base.randomness import stream
from pellucid._base.statistics import Z
from pellucid._base.typing import Array, Bool1, Float1, Float2, Int1, Names
from pellucid.adapters import as_model
from pellucid.improvement.losses import losses_of, read_target, score_space
from pellucid.ir import Model
from pellucid.table import Table

FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What a change brings: mean loss before minus after, on rows that neither fit has seen.

    Parameters
    ----------
    value, low, high : float
        With the 95 % interval over the rows, the same for both fits; above zero the change helps.
    n : int
        Rows it was measured on.
    loss : str
        "log loss", "squared error" or "share of wrong decisions".
    """

    value: float
    low: float
    high: float
    n: int
    loss: str

    @property
    def clear(self) -> bool:
        """Whether the interval lies above zero."""
        return bool(self.low > 0)

    @property
    def words(self) -> str:
        """Write the gain with its interval and unit."""
        return f"{interval_text(self.value, self.low, self.high)} in {self.loss} (n = {self.n:,})"


def gain_of(before: Float1, after: Float1, loss: str) -> Gain:
    """Compare two losses of the same rows."""
    steps = before - after
    half = Z * float(steps.std(ddof=1)) / np.sqrt(len(steps))
    value = float(steps.mean())
    return Gain(value=value, low=value - half, high=value + half, n=len(steps), loss=loss)


def loss_name(model: Model) -> str:
    """Name the loss that `losses_of` computes."""
    if model.classes is None:
        return "squared error"
    return "share of wrong decisions" if model.probability is None else "log loss"


def refit(estimator: Any, X: Table, y: Array, *, sample_weight: Float1 | None = None) -> Model:
    """Fit a clone of the estimator and read it."""
    return as_model(fitted_clone(estimator, X, y, sample_weight=sample_weight), reference=X)


def can_be_fitted(estimator: Any) -> bool:
    """Whether a clone of the estimator can be asked to learn."""
    return hasattr(estimator, "fit") and hasattr(estimator, "get_params")


def fitted_clone(estimator: Any, X: Table, y: Array, *, sample_weight: Float1 | None = None) -> Any:
    """Fit a clone of the estimator; a pipeline hands the weights to its last step.

    Raises
    ------
    UnsupportedRequestError
        When it is not a scikit-learn estimator, or cannot be fitted on these rows.
    """
    if not can_be_fitted(estimator):
        raise UnsupportedRequestError(
            f"{type(estimator).__name__} cannot be fitted again: pass an estimator with fit and get_params."
        )
    from sklearn.base import clone  # a third party, loaded only when a model is fitted again

    options = {} if sample_weight is None else {weight_name(estimator): sample_weight}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant columns make some steps warn, which is what is wanted here
            return clone(estimator).fit(X.native, y, **options)
    except Exception as error:
        raise UnsupportedRequestError(
            f"a clone of {type(estimator).__name__} could not be fitted ({type(error).__name__}: {error})."
        ) from error


def weight_name(estimator: Any) -> str:
    """Name the argument that carries weights; a pipeline hands them to its last step."""
    steps = getattr(estimator, "steps", None)
    return f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"


def fold_of(y: Array, random_state: int, folds: int) -> Int1:
    """Deal rows into folds; every label is spread evenly."""
    fold, rng = np.empty(len(y), dtype=np.int64), stream(random_state, "improvement.folds")
    labels = y.tolist() if y.dtype.kind in "OUSb" or len(np.unique(y)) <= folds else [0] * len(y)
    position = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    codes, start = np.array([position[label] for label in labels]), 0
    for code in range(len(position)):
        rows = rng.permutation(np.flatnonzero(codes == code))
        fold[rows] = (start + np.arange(len(rows))) % folds
        start += len(rows)
    return fold


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """What fits made of rows that they had not seen.

    Parameters
    ----------
    scores : float array of shape (rows, outputs)
    losses : float array of shape (rows,)
    loss : str
        The name of the loss.
    models : tuple of Model
        The fit behind each fold.
    """

    scores: Float2
    losses: Float1
    loss: str
    models: tuple[Model, ...]

    def gain_over(self, before: "Held") -> Gain:
        """Compare with other fits on the same rows."""
        return gain_of(before.losses, self.losses, self.loss)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """An estimator and rows dealt into folds, ready to be fitted again under a change.

    Parameters
    ----------
    estimator : object
    model : Model
        It, as it was given.
    table : Table
    truth : array of shape (rows,)
    fold : int array of shape (rows,)
    """

    estimator: Any
    model: Model
    table: Table
    truth: Array
    fold: Int1

    @classmethod
    def of(
        cls, estimator: Any, X: Any, y: Any, random_state: int, *, folds: int = FOLDS, model: Model | None = None
    ) -> "Trial":
        """Check the arguments and deal the rows; `model` is the estimator where it has been read already."""
        given = Table.of(X)
        read = as_model(estimator, reference=given) if model is None else model
        table = given if read.features is None else given.aligned(read.features)
        truth = read_target(read, y, len(table))
        if len(truth) < 2 * FOLDS:
            raise InputError(f"measuring by refitting needs at least {2 * FOLDS} rows; got {len(truth)}.")
        fold = fold_of(truth, random_state, folds)
        return cls(estimator=estimator, model=read, table=table, truth=truth, fold=fold)

    @cached_property
    def base(self) -> Held:
        """The fits without any change."""
        return self.run()

    def parts(self) -> Iterator[tuple[Int1, Int1]]:
        """For each fold the rows that are held out, and the others."""
        for k in range(int(self.fold.max()) + 1):
            yield np.flatnonzero(self.fold == k), np.flatnonzero(self.fold != k)

    def without(self, *features: str) -> "Trial":
        """Return the same with these features held at one value."""
        return replace(self, table=hold_constant([self.table], features)[0])

    def run(self, keep: Bool1 | None = None, sample_weight: Float1 | None = None) -> Held:
        """Score every row by a fit of the other folds, of those of their rows that are kept.

        Raises
        ------
        UnsupportedRequestError
            When the estimator cannot be fitted again.
        """
        kept = np.ones(len(self.truth), dtype=bool) if keep is None else keep
        scores: Float2 = np.empty((len(self.truth), 0))
        losses, models = np.empty(len(self.truth)), list[Model]()
        for held, others in self.parts():
            rows = others[kept[others]]
            weights = None if sample_weight is None else sample_weight[rows]
            model = refit(self.estimator, self.table.take(rows), self.truth[rows], sample_weight=weights)
            found = model.predict(self.table.take(held), score_space(model))
            scores = scores if scores.shape[1] else np.empty((len(self.truth), found.shape[1]))
            scores[held], losses[held] = found, losses_of(found, self.truth[held], model)
            models.append(model)
        return Held(scores=scores, losses=losses, loss=loss_name(models[0]), models=tuple(models))


def hold_constant(tables: Sequence[Table], columns: Names) -> list[Table]:
    """Give every row of all tables the same value of these columns, so that nothing can be learnt from them.

    The value is the commonest of the first table that all have. Dropping the columns instead would break pipelines that
    name them.
    """
    indexes = [np.tile(np.arange(len(table))[:, None], (1, table.n_columns)) for table in tables]
    for name in columns:
        first, *rest = ([_key(value) for value in table.column(name).tolist()] for table in tables)
        shared = [value for value, _ in Counter(first).most_common() if all(value in other for other in rest)]
        for table, index, values in zip(tables, indexes, (first, *rest), strict=True):
            # Without a shared value (a column of unique numbers) each table gets a constant of its own.
            value = shared[0] if shared else Counter(values).most_common(1)[0][0]
            index[:, table.names.index(name)] = values.index(value)
    return [table.gather(index) for table, index in zip(tables, indexes, strict=True)]


def _key(value: Any) -> Any:
    """Return a cell as something that equals itself: what is missing is None."""
    missing = value is None or str(value) in ("<NA>", "NaT") or (isinstance(value, float) and np.isnan(value))
    return None if missing else value
