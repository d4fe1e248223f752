"""PEL205: what models that a person can read achieve on the same rows, and what the black box buys over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.auditing.checks.base import Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.glassbox import GlassDescription, Ladder, LadderRow, ladder

MOST_COEFFICIENTS = 30


@dataclass(frozen=True, kw_only=True)
class GlassboxLadder(Question):
    """Readable models beside the given one, on the same held-out rows."""

    def run(self, subject: Subject) -> Finding:
        """Climb the ladder and judge the price of interpretability."""
        found = ladder(
            _given(subject),
            subject.X.native,
            subject.y,
            **_training(subject),
            sample_weight=subject.weight,
            random_state=subject.random_state,
            progress=False,
            task=subject.task,
            fast=subject.fast,
        )
        verdict, remedy = _judge(found, subject.policy.price_note)
        return self.finding(
            verdict,
            found.sentence,
            detail=found.note,
            how=found.how + (" The EBM was left out: fast." if subject.fast else ""),
            measures=tuple(_measures(found)),
            exhibits=(*_comparison(found), *_rungs(found)),
            remedy=remedy,
        )


def _given(subject: Subject) -> Any:
    """Return what can be refitted where there is one, else the model as it was read."""
    return subject.estimator if hasattr(subject.estimator, "get_params") else subject.model


def _training(subject: Subject) -> dict[str, Any]:
    if subject.X_train is None or subject.y_train is None:
        return {}
    return {"X_train": subject.X_train.native, "y_train": subject.y_train}


def _judge(found: Ladder, tolerated: float) -> tuple[Verdict, str]:
    """A readable model that is not shown to cost more than is tolerated is worth a note."""
    priced = [row for row in found.rows if row.price_low is not None]
    if not priced:
        return (Verdict.NOTE, "") if found.note else (Verdict.PASS, "")
    cheap = next((row for row in priced if row.price_low is not None and row.price_low <= tolerated), None)
    if cheap is None:
        return Verdict.PASS, ""
    return Verdict.NOTE, (
        f"Ask what the black box is needed for: {cheap.name} ({cheap.complexity}) is not shown to be more than "
        f"{tolerated:g} of {found.metric} worse, and it can be read whole."
    )


def _measures(found: Ladder) -> list[Measure]:
    measures = []
    for row in found.rows:
        if row.metric is not None:
            measures.append(_measure(f"{found.metric} of {row.name}", row.metric, row.low, row.high, found.n))
        if row.price is not None:
            measures.append(
                _measure(f"price of interpretability: {row.name}", row.price, row.price_low, row.price_high, found.n)
            )
    return measures


def _measure(name: str, value: float, low: float | None, high: float | None, n: int) -> Measure:
    return Measure(name=name, value=value, low=low, high=high, n=n)


def _comparison(found: Ladder) -> list[Exhibit]:
    """Figures and prices as pictures, and everything as a table."""
    exhibits = [_intervals(found, ("metric", "low", "high"), f"{found.metric} of each model", found.metric, None)]
    if any(row.price is not None for row in found.rows):
        title = f"What the given model buys: difference in {found.metric}"
        exhibits.append(_intervals(found, ("price", "price_low", "price_high"), title, "price", 0.0))
    table: dict[str, Sequence[Any]] = {"model": [row.name for row in found.rows]}
    fields = {"metric": found.metric, "second": found.second_metric, "price": "price", "complexity": "size"}
    if any(row.note for row in found.rows):
        fields["note"] = "note"
    table |= {title: [getattr(row, field) for row in found.rows] for field, title in fields.items()}
    exhibits.append(
        Exhibit(kind="table", title="The ladder", description=" ".join([found.sentence, found.how]), table=table)
    )
    return exhibits


def _intervals(
    found: Ladder, fields: tuple[str, str, str], title: str, x_title: str, reference: float | None
) -> Exhibit:
    rows: list[LadderRow] = [row for row in found.rows if getattr(row, fields[0]) is not None]
    options: dict[str, Any] = {"x_title": x_title}
    if reference is not None:
        options |= {"reference": reference, "reference_label": "no difference"}
    value, low, high = ([getattr(row, field) for row in rows] for field in fields)
    return Exhibit(
        kind="intervals",
        title=title,
        description=found.sentence,
        table={"label": [row.name for row in rows], "value": value, "low": low, "high": high},
        options=options,
    )


def _rungs(found: Ladder) -> list[Exhibit]:
    """Each readable model whole, as its own exhibit."""
    return [exhibit for description in found.descriptions.values() for exhibit in _shown(description)]


def _shown(description: GlassDescription) -> list[Exhibit]:
    text = " ".join([f"{description.title}: {description.complexity}.", *description.sentences])
    if description.tree is not None:
        return [Exhibit(kind="tree", title=description.title, description=text, table=description.tree)]
    if "terms" in description.tables:
        terms = description.tables["terms"]
        table = {"label": terms["term"], "value": terms["importance"]}
        return [Exhibit(kind="bars", title=description.title, description=text, table=table,
                        options={"x_title": "mean absolute score"})]  # fmt: skip
    whole = next(iter(description.tables.values()))
    pictures = [_coefficients(description, text)] if "coefficients" in description.tables else []
    return [*pictures, Exhibit(kind="table", title=description.title, description=text, table=whole)]


def _coefficients(description: GlassDescription, text: str) -> Exhibit:
    """The coefficients that move a typical row most, per standard deviation, so that they can be compared."""
    columns = description.tables["coefficients"]
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    scaled = sorted((row for row in rows if row["per_sd"] is not None), key=lambda row: -abs(row["per_sd"]))
    outputs = max(len({row.get("output") for row in scaled}), 1)
    leading = list(dict.fromkeys((row["feature"], row["change"]) for row in scaled))[: MOST_COEFFICIENTS // outputs]
    kept = [row for row in scaled if (row["feature"], row["change"]) in leading]
    per_unit = [row["per_sd"] / row["coefficient"] if row["coefficient"] else 0.0 for row in kept]
    several = len({row.get("output") for row in kept}) > 1
    return Exhibit(
        kind="intervals",
        title=f"{description.title}: change of the score per standard deviation",
        description=text,
        table={
            "label": [
                row["feature"] if row["change"] == "+1" else f"{row['feature']}: {row['change']}" for row in kept
            ],
            "value": [row["per_sd"] for row in kept],
            "low": [row["low"] * by for row, by in zip(kept, per_unit, strict=True)],
            "high": [row["high"] * by for row, by in zip(kept, per_unit, strict=True)],
            **({"group": [row["output"] for row in kept]} if several else {}),
        },
        options={"x_title": "change of the score per standard deviation", "reference": 0.0},
    )


LADDER = GlassboxLadder(
    code="PEL205",
    title="Price of interpretability",
    section=Section.PERFORMANCE,
    why="A model that a person can read whole needs no explanation method; a black box has to earn its place.",
)
