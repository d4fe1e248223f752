"""Which units and heads the predictions need."""

from dataclasses import dataclass

import torch

from pellucid.auditing.checks.base import Question
from pellucid.auditing.findings import Exhibit, Finding, Section, Verdict
from pellucid.nn._scoring import taken
from pellucid.nn.auditing.layers import spread_rows, stages
from pellucid.nn.auditing.subject import BATCH, NetworkSubject
from pellucid.nn.deconstruction import deconstruct

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
            labels=[subject.name(int(k)) for k in subject.y[rows]],
            n_units=UNITS,
            batch_size=BATCH,
            random_state=subject.random_state,
        )
        frame = found.to_frame().sort_values("size", ascending=False).head(SHOWN)
        table = {
            "label": [f"{kind} {number} of {layer}" for kind, number, layer in zip(
                frame["kind"], frame["number"], frame["layer"], strict=True)],
            "value": frame["size"].tolist(),
            "mean fall": frame["effect"].tolist(),
            "adjusted p": frame["p_value"].tolist(),
            "responds to": frame["responds_to"].tolist(),
        }  # fmt: skip
        said = " ".join(found.sentences)
        return self.finding(
            Verdict.NOTE,
            found.sentences[0],
            detail=" ".join(found.sentences[1:]),
            exhibits=(
                Exhibit(kind="bars", title="How far the class score moves without each part", description=said[:400],
                        table=table, options={"x_title": "mean change of the score, up or down"}),
            ),
            how=f"On {len(rows)} rows: units with the largest effects estimated from one gradient, and every attention "
            "head, are replaced one at a time by their mean; t-tests over rows, Holm-adjusted.",
        )  # fmt: skip
