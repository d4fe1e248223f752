"""Which units and heads the predictions need."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pellucid._base.numbers import figure, percent
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Section, Verdict
from pellucid.nn._scoring import taken
from pellucid.nn.ablation import Ablation
from pellucid.nn.auditing.layers import MOST_ROWS as SUMMARIZED
from pellucid.nn.auditing.layers import shortened, spread_rows, stages, summaries
from pellucid.nn.auditing.subject import NetworkSubject
from pellucid.nn.deconstruction import HEAD_KINDS, MUCH, Deconstruction, deconstruct, responses_of

MOST_ROWS = 24
UNITS = 12
SHOWN = 15


@dataclass(frozen=True, kw_only=True)
class Needed(Question):
    """Units and heads without which the score falls."""

    code: str = "PEL383"
    title: str = "Which units and heads matter"
    section: Section = Section.USE
    why: str = "Parts that the predictions need are the ones to look at; parts that they do not need can be cut."

    def run(self, subject: NetworkSubject) -> Finding:
        """Take out the units with the largest estimated effects, and every head."""
        rows = spread_rows(subject, MOST_ROWS)
        last = stages(subject)[:-1][-2:]  # the very last stage gives the scores themselves
        found = deconstruct(
            subject.model,
            taken(subject.inputs, torch.as_tensor(rows)),
            layers=last or None,
            n_units=UNITS,
            batch_size=subject.batch,
            random_state=subject.random_state,
        )
        measured = [one for one in (found.heads, found.units) if one is not None]
        if not measured:
            raise NotApplicable("the network has no attention, and no layer whose units could be taken out.")
        attending = _attending(found)
        return self.finding(
            Verdict.NOTE,
            _said(measured, len(rows)),
            exhibits=(_falls(subject, found, measured), *([attending] if attending else [])),
            how=f"On {len(rows)} rows, one part at a time: units, those with the largest effects estimated from one "
            f"gradient, give their mean over rows and places{_of_heads(found)}. Intervals are 95 % bootstrap intervals "
            "over rows; a part counts as needed where a t-test over rows, Holm-adjusted for all parts of its kind, is "
            "at 0.05 or below. Names of layers are shortened in the picture and whole in its numbers.",
        )


def _of_heads(found: Deconstruction) -> str:
    return "" if found.heads is None else "; attention heads, all of them, give nothing"


def _said(measured: list[Ablation], n: int) -> str:
    """How many parts the predictions need, and the one they need most."""
    words = {
        "head": "attention heads",
        "unit": "units with the largest estimated effects",
    }
    counts = " and ".join(f"{len(one.needed)} of the {len(one.parts)} {words[one.kind]}" for one in measured)
    means = [(float(one.effect[i].mean()), one, i) for one in measured for i in range(len(one.parts))]
    _, one, i = max(means, key=lambda each: each[0])
    score = figure(float(one.score.mean()))
    return (
        f"By themselves {counts} are needed for the score of the class that the network says. It falls most, by "
        f"{one.measured(i)} of {score} on average, without {one.kind} {one.parts[i]} of {one.layers[i]} (n = {n})."
    )


def _falls(subject: NetworkSubject, found: Deconstruction, measured: list[Ablation]) -> Exhibit:
    """How far the score falls without the parts that move it most."""
    words = _responses(subject, found)
    parts = [(one, i) for one in measured for i in range(len(one.parts))]
    parts = sorted(parts, key=lambda part: -abs(float(part[0].effect[part[1]].mean())))[:SHOWN]
    short = shortened(tuple(dict.fromkeys(one.layers[i] for one, i in parts)))
    falls = [one.measured(i) for one, i in parts]
    table: dict[str, list[Any]] = {
        "label": [f"{one.kind} {one.parts[i]} of {short[one.layers[i]]}" for one, i in parts],
        "value": [fall.value for fall in falls],
        "low": [fall.low for fall in falls],
        "high": [fall.high for fall in falls],
        "adjusted p": [float(one.p_value[i]) for one, i in parts],
        "responds to": [
            words.get((one.layers[i], int(one.parts[i])), "") if one.kind == "unit" else "" for one, i in parts
        ],
        "layer": [one.layers[i] for one, i in parts],
    }
    return Exhibit(
        kind="intervals",
        title="How far the score falls without each part",
        description=f"The {len(parts)} parts with the largest mean effects; names of layers are shortened, and stand "
        "whole in the table. Below 0, the score rises without the part.",
        table=table,
        options={"x_title": "mean fall of the class score, with 95 % interval", "reference": 0.0},
    )


def _responses(subject: NetworkSubject, found: Deconstruction) -> dict[tuple[str, int], str]:
    """Which classes the measured units' strongest rows are of."""
    if found.units is None or not set(found.units.layers) <= set(summaries(subject)):
        return {}
    labels = [subject.name(int(k)) for k in subject.y[spread_rows(subject, SUMMARIZED)]]
    return responses_of(summaries(subject), found.units, np.asarray(labels))


def _attending(found: Deconstruction) -> Exhibit | None:
    """What heads look at that has a name, layer by layer."""
    if found.attention is None:
        return None
    frame = found.attention.heads()
    table: dict[str, list[Any]] = {"where the head looks": [], "heads": [], "which, with the share of their weight": []}
    short = shortened(tuple(dict.fromkeys(frame["layer"])))
    for kind, words in HEAD_KINDS.items():
        inside = frame[frame[kind] >= MUCH].sort_values(kind, ascending=False)
        if inside.empty:
            continue
        which = [
            f"{short[row['layer']]} head {row['head']} ({percent(row[kind])})" for row in inside.to_dict("records")
        ]
        table["where the head looks"].append(words.removeprefix("attends to "))
        table["heads"].append(len(which))
        more = f" and {len(which) - 6} more" if len(which) > 6 else ""
        table["which, with the share of their weight"].append(", ".join(which[:6]) + more)
    if not table["heads"]:
        return None
    return Exhibit(
        kind="table",
        title=f"What the {len(frame)} attention heads look at",
        description=f"Heads that give at least {percent(MUCH)} of their weight to one kind of place. Where a head "
        "looks is not what the output hangs on: that is in the picture above.",
        table=table,
    )
