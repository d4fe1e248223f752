"""PEL401: single decisions, Shapley values and LIME side by side, for rows that were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.typing import Float1
from pellucid.auditing.checks.base import Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import cell, counted, figure, named, percent
from pellucid.explanation import Explanation
from pellucid.table import Table

MOST_BARS = 10
MOST_REASONS = 3


@dataclass(frozen=True, kw_only=True)
class SingleDecisions(Question):
    """Why single rows got what they got."""

    def run(self, subject: Subject) -> Finding | list[Finding]:
        """One finding per row, or one that says how to ask."""
        if subject.rows is None:
            return self.finding(
                Verdict.NOTE,
                "No single decision is shown, because rows are people and none was asked for. Ask with "
                "rows=[3, 17] or rows='typical' (typical, borderline, most wrong); on the command line --rows 3,17.",
            )
        chosen = chosen_rows(subject)
        rows = [row for row, _ in chosen]
        table = subject.X.take(rows)
        shapley, lime = subject.explainer(table), subject.lime(table)
        return [
            self._one(subject, shapley.take(rows=[i]), lime.take(rows=[i]), row, reason, i, (shapley, lime))
            for i, (row, reason) in enumerate(chosen)
        ]

    def _one(
        self,
        subject: Subject,
        shapley: Explanation,
        lime: Explanation,
        row: int,
        reason: str,
        position: int,
        whole: tuple[Explanation, Explanation],
    ) -> Finding:
        k = output_of(subject, row)
        values, other = shapley.values[0, :, k], lime.values[0, :, k]
        shown = row_values(subject.X, row)
        quality = _quality(subject, whole, position, k)
        order = np.argsort(-np.abs(values), kind="stable")
        agree = len(set(order[:MOST_REASONS]) & set(np.argsort(-np.abs(other), kind="stable")[:MOST_REASONS]))
        return self.finding(
            Verdict.PASS,
            _sentence(subject, row, reason, k, values, order, shown)
            + f" LIME names {agree} of the same {min(MOST_REASONS, len(values))} leading features. {quality.words}",
            how=f"Shapley values ({shapley.provenance.method}) against {subject.background_note}, in {subject.unit()}; "
            "LIME fits a linear model near the row. The two answer different questions, so they may differ.",
            measures=quality.measures,
            exhibits=(
                _waterfall(subject, shapley, k, row, order, shown),
                _comparison(subject, values, other, order, row),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class _RowQuality:
    words: str
    measures: tuple[Measure, ...]


def chosen_rows(subject: Subject) -> list[tuple[int, str]]:
    """Row numbers with why each is shown."""
    if not isinstance(subject.rows, str):
        return [(int(row), "asked for") for row in np.asarray(subject.rows)]
    loss = row_loss(subject)
    if subject.classes is None:
        centre = np.abs(subject.raw[:, 0] - np.median(subject.raw[:, 0]))
        wanted = [(centre, "typical: closest to the median prediction"), (-loss, "most wrong: the largest error")]
    else:
        margin = _margin(subject)
        usual = np.abs(margin - np.median(margin))
        wanted = [
            (usual, "typical: as sure as the median decision"),
            (margin, "borderline: closest to the cut-off"),
            (-loss, "most wrong: furthest from the truth"),
        ]
    taken: list[tuple[int, str]] = []
    for measure, reason in wanted:
        free = [int(row) for row in np.argsort(measure, kind="stable") if int(row) not in {r for r, _ in taken}]
        taken.append((free[0], reason))
    return taken


def row_loss(subject: Subject) -> Float1:
    """How wrong each row is: absolute error, or how little score the true class has."""
    if subject.classes is None:
        return np.asarray(np.abs(subject.raw[:, 0] - subject.y.astype(float)))
    return np.asarray(-subject.scores[np.arange(subject.n), subject.y_index])


def _margin(subject: Subject) -> Float1:
    """Distance of each row from the nearest other decision."""
    if subject.task == "binary":
        return np.asarray(np.abs(subject.scores[:, 1] - subject.cut))
    ordered = np.sort(subject.scores, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def output_of(subject: Subject, row: int) -> int:
    """Output that a row's explanation is about: the second of two classes, the predicted of many, or the number."""
    if subject.task == "regression":
        return 0
    return 1 if subject.task == "binary" else int(subject.predicted_index[row])


def row_values(X: Table, row: int) -> list[str]:
    """Return the row's own values as text."""
    one = X.take([row])
    return [cell(one.column(name)[0]) for name in X.names]


