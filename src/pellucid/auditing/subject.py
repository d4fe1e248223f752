"""`Subject`: what is audited, and the results that several checks share."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from pellucid._base.errors import InputError, PellucidError
from pellucid._base.progress import Progress
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Int1
from pellucid._base.words import counted
from pellucid._door import Explainer
from pellucid.adapters import as_model
from pellucid.auditing import arguments
from pellucid.auditing.grouping import group_labels
from pellucid.auditing.leaks import LeakSearch, search_leaks
from pellucid.auditing.policy import Policy, read_policy
from pellucid.auditing.scoring import Task, classes_of_target, task_of, with_classes
from pellucid.explainers.importance import permutation_importance
from pellucid.explanation import Explanation, Importance
from pellucid.fairness.disclosure import withheld_together
from pellucid.fairness.groups import Grouping, read_groupings
from pellucid.improvement.refit import Trial, can_be_fitted
from pellucid.ir import Model, Space
from pellucid.table import Table

BACKGROUND_ROWS = 200
SAMPLED_BACKGROUND_ROWS = 50
EXPLAINED_ROWS = 1000
SAMPLED_EXPLAINED_ROWS = 60
SHUFFLED_ROWS = 2000
SHUFFLES = 10
TRIAL_ROWS = 1000
TRIAL_FOLDS = 2
"""Rows and folds that an audit fits models again on: few, so that it stays quick."""
MANY_FEATURES = 30
"""Beyond so many features each is shuffled less often, so that the cost stays."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A model (or none) with held-out data, arguments checked, shared results made once and kept.

    Make one with `Subject.of`. Everything random is drawn from streams of `random_state`.

    Attributes
    ----------
    model : Model or None
        The model as the house sees it; None when only data are audited.
    estimator : object
        The user's own model.
    X, y : Table, array
        Held-out rows with the model's features only, and the truth.
    X_train, y_train : Table, array or None
    background : Table
        Rows that stand for a hidden feature.
    background_note : str
        Where they come from, in words.
    sensitive : mapping of str to array
        Sensitive features, one value per row of `X`; they need not be features of the model.
    sensitive_train : mapping of str to array
        Those of them that `X_train` has, one value per training row.
    favorable : label or None
        The class that is good for the person.
    threshold : float or None
        Cut-off on the score of the second class; None is the model's own rule.
    weight : array or None
        One weight per row of `X`.
    rows : "typical", array of row numbers or None
        Rows whose decisions are explained.
    classes : array or None
        Class labels in the model's order; None for regression.
    policy : Policy
    fast : bool
    random_state : int
    progress : Progress
    """

    model: Model | None
    estimator: Any
    X: Table
    y: Array
    X_train: Table | None
    y_train: Array | None
    background: Table
    background_note: str
    sensitive: Mapping[str, Array]
    sensitive_train: Mapping[str, Array]
    favorable: Any
    threshold: float | None
    weight: Float1 | None
    rows: str | Int1 | None
    classes: Array | None
    policy: Policy
    fast: bool
    random_state: int
    progress: Progress

    @classmethod
    def of(
        cls,
        model: Any,
        X: Any,
        y: Any,
        *,
        X_train: Any = None,
        y_train: Any = None,
        background: Any = None,
        sensitive_features: Any = None,
        favorable: Any = None,
        threshold: float | None = None,
        sample_weight: Any = None,
        rows: Any = None,
        policy: Any = None,
        fast: bool = False,
        random_state: int = 0,
        progress: Progress = None,
    ) -> Self:
        """Check every argument of `audit` and bring it into the house's forms; `model` None audits data alone."""
        table = Table.of(X)
        arguments.refuse_few_rows(len(table))
        target = arguments.read_target(y, len(table))
        sensitive = arguments.read_sensitive(sensitive_features, table)
        read = None if model is None else as_model(model, reference=table)
        features = table.names if read is None or read.features is None else read.features
        table = _model_columns(table, features, sensitive, "X")
        if read is not None:
            read = with_classes(read, model, table, target)
        classes = classes_of_target(target) if read is None else read.classes
        _check_target(read, target, classes)
        train, train_target = _read_training(X_train, y_train, features, sensitive)
        rows_behind, note = _read_background(background, train, table, sensitive, random_state)
        return cls(
            model=read,
            estimator=model,
            X=table,
            y=target,
            X_train=train,
            y_train=train_target,
            background=rows_behind,
            background_note=note,
            sensitive=sensitive,
            sensitive_train=_sensitive_of_training(X_train, sensitive),
            favorable=arguments.read_favorable(favorable, classes),
            threshold=arguments.read_threshold(
                threshold, classes, probable=read is not None and read.gives_probabilities
            ),
            weight=arguments.read_weight(sample_weight, len(table)),
            rows=arguments.read_rows(rows, len(table)),
            classes=classes,
            policy=read_policy(policy),
            fast=bool(fast),
            random_state=arguments.read_seed(random_state),
            progress=progress,
        )

    @property
    def n(self) -> int:
        """Number of held-out rows."""
        return len(self.X)

    def counted_rows(self) -> str:
        """Return the number of rows in words; without a model nothing is held out."""
        return counted(self.n, "row" if self.model is None else "held-out row")

    @property
    def task(self) -> Task:
        """What is predicted."""
        return task_of(self.classes)

    @cached_property
    def read(self) -> Model:
        """The model, for checks that need one."""
        if self.model is None:
            raise InputError("there is no model: only data are audited.")
        return self.model

    @cached_property
    def y_index(self) -> Int1:
        """Position of each row's true label in `classes`."""
        if self.classes is None:
            raise InputError("the target is a number and has no classes.")
        return self._positions(self.y)

    def _positions(self, y: Array) -> Int1:
        position = {label: i for i, label in enumerate([] if self.classes is None else self.classes.tolist())}
        return np.array([position[label] for label in y.tolist()], dtype=np.int64)

    @cached_property
    def weights(self) -> Float1:
        """One weight per row; ones where none were given."""
        return np.ones(self.n) if self.weight is None else self.weight

    @cached_property
    def groups(self) -> Mapping[str, Array]:
        """For each sensitive feature, every row's group as text; many-valued numbers are cut at their quartiles."""
        return {name: group_labels(values) for name, values in self.sensitive.items()}

    @cached_property
    def columns_of_groups(self) -> tuple[tuple[Grouping, frozenset[str]], ...]:
        """Each sensitive feature alone, and those of its groups that must not be shown beside the intersections."""
        groupings = read_groupings(self.groups, self.n) if self.groups else ()
        hidden = withheld_together(groupings, self.policy.min_group_size) if groupings else {}
        return tuple((each, hidden[each.name]) for each in groupings[: len(self.groups)])

    @cached_property
    def raw(self) -> Float2:
        """The model's own outputs (rows, outputs)."""
        return self.read.predict(self.X)

    @cached_property
    def probability(self) -> Float2 | None:
        """Class probabilities (rows, classes); None where the model has none."""
        if self.read.raw_space is Space.PROBABILITY:
            return self.raw
        return self.read.predict(self.X, Space.PROBABILITY) if self.read.gives_probabilities else None

    @property
    def scores(self) -> Float2:
        """What rows are ranked by: probabilities where there are any, else the raw outputs."""
        return self.raw if self.probability is None else self.probability

    @property
    def cut(self) -> float:
        """Cut-off on the score of the second of two classes."""
        if self.threshold is not None:
            return self.threshold
        return 0.0 if self.probability is None else 0.5

    @cached_property
    def predicted_index(self) -> Int1:
        """Position of each row's predicted label in `classes`, by the threshold."""
        return self.decide(self.scores)

    @property
    def predicted(self) -> Array:
        """Predicted labels, by the threshold; for regression the predicted numbers."""
        return self.raw[:, 0] if self.classes is None else self.classes[self.predicted_index]

    def decide(self, scores: Float2) -> Int1:
        """Labels (as positions in `classes`) that scores of any rows lead to."""
        if self.task == "binary":
            score = scores[:, 1]
            above = score > self.cut if self.threshold is None else score >= self.cut
            return above.astype(np.int64)
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)

    def score_rows(self, X: Table) -> Float2:
        """Scores of other rows, in the units of `scores`."""
        return self.read.predict(X, Space.RAW if self.probability is None else Space.PROBABILITY)

    @cached_property
    def structured(self) -> bool:
        """Whether explanations are exact and cheap."""
        return self.read.structure_answers(Space.RAW)

    @cached_property
    def explained_rows(self) -> Int1:
        """Rows behind the global statements: all, or a seeded sample where there are many."""
        most = EXPLAINED_ROWS if self.structured else SAMPLED_EXPLAINED_ROWS
        return self.sample_rows("audit.explained", most // 2 if self.fast else most)

    def sample_rows(self, purpose: str, most: int) -> Int1:
        """At most so many rows of `X`, drawn without replacement, in their order."""
        if self.n <= most:
            return np.arange(self.n)
        chosen = stream(self.random_state, purpose).choice(self.n, size=most, replace=False)
        return np.sort(chosen).astype(np.int64)

    @cached_property
    def explaining_background(self) -> Table:
        """The background, cut to what sampled methods can afford."""
        if self.structured or len(self.background) <= SAMPLED_BACKGROUND_ROWS:
            return self.background
        rows = stream(self.random_state, "audit.background.sampled")
        chosen = rows.choice(len(self.background), size=SAMPLED_BACKGROUND_ROWS, replace=False)
        return self.background.take(np.sort(chosen))

    @cached_property
    def explainer(self) -> Explainer:
        """The explainer of the main explanation: exact where the model can be read, else sampled."""
        return Explainer(self.read, self.explaining_background, random_state=self.random_state, progress=False)

    @property
    def explanation(self) -> Explanation:
        """Shapley values of `explained_rows`, in raw units; a failure is kept too, so that it costs one attempt."""
        if isinstance(self._explained, PellucidError):
            raise self._explained
        return self._explained

    @cached_property
    def _explained(self) -> Explanation | PellucidError:
        try:
            return self.explainer(self.X.take(self.explained_rows))
        except PellucidError as error:
            return error

    @cached_property
    def lime(self) -> Explainer:
        """LIME in the same units and with the same background."""
        return Explainer(
            self.read, self.explaining_background, method="lime", random_state=self.random_state, progress=False
        )

    @cached_property
    def permutation(self) -> Importance:
        """Rise of the loss when one feature is shuffled, on at most `SHUFFLED_ROWS` rows."""
        rows = self.sample_rows("audit.shuffled", SHUFFLED_ROWS)
        repeats = max(2, min(SHUFFLES, SHUFFLES * MANY_FEATURES // self.X.n_columns) // (2 if self.fast else 1))
        return permutation_importance(
            self.read, self.X.take(rows), self.y[rows], n_repeats=repeats, random_state=self.random_state
        )

    @cached_property
    def leaks(self) -> LeakSearch:
        """What single columns of all known rows give away of the target."""
        X, y = self.all_rows
        if self.classes is None:
            return search_leaks(X, y.astype(float), None, self.policy, self.random_state)
        return search_leaks(X, self._positions(y), len(self.classes), self.policy, self.random_state)

    @cached_property
    def all_rows(self) -> tuple[Table, Array]:
        """Training rows followed by held-out rows with their targets, where the training data are known.

        For looking at columns; a model is asked about `X` or `X_train`, which have the user's own dtypes.
        """
        if self.X_train is None or self.y_train is None:
            return self.X, self.y
        y = np.concatenate([self.y_train, self.y])
        return Table.of({name: _joined(self.X_train, self.X, name) for name in self.X.names}), y

    @cached_property
    def trial_data(self) -> tuple[Table, Array, Mapping[str, Array]]:
        """Rows, truth and sensitive features that models are fitted again on: of the training data where known.

        A model that cannot be fitted again is asked as it is, so these are rows that it has not seen.
        """
        X, y, sensitive = self.X, self.y, self.sensitive
        if self.X_train is not None and self.y_train is not None and can_be_fitted(self.estimator):
            X, y, sensitive = self.X_train, self.y_train, self.sensitive_train
        rows = np.sort(stream(self.random_state, "audit.trial").permutation(len(X))[:TRIAL_ROWS])
        return X.take(rows), y[rows], {name: group_labels(values)[rows] for name, values in sensitive.items()}

    @cached_property
    def trial(self) -> Trial:
        """The estimator and rows to fit it again on, in folds; the fits without a change are made once."""
        X, y, _ = self.trial_data
        return Trial.of(self.estimator, X, y, self.random_state, folds=TRIAL_FOLDS, model=self.read)

    def unit(self) -> str:
        """Return the unit of explanations, in words."""
        space = self.read.resolve(Space.RAW)
        own = "units of the target" if self.classes is None else "units of the score"
        return {Space.LOG_ODDS: "log-odds", Space.PROBABILITY: "probability"}.get(space, own)


def _model_columns(table: Table, features: tuple[str, ...], sensitive: Mapping[str, Array], what: str) -> Table:
    """Return the model's own columns: sensitive columns it does not read are set aside, others are refused."""
    if table.named:
        aside = [name for name in table.names if name in sensitive and name not in features]
        table = table.select([name for name in table.names if name not in aside]) if aside else table
    return table.aligned(features, what=what)


def _check_target(model: Model | None, y: Array, classes: Array | None) -> None:
    if classes is not None and model is not None:
        model.class_index(y)
    if classes is None:
        try:
            finite = np.isfinite(y.astype(np.float64)).all()
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the model predicts a number, but y has labels such as {y[0]!r}. Pass the numeric target."
            ) from error
        if not finite:
            raise InputError("y must have finite numbers for a regression model.")


def _read_training(
    X_train: Any, y_train: Any, features: tuple[str, ...], sensitive: Mapping[str, Array]
) -> tuple[Table | None, Array | None]:
    if X_train is None:
        if y_train is not None:
            raise InputError("y_train was given without X_train: pass both, or neither.")
        return None, None
    table = _model_columns(Table.of(X_train, what="X_train"), features, sensitive, "X_train")
    arguments.refuse_few_rows(len(table))
    return table, None if y_train is None else arguments.read_target(y_train, len(table), what="y_train")


def _joined(first: Table, second: Table, name: str) -> Array:
    """Return one column of both tables, whatever their containers; dates as seconds, so that they stay ordered."""
    parts = [_seconds(table, name) for table in (first, second)]
    if len({part.dtype.kind for part in parts}) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)


def _seconds(table: Table, name: str) -> Array:
    values = table.column(name)
    if table.kinds[table.names.index(name)] != "datetime":
        return values
    stamps = [np.datetime64("NaT") if value is None else np.datetime64(value) for value in values.tolist()]
    seconds = np.array(stamps, dtype="datetime64[s]")
    return np.where(np.isnat(seconds), np.nan, seconds.astype(np.float64))


def _sensitive_of_training(X_train: Any, sensitive: Mapping[str, Array]) -> dict[str, Array]:
    """Return the sensitive features that the training table has, whether or not the model reads them."""
    if X_train is None:
        return {}
    table = Table.of(X_train, what="X_train")
    return arguments.read_sensitive([name for name in sensitive if name in table.names], table)


def _read_background(
    background: Any, train: Table | None, X: Table, sensitive: Mapping[str, Array], random_state: int
) -> tuple[Table, str]:
    """Return the given rows, else a seeded sample of training rows, else of the audited rows."""
    if background is not None:
        table = _model_columns(Table.of(background, what="background"), X.names, sensitive, "background")
        if len(table) == 0:
            raise InputError("background must have at least one row; got none.")
        return table, f"the {len(table)} background rows you gave"
    source, name = (X, "audited") if train is None else (train, "training")
    if len(source) <= BACKGROUND_ROWS:
        return source, f"all {len(source)} {name} rows"
    chosen = stream(random_state, "audit.background").choice(len(source), size=BACKGROUND_ROWS, replace=False)
    return source.take(np.sort(chosen)), f"{BACKGROUND_ROWS} {name} rows drawn with seed {random_state}"
