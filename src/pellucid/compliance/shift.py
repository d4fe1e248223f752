"""`compare`: two explanations of two periods or versions, and whether the data or the reasoning shifted."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.typing import Float1, Names
from pellucid.compliance.data_shift import data_shift
from pellucid.compliance.reasoning_shift import Evidence, paired_reasoning, unpaired_reasoning
from pellucid.explanation import Explanation
from pellucid.table import Table, listed

FEWEST_ROWS = 50
LEAST_OVERLAP = 0.1
"""Of 1: below it the periods share too few alike rows to compare the reasoning on."""
JOINTLY = "(all together)"


@dataclass(frozen=True, kw_only=True)
class FeatureShift:
    """What shifted in one feature.

    Parameters
    ----------
    feature : str
    size_before, size_after : float
        Mean absolute attribution.
    distance : float
        Of the feature's distributions: Kolmogorov's for numbers, total variation for categories, 0 to 1.
    p_data : float
        Of no data shift, adjusted for all features.
    change, low, high : float
        Size of the change of the attribution at the same values, with its interval, as a share of the strongest
        feature's mean absolute attribution.
    """

    feature: str
    size_before: float
    size_after: float
    distance: float
    p_data: float
    change: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Shift:
    """What an explanation of one period or version has that another has not.

    Parameters
    ----------
    output : str
    n_before, n_after : int
    paired : bool
        Whether both explained the same rows.
    features : tuple of FeatureShift
        The largest changes of reasoning first.
    p_joint : float
        Of no shift in how features go together (energy distance).
    data_shift : bool
    reasoning_shift : bool or None
        None where the periods have too few alike rows to tell.
    overlap : float
        How alike the rows of the two periods are, 0 to 1.
    level, material : float
        Significance, and the change that counts as material.
    notes : tuple of str
    """

    output: str
    n_before: int
    n_after: int
    paired: bool
    features: tuple[FeatureShift, ...]
    p_joint: float
    data_shift: bool
    reasoning_shift: bool | None
    overlap: float
    level: float
    material: float
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``"none"``, ``"data"``, ``"reasoning"``, ``"both"``, or ``"data, reasoning unknown"``."""
        if self.reasoning_shift is None:
            return "data, reasoning unknown"
        found = [name for name, shifted in (("data", self.data_shift), ("reasoning", self.reasoning_shift)) if shifted]
        return {0: "none", 1: found[0] if found else "", 2: "both"}[len(found)]

    def sentences(self) -> tuple[str, ...]:
        """Say what was found."""
        data = [f.feature for f in self.features if f.p_data <= self.level]
        if self.p_joint <= self.level:
            data.append(JOINTLY)
        moved = [f for f in self.features if f.low > self.material]
        rows = f"the same {self.n_before:,} rows" if self.paired else f"{self.n_before:,} and {self.n_after:,} rows"
        said = [
            f"Data: {f'shifted in {listed(data)}' if self.data_shift else 'no shift shown'} ({rows}, "
            f"level {self.level:g}, adjusted for all features)."
        ]
        if self.reasoning_shift is None:
            said.append(
                f"Reasoning: cannot be told, because the periods overlap too little ({percent(self.overlap)}); "
                "explain the same rows with both versions."
            )
        elif moved:
            parts = ", ".join(
                f"{f.feature!r} by {percent(f.change)} [{percent(f.low)}, {percent(f.high)}]" for f in moved[:5]
            )
            said.append(
                f"Reasoning: at the same values the attributions changed: {parts} of the strongest feature’s mean size."
            )
        else:
            said.append(
                f"Reasoning: no change above {percent(self.material)} of the strongest feature’s mean size shown."
            )
        return (*said, *self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "schema": "pellucid.shift/1",
            "verdict": self.verdict,
            **asdict(self),
            "sentences": list(self.sentences()),
        }

    def to_frame(self) -> Any:
        """Return one row per feature as a pandas frame."""
        rows = [asdict(feature) for feature in self.features]
        columns = {name: [row[name] for row in rows] for name in FeatureShift.__dataclass_fields__}
        return Table.of(np.empty((0, 0))).frame_like(columns)

    def __repr__(self) -> str:
        return "\n".join([f"Shift({self.verdict})", *(f"  {sentence}" for sentence in self.sentences())])