def _sentence(
    subject: Subject, row: int, reason: str, k: int, values: Float1, order: Sequence[Any], shown: list[str]
) -> str:
    up = [j for j in order if values[j] > 0][:MOST_REASONS]
    down = [j for j in order if values[j] < 0][:MOST_REASONS]
    names = subject.explanation.features

    def listing(positions: list[Any]) -> str:
        return ", ".join(f"{named(names[j])} = {named(shown[j])} ({values[j]:+.3g})" for j in positions) or "nothing"

    return f"Row {row} ({reason}): {_outcome(subject, row, k)} Upwards: {listing(up)}. Downwards: {listing(down)}."


def _outcome(subject: Subject, row: int, k: int) -> str:
    if subject.classes is None:
        return f"predicted {figure(subject.raw[row, 0])}, true {figure(float(subject.y[row]))}."
    decided = named(subject.classes[subject.predicted_index[row]])
    score = subject.scores[row, k]
    how_sure = percent(score) if subject.probability is not None else f"a score of {figure(score)}"
    cut = f" (cut-off {figure(subject.cut)})" if subject.task == "binary" else ""
    return f"the model gives {named(subject.classes[k])} {how_sure}{cut} and decides {decided}; true is {named(subject.y[row])}."


def _quality(subject: Subject, whole: tuple[Explanation, Explanation], position: int, k: int) -> _RowQuality:
    """Return what is known about the two explanations of one row."""
    shapley, lime = whole
    unit = subject.unit()
    measures = [Measure(name="residual", value=shapley.quality.residual, n=len(shapley), unit=unit)]
    words = [f"Shapley residual at most {figure(shapley.quality.residual)} {unit}"]
    if shapley.quality.bound is not None:
        words[0] += f" (bound {figure(shapley.quality.bound)})"
    if shapley.std_error is not None:
        error = float(shapley.std_error[position, :, k].max())
        measures.append(Measure(name="largest standard error", value=error, n=1, unit=unit))
        words.append(f"standard errors up to {figure(error)}")
    if lime.quality.local_r2 is not None:
        r2 = float(lime.quality.local_r2[position, k])
        measures.append(Measure(name="LIME local R²", value=r2, n=1))
        words.append(f"LIME's local R² {figure(r2)}")
    if lime.quality.top_stability is not None:
        stable = float(lime.quality.top_stability[position, k])
        measures.append(Measure(name="LIME top features stay", value=stable, n=1, unit="share"))
        words.append(f"its leading features would stay in {percent(stable)} of fresh samples")
    return _RowQuality(words="; ".join(words) + ".", measures=tuple(measures))


def _waterfall(
    subject: Subject, shapley: Explanation, k: int, row: int, order: Sequence[Any], shown: list[str]
) -> Exhibit:
    values = shapley.values[0, :, k]
    first, rest = list(order[:MOST_BARS]), list(order[MOST_BARS:])
    names = [shapley.features[j] for j in first]
    texts = [shown[j] for j in first]
    contributions = [float(values[j]) for j in first]
    if rest:
        names.append(counted(len(rest), "other feature"))
        texts.append("")
        contributions.append(float(values[rest].sum()))
    base, total = float(shapley.base_values[0, k]), float(shapley.prediction[0, k])
    return Exhibit(
        kind="waterfall",
        title=f"Row {row}: from the average to this prediction",
        description=f"Starting at {figure(base)}, the features move the output to {figure(total)} {subject.unit()}.",
        table={"feature": names, "shown": texts, "contribution": contributions},
        options={"base": base, "prediction": total, "x_title": _axis(subject, shapley, k)},
    )


def _comparison(subject: Subject, values: Float1, other: Float1, order: Sequence[Any], row: int) -> Exhibit:
    first = list(order[:MOST_BARS])
    names = [subject.explanation.features[j] for j in first]
    return Exhibit(
        kind="compare",
        title=f"Row {row}: Shapley values and LIME",
        description="The same row by two methods. Where they differ in sign, neither should be quoted alone.",
        table={
            "feature": names * 2,
            "method": ["Shapley"] * len(first) + ["LIME"] * len(first),
            "contribution": [float(values[j]) for j in first] + [float(other[j]) for j in first],
        },
        options={"x_title": subject.unit()},
    )


def _axis(subject: Subject, shapley: Explanation, k: int) -> str:
    return subject.unit() if subject.classes is None else f"{subject.unit()} of {shapley.outputs[k]}"


SINGLE_DECISIONS = SingleDecisions(
    code="PEL401",
    title="Single decision",
    section=Section.DECISIONS,
    why="Whoever is decided about can ask for the reasons.",
)
