"""What the network is, and how well it works."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from pellucid._base.numbers import number_text, percent, percent_interval, points
from pellucid._base.statistics import wilson
from pellucid.auditing.checks.base import Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.nn.auditing.subject import NetworkSubject

BINS = 5
"""Bins of equally many rows in the picture of confidence."""
MOST_CONFUSIONS = 10


@dataclass(frozen=True, kw_only=True)
class Network(Question):
    """Size and parts."""

    code: str = "PEL181"
    title: str = "The network"
    section: Section = Section.SUBJECT
    why: str = "The reader should know which network was looked at, and how large it is."

    def run(self, subject: NetworkSubject) -> Finding:
        """Count parameters by part."""
        parts = {name: _size(part) for name, part in subject.model.named_children()}
        total = _size(subject.model)
        kinds = len({type(module).__name__ for module in subject.model.modules() if not list(module.children())})
        what = "texts" if subject.texts is not None else "pictures"
        table: dict[str, list[Any]] = {
            "part": list(parts),
            "kind": [type(part).__name__ for part in subject.model.children()],
            "parameters": list(parts.values()),
        }
        return self.finding(
            Verdict.NOTE,
            f"{subject.label} has {number_text(total)} parameters in {len(list(subject.model.modules())) - 1} layers "
            f"of {kinds} kind{'s' * (kinds != 1)}. It was asked about {subject.n} {what}, and sorts them into "
            f"{subject.scores.shape[1]:,} classes.",
            detail=subject.about,
            exhibits=(
                Exhibit(kind="table", title="Parts of the network", description="Its parts by size.", table=table),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Accuracy(Question):
    """Share of rows that are right, and what is mistaken for what."""

    code: str = "PEL281"
    title: str = "How often it is right"
    section: Section = Section.PERFORMANCE
    why: str = "An explanation of a network that is often wrong explains mistakes."

    def run(self, subject: NetworkSubject) -> Finding:
        """Compare with always saying the commonest class."""
        right = subject.said == subject.y
        share = float(right.mean())
        low, high = wilson(share, subject.n)
        common = float(np.bincount(subject.y).max() / subject.n)
        verdict = Verdict.PASS if low > common else Verdict.WARN
        return self.finding(
            verdict,
            f"{subject.label} is right in {percent_interval(share, low, high)} of {subject.n} rows; always saying the "
            f"commonest class would be right in {percent(common)}.",
            measures=(Measure(name="accuracy", value=share, low=low, high=high, n=subject.n, unit="share"),),
            exhibits=(_by_class(subject), *_confusions(subject)),
            how="On the rows given, taken as independent and not seen before; 95 % Wilson interval.",
            remedy=""
            if verdict is Verdict.PASS
            else "Do not rely on this network before it beats the commonest class.",
        )


@dataclass(frozen=True, kw_only=True)
class Confidence(Question):
    """Whether it is right as often as it is sure."""

    code: str = "PEL282"
    title: str = "How sure it is"
    section: Section = Section.PERFORMANCE
    why: str = "A network that is surer than it is right misleads those who read its probabilities."

    def run(self, subject: NetworkSubject) -> Finding:
        """Compare probability and share of right answers in bins of equally many rows."""
        sure = subject.probability.max(axis=1)
        right = subject.said == subject.y
        bins = np.array_split(np.argsort(sure, kind="stable"), BINS)
        predicted = [float(sure[rows].mean()) for rows in bins]
        observed = [float(right[rows].mean()) for rows in bins]
        ends = [wilson(share, len(rows)) for share, rows in zip(observed, bins, strict=True)]
        gap = float(
            sum(abs(p - o) * len(rows) for p, o, rows in zip(predicted, observed, bins, strict=True)) / subject.n
        )
        verdict = Verdict.PASS if gap <= subject.policy.calibration_warn else Verdict.WARN
        table: dict[str, list[Any]] = {
            "predicted": predicted,
            "observed": observed,
            "low": [low for low, _ in ends],
            "high": [high for _, high in ends],
            "n": [len(rows) for rows in bins],
        }
        return self.finding(
            verdict,
            f"{subject.label} gives its answers a probability of {percent(float(sure.mean()))} on average, and "
            f"{percent(float(right.mean()))} of them are right. In {BINS} groups of rows, from the least to the most "
            f"sure, the two differ by {points(gap)} percentage points on average (n = {subject.n}).",
            measures=(Measure(name="expected calibration error", value=gap, n=subject.n, unit="share"),),
            exhibits=(
                Exhibit(
                    kind="calibration",
                    title="Probability against share of right answers",
                    description="Each point is a fifth of the rows, with the 95 % interval of its share of right "
                    "answers; on the dashed line the network is as sure as it is right.",
                    table=table,
                ),
            ),
            how=f"Highest softmax probability of each row, in {BINS} bins of equally many rows; the mean difference is "
            "the expected calibration error, which is above 0 by chance alone.",
            remedy=""
            if verdict is Verdict.PASS
            else "Scale the scores by one temperature on held-out rows, and ask again.",
        )


def _size(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())


def _by_class(subject: NetworkSubject) -> Exhibit:
    """Share of right answers for each class that occurs."""
    classes = np.unique(subject.y)
    counts = [int((subject.y == k).sum()) for k in classes]
    shares = [float((subject.said[subject.y == k] == k).mean()) for k in classes]
    ends = [wilson(share, n) for share, n in zip(shares, counts, strict=True)]
    table: dict[str, list[Any]] = {
        "label": [subject.name(int(k)) for k in classes],
        "value": shares,
        "low": [low for low, _ in ends],
        "high": [high for _, high in ends],
        "n": counts,
    }
    worst = table["label"][int(np.argmin(shares))]
    return Exhibit(
        kind="intervals",
        title="Share of right answers by class",
        description=f"Share of right answers for each of {len(classes)} classes; the lowest is {worst}.",
        table=table,
        options={"x_title": "share of rows right, with 95 % interval"},
    )


def _confusions(subject: NetworkSubject) -> tuple[Exhibit, ...]:
    """What was mistaken for what; nothing where all was right."""
    wrong = subject.said != subject.y
    if not wrong.any():
        return ()
    pairs, counts = np.unique(np.stack([subject.y[wrong], subject.said[wrong]]), axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CONFUSIONS]
    table = {
        "true": [subject.name(int(k)) for k in pairs[0, order]],
        "said": [subject.name(int(k)) for k in pairs[1, order]],
        "rows": counts[order].tolist(),
    }
    return (
        Exhibit(kind="table", title="What was mistaken for what", description="The commonest mistakes.", table=table),
    )