def compare(
    before: Explanation,
    after: Explanation,
    *,
    output: str | int | None = None,
    level: float = 0.01,
    material: float = 0.05,
    random_state: int = 0,
) -> Shift:
    """Compare two explanations, of two periods or of two versions of a model, and tell what shifted.

    *Data shift*: the rows come from another distribution. Tested by permuting which period a row is from: one
    statistic per feature and one for all together, adjusted by their largest (Westfall and Young 1993).

    *Reasoning shift*: a row with the same values gets other attributions. Of the same rows this is seen directly. Of
    different rows it is the conditional independence of attribution and period given the values, tested by the weighted
    generalised covariance measure (Shah and Peters 2020; Scheidegger, Hörrmann and Bühlmann 2022) with out-of-bag
    forests, against changes up to `material` rather than against none, because forests are not perfect.

    Parameters
    ----------
    before, after : Explanation
        Of the same features and units, with their data.
    output : str or int, optional
        The output to compare; by default the last.
    level : float
        Chance of a false alarm, for each of the two tests; small, since periods are compared again and again.
    material : float
        Change of an attribution that counts, as a share of the strongest feature's mean absolute attribution.
    random_state : int

    Returns
    -------
    Shift

    Raises
    ------
    InputError
        When they do not have the same features and units, have no data, or fewer than 50 rows.

    Examples
    --------
    >>> import numpy as np
    >>> import pellucid
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> old = pellucid.explain(lambda X: X @ [1.0, 2.0, 0.0], X, background=X[:50])
    >>> new = pellucid.explain(lambda X: X @ [1.0, 1.0, 1.0], X, background=X[:50])
    >>> pellucid.compare(old, new).verdict
    'reasoning'
    """
    _check_share("level", level)
    _check_share("material", material)
    first, second = _comparable(before, after, output)
    rows_before, rows_after = _data_of(first, "before"), _data_of(second, "after")
    paired = rows_before.digest() == rows_after.digest()
    both = rows_before.stack(rows_after)
    codes = both.codes(both.vocabulary())
    categorical = np.array([kind not in ("number", "bool") for kind in both.kinds])
    values = np.concatenate([first.values[:, :, 0], second.values[:, :, 0]])
    period = np.repeat([0.0, 1.0], [len(first), len(second)])
    sizes = [np.abs(part.values[:, :, 0]).mean(axis=0) for part in (first, second)]
    scale = max(float(np.max(sizes)), np.finfo(float).tiny)
    noise = 0.0 if first.std_error is None else float(np.mean(first.std_error))
    if paired:
        distances, p_values, p_joint = np.zeros(len(sizes[0])), np.ones(len(sizes[0])), 1.0
        found = paired_reasoning(values, scale=scale, level=level)
    else:
        distances, p_values, p_joint = data_shift(codes, period, categorical, random_state=random_state)
        found = unpaired_reasoning(
            codes, values, period, categorical, scale=scale, level=level, random_state=random_state
        )
    data = bool(min(p_values.min(initial=1.0), p_joint) <= level)
    unknown = found.overlap < LEAST_OVERLAP
    return Shift(
        output=first.outputs[0],
        n_before=len(first),
        n_after=len(second),
        paired=paired,
        features=_features(first.features, sizes, distances, p_values, found),
        p_joint=p_joint,
        data_shift=data,
        reasoning_shift=None if unknown else bool((found.low > material).any()),
        overlap=found.overlap,
        level=level,
        material=material,
        notes=_notes(before, after, noise / scale > material),
    )


def _features(
    names: Names, sizes: list[Float1], distances: Float1, p_values: Float1, found: Evidence
) -> tuple[FeatureShift, ...]:
    shifts = [
        FeatureShift(
            feature=name,
            size_before=float(sizes[0][j]),
            size_after=float(sizes[1][j]),
            distance=float(distances[j]),
            p_data=float(p_values[j]),
            change=float(found.change[j]),
            low=float(found.low[j]),
            high=float(found.high[j]),
        )
        for j, name in enumerate(names)
    ]
    return tuple(sorted(shifts, key=lambda shift: -shift.low))


def _comparable(before: Any, after: Any, output: str | int | None) -> tuple[Explanation, Explanation]:
    for name, explanation in (("before", before), ("after", after)):
        if not isinstance(explanation, Explanation):
            raise InputError(f"{name} must be an Explanation; got {type(explanation).__name__}.")
        if len(explanation) < FEWEST_ROWS:
            raise InputError(f"{name} must explain at least {FEWEST_ROWS} rows to be compared; got {len(explanation)}.")
    if set(before.features) != set(after.features):
        other = sorted(set(before.features) ^ set(after.features))
        raise InputError(f"before and after must have the same features; only one has {listed(other)}.")
    if before.space != after.space:
        raise InputError(
            f"before is in {str(before.space)!r} and after in {str(after.space)!r}: explain both in one space."
        )
    chosen = before.outputs[-1] if output is None else before.outputs[before.output_index(output)]
    if chosen not in after.outputs:
        raise InputError(f"after has no output {chosen!r}; it has {listed(after.outputs)}.")
    return before.take(outputs=chosen), after.take(outputs=chosen, features=list(before.features))


def _data_of(explanation: Explanation, name: str) -> Table:
    if explanation.data is None:
        raise InputError(f"{name} has no data: explain the rows again, or keep them with the explanation.")
    return explanation.data.select(explanation.features)


def _notes(before: Explanation, after: Explanation, noisy: bool) -> tuple[str, ...]:
    notes = []
    grounds = [e.provenance.hashes.get("background") for e in (before, after)]
    if grounds[0] != grounds[1]:
        notes.append(
            "The two were explained against different backgrounds, which by itself changes attributions: a reasoning "
            "shift may be one of the reference."
        )
    methods = (before.provenance.method, after.provenance.method)
    if methods[0] != methods[1]:
        notes.append(f"The methods differ: {methods[0]} before, {methods[1]} after.")
    if noisy:
        notes.append("The attributions' own standard error is larger than what counts as material: raise the budget.")
    return tuple(notes)


def _check_share(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InputError(f"{name} must be a number between 0 and 1; got {value!r:.40}.")
