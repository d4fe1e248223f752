"""PEL301 and PEL302: which features the model uses, by exact values and by shuffling."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import figure, interval_text, percent
from pellucid._base.typing import Float1, Float2
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.metrics import percentiles, resamples
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import listed, named

MOST_SHOWN = 15


def absolute_values(subject: Subject) -> Float2:
    """Absolute attributions (rows, features), averaged over outputs that are not each other's mirror."""
    values = np.abs(subject.explanation.values)
    return np.asarray(values[:, :, 1] if subject.task == "binary" else values.mean(axis=2))


@dataclass(frozen=True, kw_only=True)
class ShapleyImportance(Question):
    """Mean absolute Shapley value of every feature, with intervals."""

    def run(self, subject: Subject) -> Finding:
        """Average the main explanation over its rows."""
        size = absolute_values(subject)
        weights = subject.weights[subject.explained_rows]
        mean, low, high = mean_with_interval(size, weights, subject.random_state)
        order = np.argsort(-mean, kind="stable")
        features = [subject.explanation.features[j] for j in order]
        share = mean / mean.sum() if mean.sum() > 0 else mean
        unit = subject.unit()
        first = f"{figure(mean[order[0]])} {unit}"
        if np.isfinite(low[order[0]]):
            first = f"{interval_text(mean[order[0]], low[order[0]], high[order[0]])} {unit}"
        source = subject.explanation.provenance
        return self.finding(
            Verdict.PASS,
            f"The model leans most on {listed(features[:3])}, which carry "
            f"{_series([percent(share[j]) for j in order[:3]])} of all attribution over {counted(len(size), 'row')}.",
            detail=f"{named(features[0])} moves the output by {first} on average.",
            how=f"Mean absolute Shapley values against {subject.background_note}; method {source.method}: "
            f"{source.reason.rstrip('.')}. 95 % intervals from resampling the explained rows. Features are the columns "
            "of X, before any encoding.",
            measures=tuple(
                Measure(
                    name=f"mean |attribution| of {subject.explanation.features[j]}",
                    value=float(mean[j]),
                    low=float(low[j]),
                    high=float(high[j]),
                    n=len(size),
                    unit=unit,
                )
                for j in order
            ),
            exhibits=(
                Exhibit(
                    kind="bars",
                    title="What the model uses",
                    description=f"The features by their mean absolute Shapley value: {listed(features)}.",
                    table={
                        "label": features[:MOST_SHOWN],
                        "value": mean[order][:MOST_SHOWN].tolist(),
                        "low": low[order][:MOST_SHOWN].tolist(),
                        "high": high[order][:MOST_SHOWN].tolist(),
                        "share": share[order][:MOST_SHOWN].tolist(),
                    },
                    options={"x_title": f"mean absolute Shapley value ({unit})"},
                ),
            ),
            weight=float(share.max()),
        )


def _series(parts: list[str]) -> str:
    """Join parts: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def mean_with_interval(size: Float2, weights: Float1, random_state: int) -> tuple[Float1, Float1, Float1]:
    """Weighted mean over rows of each column, with 95 % percentile intervals over resampled rows."""
    draws = np.array([w @ size / w.sum() for w in resamples(weights, random_state, "audit.importance") if w.sum() > 0])
    mean = weights @ size / weights.sum()
    ends = [percentiles(draws[:, j]) for j in range(size.shape[1])]
    low, high = (np.array([end[side] for end in ends], dtype=float) for side in (0, 1))
    return mean, low, high


@dataclass(frozen=True, kw_only=True)
class ShuffleImportance(Question):
    """How much worse the model gets when one feature is shuffled."""

    def run(self, subject: Subject) -> Finding:
        """Compare the ranking with the Shapley ranking."""
        if subject.classes is not None and subject.probability is None:
            raise NotApplicable("the model has no probabilities, so there is no loss to compare.")
        found = subject.permutation
        value, low, high = (np.asarray(part)[:, 0] for part in (found.values, found.low, found.high))
        order = np.argsort(-value, kind="stable")
        needed = [found.features[j] for j in order if low[j] > 0]
        rise = interval_text(value[order[0]], low[order[0]], high[order[0]])
        rows = counted(found.n_rows, "held-out row")
        others = f"Next come {listed(needed[1:3])}. " if len(needed) > 2 else ""
        return self.finding(
            Verdict.PASS,
            f"The model needs {named(needed[0])} most: shuffling it among {rows} raises the loss by {rise}."
            if needed
            else f"The model needs no single feature: shuffling one among {rows} raises the loss by at most {rise}.",
            detail=f"{others}A feature that carries much attribution and ranks low here is used without helping.",
            how=f"Permutation importance: {found.measure}. Correlated features share their importance, and shuffled "
            "rows may be unlike any real row.",
            measures=tuple(
                Measure(
                    name=f"loss without {found.features[j]}",
                    value=float(value[j]),
                    low=float(low[j]),
                    high=float(high[j]),
                    n=found.n_rows,
                )
                for j in order
            ),
            exhibits=(
                Exhibit(
                    kind="bars",
                    title="What the model needs",
                    description="Rise of the loss when a feature is shuffled, largest first.",
                    table={
                        "label": [found.features[j] for j in order[:MOST_SHOWN]],
                        "value": value[order][:MOST_SHOWN].tolist(),
                        "low": low[order][:MOST_SHOWN].tolist(),
                        "high": high[order][:MOST_SHOWN].tolist(),
                    },
                    options={"x_title": found.measure},
                ),
            ),
        )


SHAPLEY_IMPORTANCE = ShapleyImportance(
    code="PEL301",
    title="What the model uses",
    section=Section.USE,
    why="Whoever answers for a model must know what it looks at.",
)
SHUFFLE_IMPORTANCE = ShuffleImportance(
    code="PEL302",
    title="What the model needs",
    section=Section.USE,
    why="A feature can move the output without making it better; shuffling shows what helps.",
)
