"""The doors: `explain` and `Explainer`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass, replace
from typing import Any

import numpy as np

from pellucid._base.errors import AdditivityError, ColumnError, InputError, UnsupportedRequestError
from pellucid._base.progress import Progress
from pellucid._base.typing import Array, Names
from pellucid._kernels.answers import sums_of_features
from pellucid.adapters import as_model
from pellucid.adapters.function_of_rows import ASKED_AGAIN, prove_deterministic, prove_row_by_row
from pellucid.adapters.proof import prove
from pellucid.explainers.base import Attribution, Bound, Method, Question
from pellucid.explainers.choice import METHODS, Choice, choose, no_such_method
from pellucid.explainers.conditional import Conditional
from pellucid.explainers.groups import Groups, grouped
from pellucid.explainers.interactions import BoundMatrix, BoundPairs, check_top
from pellucid.explainers.lime import Lime
from pellucid.explainers.lime_masks import MaskedLime
from pellucid.explainers.options import check_output, check_question
from pellucid.explainers.pair_sampling import SampledPairs
from pellucid.explainers.shapley import Shapley
from pellucid.explanation import Explanation, Interactions, Pairs, Provenance, Quality
from pellucid.explanation._axes import named_positions
from pellucid.explanation.explanation import distinct_positions
from pellucid.explanation.provenance import package_versions
from pellucid.ir import Model, Space
from pellucid.table import Table


class Explainer:
    """A model made ready to be explained many times. Thread-safe: nothing changes after it is built.

    Parameters
    ----------
    model : object
        A fitted model of a library that pellucid reads, any object with ``predict`` or
        ``predict_proba``, or a function from rows to outputs.
    background : table of shape (background rows, features), optional
        Rows that stand for a hidden feature. All are used. Without it only tree ensembles can be
        explained, against the covers of their own training.
    method : str or Method
        ``"auto"``, ``"tree"``, ``"linear"``, ``"exact"``, ``"shapley"``, ``"permutation"``,
        ``"lime"``, or an instance such as ``Lime(kernel_width=2.0)``.
    output : str, int, sequence or None
        Outputs to keep, by name or position; None keeps all.
    space : str
        ``"raw"`` (the model's margin, else what it returns), ``"probability"``, ``"log_odds"`` or ``"loss"``.
    budget : int, optional
        Coalitions per row that a sampled method may evaluate.
    tol : float, optional
        Absolute error in `space` at which a sampled method stops.
    random_state : int
        Seed of every random stream.
    n_jobs : int, optional
        Threads; the answer does not depend on it.
    progress : bool or callable, optional
        Progress on long work; None shows a bar on a terminal only.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RandomForestRegressor(n_estimators=10, random_state=0).fit(X, y)
    >>> explainer = pellucid.Explainer(model, X.head(100))
    >>> explainer(X.head(3)).values.shape
    (3, 10, 1)
    """

    def __init__(
        self,
        model: Any,
        background: Any = None,
        *,
        method: str | Method = "auto",
        output: str | int | Sequence[str | int] | None = None,
        space: str = "raw",
        budget: int | None = None,
        tol: float | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> None:
        rows = None if background is None else Table.of(background, what="background")
        if rows is not None and len(rows) == 0:
            raise InputError("background must have at least one row; got none.")
        self.space = Space.of(space)
        self.model = as_model(model, reference=rows)
        check_output(output, self.model.outputs_in(self.space))
        self.output = output
        self.features: Names | None = self.model.features or (rows.names if rows is not None else None)
        self.background = (
            None if rows is None or self.features is None else rows.aligned(self.features, what="background")
        )
        self._background_has_names = rows is not None and rows.by_name
        self._background_hash = {} if self.background is None else {"background": self.background.digest()}
        self._question = Question(
            model=self.model,
            background=self.background,
            space=self.space,
            budget=budget,
            tol=tol,
            random_state=random_state,
            n_jobs=n_jobs,
            progress=progress,
        )
        check_question(self._question)
        self.choice = self._chosen(method)
        self._bound: Bound = self.choice.method.bind(self._question)
        if self.background is not None and self.choice.method.needs != "predict":
            prove(self.model, self.background)

    def with_background(self, background: Any) -> "Explainer":
        """Return the same question, with the same method, against other background rows."""
        asked = self._question
        return Explainer(
            self.model,
            background,
            method=self.choice.method,
            output=self.output,
            space=str(self.space),
            budget=asked.budget,
            tol=asked.tol,
            random_state=asked.random_state,
            n_jobs=asked.n_jobs,
            progress=asked.progress,
        )

    def _chosen(self, method: str | Method) -> Choice:
        if isinstance(method, type) and method in METHODS.values():
            raise InputError(f"method must be an instance: write {method.__name__}(), not {method.__name__}.")
        if not isinstance(method, str):
            if not callable(getattr(method, "bind", None)):
                raise InputError(no_such_method(method))
            return Choice(method, "asked for by the caller.")
        if method == "auto":
            n_features = len(self.features) if self.features else 0
            return choose(
                self.model,
                n_features=n_features,
                has_background=self.background is not None,
                space=self.space,
                budget=self._question.budget,
            )
        if method not in METHODS:
            raise InputError(no_such_method(method))
        return Choice(METHODS[method](), "asked for by name.")

    def __call__(self, X: Any, y: Any = None) -> Explanation:
        """Explain rows.

        Parameters
        ----------
        X : table of shape (rows, features)
            Columns are matched by name; their order does not matter.
        y : array of shape (rows,), optional
            True targets; needed in loss space.

        Raises
        ------
        AdapterMismatchError
            When our reading of the model differs from the model on these rows.
        AdditivityError
            When exact values do not add up to the model's output, or it is not deterministic.
        ModelError
            When the model's output for a row depends on the other rows.
        """
        started = time.perf_counter()
        table = self._aligned(Table.of(X))
        target = self._target(y, table)
        attribution = self._bound.explain(table, target)
        digest = table.begin_digest(self._question.n_jobs)
        predicted = self.model.predict(self._as_the_method_sees(table), self.space, target)
        residual = self._residual(attribution, predicted, table, target)
        if self.choice.method.needs == "predict" and self.background is not None and self.space is not Space.LOSS:
            prove_row_by_row(self.model, self.background, table, predicted, self.space)
        explanation = Explanation(
            values=attribution.values,
            base_values=attribution.base_values,
            std_error=attribution.std_error,
            features=table.names,
            outputs=self.model.outputs_in(self.space),
            space=self.model.resolve(self.space),
            quality=Quality(
                residual=residual,
                bound=attribution.bound if attribution.sums else None,
                evaluations=attribution.evaluations,
                local_r2=attribution.local_r2,
                top_stability=attribution.top_stability,
                warnings=attribution.warnings,
            ),
            provenance=self._provenance(attribution, digest, time.perf_counter() - started),
            data=table,
        )
        return explanation if self.output is None else explanation.take(outputs=self.output)

    def interactions(self, X: Any) -> Interactions:
        """Explain how pairs of features move the output together; parameters and errors as in calling it.

        Raises
        ------
        UnsupportedRequestError
            When the method has no interaction values: tree ensembles have, any model whose coalitions are all
            evaluated, and with a budget those that ``"shapley"`` explains.
        """
        started = time.perf_counter()
        table, std_error, symmetric = self._aligned(Table.of(X)), None, False
        budget = self._question.budget
        if isinstance(self._bound, BoundMatrix):
            values, sums = self._bound.interactions(table)
            symmetric = self._bound.symmetric
        elif isinstance(self.choice.method, Shapley) and budget is not None:
            values, std_error, sums = SampledPairs.of(self._question, budget).interactions(table)
        else:
            raise UnsupportedRequestError(
                "interactions need a tree ensemble and method='tree', or background= and method='exact' with a "
                "budget= of all coalitions or method='shapley' with a smaller one; "
                f"{self.model.label} is explained by method={self.choice.method.name!r} with budget={budget}."
            )
        digest = table.begin_digest(self._question.n_jobs)
        predicted = self.model.predict(table, self.space)
        residual = self._residual(sums, predicted, table, None)
        if self.choice.method.needs == "predict" and self.background is not None:
            prove_row_by_row(self.model, self.background, table, predicted, self.space)
        found = Interactions(
            values=values,
            base_values=sums.base_values,
            features=table.names,
            outputs=self.model.outputs_in(self.space),
            space=self.model.resolve(self.space),
            quality=Quality(
                residual=residual,
                bound=sums.bound if sums.sums else None,
                evaluations=sums.evaluations,
                warnings=sums.warnings,
            ),
            provenance=self._provenance(sums, digest, time.perf_counter() - started),
            data=table,
            std_error=std_error,
            symmetric=symmetric,
        )
        return found if self.output is None else _outputs_of(found, self.output)

    def pairs(self, X: Any, *, feature: str | None = None, top: int | None = None) -> Pairs:
        """Explain how one feature moves the output together with each other, or which pairs move it most.

        For wide tables: memory is proportional to the answer, not to the square of the number of features.

        Parameters
        ----------
        X : table of shape (rows, features)
        feature : str, optional
            Only pairs with this feature, its main effect (the pair with itself) included: half of each pair's
            effect and the main effect add up to its Shapley value. Pairs that are not listed do not interact.
        top : int, optional
            Only so many pairs, those with the largest mean absolute effect over the rows and outputs.

        Raises
        ------
        InputError
            When neither is given, or one is no feature or number.
        UnsupportedRequestError
            When the method has no interaction values.
        """
        started = time.perf_counter()
        bound = self._bound_pairs()
        check_top(top)
        if feature is None and top is None:
            raise InputError("pairs needs feature=, top= or both; interactions() has all pairs.")
        table = self._aligned(Table.of(X))
        at = None if feature is None else named_positions(feature, table.names, "feature")[0]
        found, sums = bound.pairs(table, at, top)
        digest = table.begin_digest(self._question.n_jobs)
        predicted = self.model.predict(table, self.space)
        residual = self._residual(sums, predicted, table, None)
        outputs = self.model.outputs_in(self.space)
        kept = [*range(len(outputs))] if self.output is None else distinct_positions(self.output, outputs, "output")
        return Pairs(
            values=found.values[..., kept],
            first=tuple(table.names[i] for i in found.pairs[:, 0]),
            second=tuple(table.names[j] for j in found.pairs[:, 1]),
            outputs=tuple(outputs[k] for k in kept),
            space=self.model.resolve(self.space),
            quality=Quality(residual=residual, bound=sums.bound, warnings=sums.warnings),
            provenance=self._provenance(sums, digest, time.perf_counter() - started),
            data=table,
        )

    def _bound_pairs(self) -> BoundPairs:
        if not isinstance(self._bound, BoundPairs):
            raise UnsupportedRequestError(
                f"pairs need a tree ensemble and method='tree'; {self.model.label} is explained by "
                f"method={self.choice.method.name!r}."
            )
        return self._bound

    def _aligned(self, table: Table) -> Table:
        """Match the rows' columns by name with the model's, or with the background's where the model has no names."""
        if not table.n_columns:
            raise InputError("X has no columns, so there is nothing to attribute the outputs to.")
        if self.features is None:
            return table
        if self.model.features is not None or self.background is None:
            return table.aligned(self.features)
        if table.by_name and not self._background_has_names and table.names != self.features:
            raise ColumnError(
                "X has column names, background and the model have none, so the columns cannot be matched. "
                "Pass X and background both as frames, or both as arrays."
            )
        return table.aligned(self.features, owner="background")

    def _as_the_method_sees(self, table: Table) -> Table:
        """The rows in the dtypes they get beside the background's: float32 beside float64 is float64."""
        if self.choice.method.needs != "predict" or self.background is None:
            return table
        together = self.background.stack(table)
        return together.take(np.arange(len(self.background), len(together)))

    def _target(self, y: Any, table: Table) -> Array | None:
        """One checked target per row; only the loss has a use for them."""
        if self.space is Space.LOSS:
            return self.model.targets(y, len(table))
        if y is not None:
            self.model.targets(y, len(table))
        return None

    def _another_way(self) -> str:
        return "use method='lime'" if self.choice.method.needs == "predict" else "use method='shapley'"

    def _residual(self, attribution: Attribution, predicted: Array, table: Table, target: Array | None) -> float:
        """Compare the sum with the ORIGINAL model's output; a promise that is broken raises."""
        sums = sums_of_features(attribution.values, n_jobs=self._question.n_jobs)
        gap = np.abs(attribution.base_values + sums - predicted)
        residual = float(gap.max(initial=0.0))
        if attribution.sums and not residual <= attribution.bound:
            worst = int(gap.max(axis=1).argmax())
            prove_deterministic(self.model, self._as_the_method_sees(table), predicted, self.space, target)
            if self.choice.method.needs != "predict":
                prove(self.model, table.take([worst]))
            raise AdditivityError(
                f"{self.choice.method.name} values of {self.model.label} should add up to its output within "
                f"{attribution.bound:.2g}, but differ by {residual:.2g} at row {worst}. Its output for a row may "
                f"depend on the other rows it is given; if not, {self._another_way()} and report this as a bug."
            )
        return residual

    def _provenance(self, attribution: Attribution, digest: Callable[[], str], seconds: float) -> Provenance:
        hashes = {"rows": digest(), **self._background_hash}
        method = self.choice.method
        return Provenance(
            method=method.name,
            reason=" ".join(filter(None, (self.choice.reason, attribution.reason))),
            model=self.model.label,
            background=attribution.background,
            parameters=asdict(method) if is_dataclass(method) and not isinstance(method, type) else {},
            random_state=self._question.random_state,
            hashes=hashes,
            versions=package_versions(),
            seconds=seconds,
        )

    def __repr__(self) -> str:
        return f"Explainer({self.model.label}, method={self.choice.method!r}, space={str(self.space)!r})"


def explain(
    model: Any,
    X: Any,
    *,
    background: Any = None,
    groups: Groups | None = None,
    neighbours: int | None = None,
    method: str | Method = "auto",
    output: str | int | Sequence[str | int] | None = None,
    space: str = "raw",
    budget: int | None = None,
    tol: float | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    progress: Progress = None,
    y: Any = None,
) -> Explanation:
    """Explain rows of a model: how much each feature moved each output.

    Parameters are those of `Explainer`; `y` has the true targets and is needed in loss space. `groups`, such as
    ``{"place": ["latitude", "longitude"]}``, has features that are shown and hidden together and get one value; the
    others stand alone. `neighbours`, such as 20, has hidden features take their values from so many background rows
    that are nearest to the row in what is shown (the conditional game), instead of from all of them (the marginal
    game): values then go to features that tell of others too, also to those that the model does not read.

    Returns
    -------
    Explanation
        Values of shape (rows, features, outputs) with their residual, bound and standard errors.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = LogisticRegression(max_iter=10_000).fit(X, y)
    >>> explanation = pellucid.explain(model, X.head(2), background=X, output=1)
    >>> explanation.values.shape
    (2, 13, 1)
    """
    options: dict[str, Any] = {
        "output": output,
        "space": space,
        "budget": budget,
        "tol": tol,
        "random_state": random_state,
        "n_jobs": n_jobs,
        "progress": progress,
    }
    if neighbours is not None:
        return _among_neighbours(model, X, background, method, groups=groups, neighbours=neighbours, options=options)
    if groups is None:
        return Explainer(model, background, method=method, **options)(X, y)
    asked = grouped(*own_tables(model, X, background, method, "groups="), groups)
    return asked.told(Explainer(asked.model, asked.background, method=method, **options)(asked.X, y))


def _among_neighbours(
    model: Any,
    X: Any,
    background: Any,
    method: Any,
    *,
    groups: Groups | None,
    neighbours: Any,
    options: dict[str, Any],
) -> Explanation:
    started = time.perf_counter()
    if Space.of(options["space"]) not in (Space.RAW, Space.PROBABILITY):
        raise UnsupportedRequestError(
            f"neighbours= averages outputs in space='raw' or 'probability'; got {options['space']!r}."
        )
    if method == "lime":
        method = MaskedLime()
    read, table, rows = own_tables(model, X, background, method, "neighbours=")
    asked = Conditional.of(read, table, rows, groups, neighbours)
    names = tuple(asked.players)
    shown, hidden = (Table.of(np.full((1, len(names)), value), names=names) for value in (1.0, 0.0))
    found = [Explainer(game, hidden, method=method, **options)(shown) for game in asked.games()]
    return asked.told(found, time.perf_counter() - started)


def own_tables(model: Any, X: Any, background: Any, method: Any, option: str) -> tuple[Model, Table, Table]:
    """The model, its rows and the background, for a game that is not that of single features."""
    if method == "lime" or isinstance(method, Lime):
        raise UnsupportedRequestError(
            f"method='lime' bins single features. Use MaskedLime() or 'shapley' with {option}"
        )
    if background is None:
        raise UnsupportedRequestError(
            f"{option} hides features by background rows: pass background=, such as 100 training rows."
        )
    rows = Table.of(background, what="background")
    read = as_model(model, reference=rows)
    names = read.features or rows.names
    return read, Table.of(X).aligned(names), rows.aligned(names, what="background")


def _outputs_of(found: Interactions, output: str | int | Sequence[str | int]) -> Interactions:
    kept = distinct_positions(output, found.outputs, "output")
    names = tuple(found.outputs[k] for k in kept)
    return replace(
        found,
        values=found.values[..., kept],
        std_error=None if found.std_error is None else found.std_error[..., kept],
        base_values=found.base_values[:, kept],
        outputs=names,
    )


def read_model(model: Any, X: Any) -> tuple[Model, Table]:
    """The model and its rows in the house's own forms, columns matched by name.

    Raises
    ------
    AdditivityError, ModelError
        When the model is random, or its output for a row depends on others.
    """
    table = Table.of(X)
    read = as_model(model, reference=table)
    table = table.aligned(read.features or table.names)
    few = table.take(np.arange(min(ASKED_AGAIN, len(table))))
    if len(few):
        prove_row_by_row(read, table, few, read.predict(few, Space.RAW), Space.RAW)
    return read, table
