"""`Explanation`: how much each feature moved each output of each row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import check_seed
from pellucid._base.typing import Array, Bool1, Float2, Float3, Int1, Names
from pellucid._base.words import counted
from pellucid.explanation import _html
from pellucid.explanation._axes import distinct_positions, largest_first, named_positions, summary
from pellucid.explanation._saved import Saved
from pellucid.explanation._shap import fields_of_shap, shap_of
from pellucid.explanation._shapes import freeze, freeze_folds, freeze_names, rank
from pellucid.explanation.importance import Importance, mean_with_interval
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Quality
from pellucid.ir import Space
from pellucid.table import Table, row_positions

__all__ = ["Explanation", "distinct_positions", "named_positions"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation(Saved):
    """Attributions with names, units and the measure of their own error. Arrays are read-only.

    Parameters
    ----------
    values : float64 array of shape (rows, features, outputs)
        Always rank 3, in units of `space`.
    base_values : float64 array of shape (rows, outputs)
        What the values are counted from.
    features, outputs : tuple of str
        Names of the last two axes of `values`.
    space : Space
        Units: what ``raw`` meant is already resolved.
    quality : Quality
        Residual against the original model, its bound, cost.
    provenance : Provenance
        Method, why it was chosen, parameters, seed, versions, hashes.
    data : Table or None
        The explained rows as the user gave them.
    std_error : float64 array of shape (rows, features, outputs) or None
        None means exact; every sampled method fills it.
    shapes : mapping of str to tuple of int, or None
        Names and own shapes, without the axis of rows, of the tensors that the features are the elements of, in
        their order; None for tables.

    Raises
    ------
    InputError
        When shapes do not match, names are doubled, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid import Explanation, Provenance, Quality, Space
    >>> explanation = Explanation(
    ...     values=np.array([[[1.0], [-2.0]], [[0.5], [0.0]]]), base_values=np.array([[3.0], [3.0]]),
    ...     features=("age", "income"), outputs=("price",), space=Space.RAW,
    ...     quality=Quality(residual=0.0, bound=1e-12),
    ...     provenance=Provenance(method="exact", reason="an example.", model="a toy"))
    >>> explanation.prediction.ravel()
    array([2. , 3.5])
    >>> explanation.top(1).features
    ('income',)
    """

    values: Float3
    base_values: Float2
    features: Names
    outputs: Names
    space: Space
    quality: Quality
    provenance: Provenance
    data: Table | None = None
    std_error: Float3 | None = None
    shapes: Mapping[str, tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        rows = rank(self.values, 3, "values", "(rows, features, outputs)")[0]
        freeze_names(self, "features")
        freeze_names(self, "outputs")
        shape = (rows, len(self.features), len(self.outputs))
        freeze(self, "values", shape, "(rows, features, outputs)")
        freeze(self, "base_values", (rows, len(self.outputs)), "(rows, outputs)")
        if self.std_error is not None:
            freeze(self, "std_error", shape, "(rows, features, outputs)", finite=False)
        if self.shapes is not None:
            freeze_folds(self, "shapes", len(self.features))
        if self.data is not None and len(self.data) != rows:
            raise InputError(f"data must have one row for each of the {rows} explained rows; got {len(self.data)}.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def prediction(self) -> Float2:
        """Base value plus values: what the explanation says the model's output is, (rows, outputs)."""
        return np.asarray(self.base_values + self.values.sum(axis=1))

    @property
    def shaped(self) -> Array:
        """The values in the explained tensor's own shape: (rows, …, outputs).

        Raises
        ------
        InputError
            When the features are not the elements of one tensor; `part` takes one of several.
        """
        names = list(self.shapes or ())
        if self.shapes is None or len(names) != 1:
            said = f"the values explain {len(names)} tensors; take one with part(name): {names}"
            raise InputError(said if names else "the features have no shape to fold to: they are columns of a table.")
        return self.values.reshape(len(self), *self.shapes[names[0]], len(self.outputs))

    def part(self, name: str) -> Self:
        """Return the values of one of several explained tensors; those of the others move into the base value."""
        shapes = dict(self.shapes or {})
        if name not in shapes:
            raise InputError(f"there is no explained tensor {name!r:.80}; there are {list(shapes)}.")
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()]).tolist()
        end = ends[list(shapes).index(name)]
        size = math.prod(shapes[name])
        return replace(self.take(features=range(end - size, end)), shapes={name: shapes[name]})

    def output_index(self, output: str | int) -> int:
        """Position of an output given by name or number."""
        return named_positions(output, self.outputs, "output")[0]

    def take(
        self,
        *,
        rows: Sequence[int] | Sequence[bool] | Int1 | Bool1 | None = None,
        features: str | int | Sequence[str | int] | None = None,
        outputs: str | int | Sequence[str | int] | None = None,
    ) -> Self:
        """Return the part with these rows, features and outputs (names or positions).

        Values of dropped features move into the base value, so the rest still adds up. Residual, bound
        and cost stay those of the whole explanation.

        Parameters
        ----------
        rows : sequence of int, or mask of bool, optional
            Negative numbers count from the end.
        features, outputs : name, position or sequence of them, optional

        Raises
        ------
        InputError
            When one is not there, or a feature or output is asked for twice.
        """
        r = np.arange(len(self), dtype=np.int64) if rows is None else row_positions(rows, len(self))
        f = [*range(len(self.features))] if features is None else distinct_positions(features, self.features, "feature")
        o = [*range(len(self.outputs))] if outputs is None else distinct_positions(outputs, self.outputs, "output")
        kept = set(f)
        dropped = [j for j in range(len(self.features)) if j not in kept]
        base = self.base_values + self.values[:, dropped].sum(axis=1) if dropped else self.base_values
        wanted, kept_outputs = np.asarray(f, dtype=np.int64), np.asarray(o, dtype=np.int64)
        part = np.ix_(r, wanted, kept_outputs)
        return replace(
            self,
            values=self.values[part],
            base_values=base[np.ix_(r, kept_outputs)],
            std_error=None if self.std_error is None else self.std_error[part],
            features=tuple(self.features[j] for j in f),
            outputs=tuple(self.outputs[k] for k in o),
            quality=self.quality.part(r, o),
            data=None if self.data is None else self.data.take(r),
            shapes=self.shapes if features is None else None,
        )

    def top(self, k: int = 10) -> Self:
        """Return the `k` features with the largest mean absolute value, largest first; the rest moves into the base.

        With several outputs the sizes are added up over them.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InputError(f"k must be a positive whole number of features; got {k!r}.")
        return self.take(features=largest_first(self._sizes())[:k].tolist())

    def importance(self, *, random_state: int = 0) -> Importance:
        """Mean absolute value of each feature over the rows, with a 95 % percentile bootstrap interval.

        The interval says how the mean would move with other rows drawn like these; it does not contain
        the method's own sampling error. With one row there is no interval: it is NaN.

        Parameters
        ----------
        random_state : int
            Seed of the bootstrap.

        Raises
        ------
        InputError
            When there is no row, or the seed is no whole number.
        """
        check_seed(random_state)
        if not len(self):
            raise InputError("the importance of features needs at least one explained row; there is none.")
        mean, low, high = mean_with_interval(np.abs(self.values), random_state)
        return Importance(
            values=mean,
            low=low,
            high=high,
            features=self.features,
            outputs=self.outputs,
            measure="mean absolute value",
            space=self.space,
            n_rows=len(self),
            provenance=self.provenance,
        )

    def to_frame(self, output: str | int | None = None) -> Any:
        """Return the values as a frame of the user's own type (pandas where the data were not in a frame).

        For one output: a row for each explained row, a column for each feature, then ``base_value`` and
        ``prediction`` (with underscores added while a feature has that name).

        For several outputs without `output`: a row for each row, output and feature, with the columns
        row, output, feature, value, std_error (only of sampled methods), base_value, prediction.

        Parameters
        ----------
        output : str or int, optional
            The output to show, by name or position.
        """
        if output is None and len(self.outputs) != 1:
            return self._frame_of(self._long())
        k = 0 if output is None else self.output_index(output)
        columns: dict[str, Any] = {name: self.values[:, j, k].copy() for j, name in enumerate(self.features)}
        for name, column in (("base_value", self.base_values), ("prediction", self.prediction)):
            while name in columns:
                name += "_"  # noqa: PLW2901
            columns[name] = column[:, k].copy()
        return self._frame_of(columns)

    def _long(self) -> dict[str, Any]:
        rows, features, outputs = self.values.shape
        columns: dict[str, Any] = {
            "row": np.repeat(np.arange(rows), outputs * features),
            "output": [name for name in self.outputs for _ in range(features)] * rows,
            "feature": list(self.features) * (rows * outputs),
            "value": self.values.transpose(0, 2, 1).ravel(),
        }
        if self.std_error is not None:
            columns["std_error"] = self.std_error.transpose(0, 2, 1).ravel()
        columns["base_value"] = np.repeat(self.base_values.ravel(), features)
        columns["prediction"] = np.repeat(self.prediction.ravel(), features)
        return columns

    def _frame_of(self, columns: dict[str, Any]) -> Any:
        like = self.data if self.data is not None else Table.of(np.empty((0, 0)))
        return like.frame_like(columns)

    def to_shap(self) -> Any:
        """Return a `shap.Explanation` for shap's plots; for a single output the last axis is dropped.

        Categories and text are numbers in its ``data`` and themselves in its ``display_data``.

        Raises
        ------
        MissingDependencyError
            When shap is not installed.
        """
        return shap_of(self)

    @classmethod
    def from_shap(
        cls,
        explanation: Any,
        *,
        space: str = "raw",
        features: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
        predictions: Any = None,
    ) -> Self:
        """Take over a `shap.Explanation`.

        Parameters
        ----------
        explanation : shap.Explanation
            With values of shape (rows, features) or (rows, features, outputs).
        space : str
            What the values are measured in: shap does not say.
        features, outputs : sequence of str, optional
            Names, where shap does not have them.
        predictions : array of shape (rows, outputs), optional
            The model's own outputs; without them the residual is not measured, and a warning says so.

        Raises
        ------
        InputError
            When shapes do not fit together, or these are interaction values.
        """
        named = None if features is None else tuple(features)
        labels = None if outputs is None else tuple(outputs)
        fields = fields_of_shap(explanation, space=space, features=named, outputs=labels, predictions=predictions)
        return cls(**fields)

    def _sizes(self) -> Float2:
        """Mean absolute value, (features, outputs); zero without rows."""
        return np.asarray(np.abs(self.values).sum(axis=0) / max(len(self), 1))

    def _title(self) -> str:
        rows, features, outputs = self.values.shape
        size = f"{counted(rows, 'row')} × {counted(features, 'feature')} × {counted(outputs, 'output')}"
        return f"{self.provenance.method}, {size}, {self.space}"

    def __repr__(self) -> str:
        sizes = self._sizes().sum(axis=1)
        order = largest_first(self._sizes())
        return "\n".join(
            [
                f"Explanation({self._title()})",
                f"  {self.quality.sentence()}",
                f"  mean |value|: {summary([self.features[j] for j in order], sizes[order].tolist())}",
                *(f"  warning: {warning:.200}" for warning in self.quality.warnings),
            ]
        )

    def _repr_html_(self) -> str:
        shown = min(len(self.outputs), _html.OUTPUTS)
        lines = [
            _html.escaped(self.quality.sentence(), 200),
            *(f"⚠ {_html.escaped(warning, 300)}" for warning in self.quality.warnings),
            _html.more(len(self) - _html.ROWS, "rows"),
            _html.more(len(self.features) - _html.COLUMNS, "features, whose values are smaller"),
            _html.more(len(self.outputs) - shown, "outputs"),
        ]
        return _html.block(
            f"Explanation: {_html.escaped(self._title(), 200)}", lines, [self._html_table(k) for k in range(shown)]
        )

    def _html_table(self, k: int) -> str:
        columns = largest_first(self._sizes()[:, [k]])[: _html.COLUMNS]
        shown = self.take(rows=np.arange(min(len(self), _html.ROWS)))
        head = ["row", *(_html.escaped(self.features[j]) for j in columns), "base value"]
        rows = []
        for i in range(len(shown)):
            cells = [shown._html_cell(i, int(j), k) for j in columns]
            rows.append([str(i), *cells, *(_html.number(v) for v in (self.base_values[i, k], shown.prediction[i, k]))])
        head.append(f"prediction: {_html.escaped(self.outputs[k])}")
        return _html.table(head, rows)

    def _html_cell(self, row: int, feature: int, output: int) -> str:
        error = None if self.std_error is None else float(self.std_error[row, feature, output])
        cell = _html.signed(float(self.values[row, feature, output]), error)
        name = self.features[feature]
        if self.data is None or name not in self.data.names:
            return cell
        own = self.data.column(name)[row]
        said = "missing" if own is None or own != own else _html.number(own) if isinstance(own, float) else own  # noqa: PLR0124
        return f'{cell}<br><span style="color:{_html.MUTED}">{_html.escaped(said, 24)}</span>'
