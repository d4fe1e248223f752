"""PEL401: single decisions, Shapley values and LIME side by side, for rows that were asked for."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import figure, percent, signed
from pellucid._base.typing import Float1
from pellucid._base.words import counted
from pellucid.auditing.checks.base import Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import cell, cell_words, named, of_measure
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
        table = subject.X.take([row for row, _ in chosen])
        shapley, lime = subject.explainer(table), subject.lime(table)
        return [
            self._one(
                _Decision(
                    subject=subject,
                    row=row,
                    reason=reason,
                    output=output_of(subject, row),
                    shapley=shapley.take(rows=[i]),
                    lime=lime.take(rows=[i]),
                    lime_quality=_lime_quality(lime, i, output_of(subject, row)),
                )
            )
            for i, (row, reason) in enumerate(chosen)
        ]

    def _one(self, decision: "_Decision") -> Finding:
        subject, shared = decision.subject, decision.shared_leaders()
        shapley = decision.shapley
        residual = float(shapley.quality.residual)
        unit = subject.unit()
        measures = [Measure(name="residual", value=residual, n=1, unit=unit), *decision.lime_quality]
        words = f"The Shapley values add up to the model’s output to within {figure(residual)} {unit}"
        if shapley.std_error is not None:
            error = float(shapley.std_error[0, :, decision.output].max())
            measures.append(Measure(name="largest standard error", value=error, n=1, unit=unit))
            words += f", with standard errors up to {figure(error)}"
        quality = [f"{measure.name.removeprefix('LIME ')} {of_measure(measure)}" for measure in decision.lime_quality]
        lime = f" ({'; '.join(quality)})" if quality else ""
        return self.finding(
            Verdict.NOTE,
            decision.sentence(),
            detail=f"{decision.reasons()} {words}. LIME names {shared} of the same "
            f"{min(MOST_REASONS, len(decision.values))} leading features{lime}.",
            how=f"Shapley values ({shapley.provenance.method}) against {subject.background_note}, in {unit}; "
            "LIME fits a linear model near the row; its local R² says how well that model follows the given one. The "
            "two answer different questions, so they may differ.",
            measures=tuple(measures),
            exhibits=(decision.waterfall(), decision.comparison()),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Decision:
    """One row with both of its explanations, about one output."""

    subject: Subject
    row: int
    reason: str
    output: int
    shapley: Explanation
    lime: Explanation
    lime_quality: tuple[Measure, ...]

    @property
    def values(self) -> Float1:
        return np.asarray(self.shapley.values[0, :, self.output])

    @property
    def other(self) -> Float1:
        return np.asarray(self.lime.values[0, :, self.output])

    @property
    def order(self) -> list[int]:
        return [int(j) for j in np.argsort(-np.abs(self.values), kind="stable")]

    @property
    def shown(self) -> list[str]:
        return row_values(self.subject.X, self.row)

    def shared_leaders(self) -> int:
        """Count the leading features that both methods name."""
        theirs = np.argsort(-np.abs(self.other), kind="stable")[:MOST_REASONS]
        return len(set(self.order[:MOST_REASONS]) & {int(j) for j in theirs})

    def sentence(self) -> str:
        """Say what was decided."""
        return f"Row {self.row} ({self.reason}): {_outcome(self.subject, self.row, self.output)}"

    def reasons(self) -> str:
        """Say what pushed the output each way."""
        values = self.values
        up = [j for j in self.order if values[j] > 0][:MOST_REASONS]
        down = [j for j in self.order if values[j] < 0][:MOST_REASONS]
        what = "" if self.subject.classes is None else f" for {named(self.shapley.outputs[self.output])}"
        return (
            f"Compared with the background, the output{what} is raised by {self._listing(up)} and lowered by "
            f"{self._listing(down)}, in {self.subject.unit()}."
        )

    def _listing(self, positions: list[int]) -> str:
        names, values = self.shapley.features, self.values
        words = [cell_words(self.subject.X.take([self.row]).column(names[j])[0]) for j in positions]
        said = [f"{named(names[j])} = {word} ({signed(values[j])})" for j, word in zip(positions, words, strict=True)]
        return ", ".join(said) or "nothing"

    def waterfall(self) -> Exhibit:
        """Show the way from the base value to the prediction; small features are one step."""
        values, shown = self.values, self.shown
        first, rest = self.order[:MOST_BARS], self.order[MOST_BARS:]
        names, texts = [self.shapley.features[j] for j in first], [shown[j] for j in first]
        contributions = [float(values[j]) for j in first]
        if rest:
            names.append(counted(len(rest), "other feature"))
            texts.append("")
            contributions.append(float(values[rest].sum()))
        base, total = float(self.shapley.base_values[0, self.output]), float(self.shapley.prediction[0, self.output])
        return Exhibit(
            kind="waterfall",
            title=f"Row {self.row}: from the background’s mean to this prediction",
            description=f"Starting at {figure(base)}, the features move the output to {figure(total)} "
            f"{self.subject.unit()}.",
            table={"feature": names, "shown": texts, "contribution": contributions},
            options={"base": base, "prediction": total, "x_title": self._axis()},
        )

    def comparison(self) -> Exhibit:
        """Set both methods side by side."""
        first = self.order[:MOST_BARS]
        return Exhibit(
            kind="compare",
            title=f"Row {self.row}: Shapley values and LIME",
            description="The same row by two methods. Where they differ in sign, neither should be quoted alone.",
            table={
                "feature": [self.shapley.features[j] for j in first] * 2,
                "method": ["Shapley"] * len(first) + ["LIME"] * len(first),
                "contribution": [float(v) for values in (self.values, self.other) for v in values[first]],
            },
            options={"x_title": self._axis()},
        )

    def _axis(self) -> str:
        unit = self.subject.unit()
        return unit if self.subject.classes is None else f"{unit} of {self.shapley.outputs[self.output]}"


def _lime_quality(lime: Explanation, position: int, output: int) -> tuple[Measure, ...]:
    """LIME's own figures for one row of a batch."""
    found = []
    if lime.quality.local_r2 is not None:
        found.append(Measure(name="LIME local R²", value=float(lime.quality.local_r2[position, output]), n=1))
    if lime.quality.top_stability is not None:
        value = float(lime.quality.top_stability[position, output])
        found.append(Measure(name="LIME leading features the same in a fresh sample", value=value, n=1, unit="share"))
    return tuple(found)


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


def _outcome(subject: Subject, row: int, k: int) -> str:
    if subject.classes is None:
        return f"the model predicts {figure(subject.raw[row, 0])}; the truth is {figure(float(subject.y[row]))}."
    decided = named(subject.classes[subject.predicted_index[row]])
    score = subject.scores[row, k]
    write = percent if subject.probability is not None else figure
    how_sure = write(score) if subject.probability is not None else f"a score of {write(score)}"
    at = f"{figure(100 * subject.cut)} %" if subject.probability is not None else figure(subject.cut)
    cut = f" (cut-off {at})" if subject.task == "binary" else ""
    return (
        f"the model gives {named(subject.classes[k])} {how_sure}{cut} and decides {decided}; the truth is "
        f"{named(subject.y[row])}."
    )


SINGLE_DECISIONS = SingleDecisions(
    code="PEL401",
    title="Single decision",
    section=Section.DECISIONS,
    why="Whoever is decided about can ask for the reasons.",
)
