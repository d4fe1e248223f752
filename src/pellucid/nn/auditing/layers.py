"""What the network's layers hold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid._base.numbers import percent
from pellucid._base.randomness import stream
from pellucid._base.typing import Int1, Names
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.nn._layers import Layers
from pellucid.nn._scoring import batches, call, taken
from pellucid.nn._session import session
from pellucid.nn.activations import LayerSummary, summarize
from pellucid.nn.auditing.subject import NetworkSubject, once
from pellucid.nn.probes import Probes, probe

MOST_STAGES = 8
ENOUGH_STAGES = 5
MOST_ROWS = 240
TOP = 20
"""Strongest rows of a unit that are compared with the classes."""


@dataclass(frozen=True, kw_only=True)
class Probing(Question):
    """From where on the classes can be read off."""

    code: str = "PEL381"
    title: str = "Where the classes appear"
    section: Section = Section.USE
    why: str = "It shows which layers do the work, and which ones could be left out or looked at first."

    def run(self, subject: NetworkSubject) -> Finding:
        """Fit a linear probe to every stage, beside control tasks."""
        rows = spread_rows(subject, MOST_ROWS)
        labels = subject.y[rows]
        kept, counts = np.unique(labels, return_counts=True)
        inside = np.isin(labels, kept[counts >= 2])
        if inside.sum() < 20 or len(kept) < 2:
            raise NotApplicable("too few rows of each class to fit a probe.")
        rows, labels = rows[inside], labels[inside]
        probes = probe(_pooled_stages(subject, rows), labels, random_state=subject.random_state)
        first = next((one for one in probes.probes if one.selectivity.low > 0), None)
        best = max(probes.probes, key=lambda one: one.accuracy.value)
        said = (
            f"No stage holds the classes so that a linear probe finds them beyond a control task (n = {len(rows)})."
            if first is None
            else f"A linear probe tells the classes from stage {first.layer} on: it is right in "
            f"{percent(first.accuracy.value)} of held-out rows. It does best at {best.layer}, with "
            f"{percent(best.accuracy.value)}. With random labels in place of the classes it is right in "
            f"{percent(best.control.value)} (n = {len(rows)})."
        )
        return self.finding(
            Verdict.NOTE,
            said,
            measures=(
                Measure(name=f"selectivity in {best.layer}", value=best.selectivity.value, low=best.selectivity.low,
                        high=best.selectivity.high, n=len(rows), unit="share"),
            ),
            exhibits=(
                Exhibit(kind="intervals", title="What a linear probe reads from each stage, in the order they run",
                        description="Accuracy on held-out rows with its 95 % interval: of the classes, and of random "
                        "labels as control.", table=_accuracies(probes),
                        options={"x_title": "share of held-out rows right, with 95 % interval"}),
            ),
            how="A linear probe is a simple reader fitted to what a stage passes on: ridge regression in closed form "
            "on means over places, 5 folds. Control tasks give every row a random label (Hewitt and Liang 2019); "
            "selectivity is the difference.",
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Idle(Question):
    """Units that never move, and units that do the same."""

    code: str = "PEL382"
    title: str = "Idle and doubled units"
    section: Section = Section.USE
    why: str = "Units that never move or that copy another cost time and hold nothing."

    def run(self, subject: NetworkSubject) -> Finding:
        """Reduce the stages over the rows."""
        found = summaries(subject)
        table: dict[str, list[Any]] = {"layer": [], "units": [], "never_move": [], "copies": []}
        for name, summary in found.items():
            table["layer"].append(name)
            table["units"].append(len(summary.dead))
            table["never_move"].append(int(summary.dead.sum()))
            copies = summary.duplicates
            table["copies"].append(None if copies is None else len({pair[1] for pair in copies}))
        total, dead = sum(table["units"]), sum(table["never_move"])
        copied = sum(count or 0 for count in table["copies"])
        n = next(iter(found.values())).n
        idle = f"{dead:,} never move" if dead else "every one moves"
        doubled = f"{copied:,} do the same as another" if copied else "none does the same as another"
        return self.finding(
            Verdict.NOTE,
            f"Of {total:,} units in {len(found)} stages {idle} on {n} rows, and {doubled}.",
            exhibits=(
                Exhibit(kind="table", title="Units by stage", description="Idle and doubled units.", table=table),
            ),
            how="A unit is a channel, or a number of a token's or row's state. One that does the same as another has a "
            "correlation of at least 0.999 with it, over all rows and places.",
        )


@once
def summaries(subject: NetworkSubject) -> dict[str, LayerSummary]:
    """What the stages' units do on some rows; asked by several questions, made once."""
    inputs = taken(subject.inputs, torch.as_tensor(spread_rows(subject, MOST_ROWS)))
    return summarize(subject.model, inputs, layers=stages(subject), top=TOP, batch_size=subject.batch)


def _pooled_stages(subject: NetworkSubject, rows: Int1) -> dict[str, Tensor]:
    """Means over places of what every stage passes on, of shape (rows, units); whole maps are not kept."""
    found = Layers(subject.model, stages(subject))
    parts: dict[str, list[Tensor]] = {}
    with session(subject.model), torch.no_grad():
        for batch in batches(taken(subject.inputs, torch.as_tensor(rows)), subject.batch):
            with found.recorded() as kept:
                call(subject.model, batch)
            for name, value in found.named(kept).items():
                parts.setdefault(name, []).append(_pooled(value, batch).cpu())
    return {name: torch.cat(those) for name, those in parts.items()}


def _accuracies(probes: Probes) -> dict[str, list[Any]]:
    """One line per stage and task: the accuracy with its interval."""
    lines = [(one.layer, "classes", one.accuracy) for one in probes.probes]
    lines += [(one.layer, "random labels", one.control) for one in probes.probes]
    short = shortened(probes.layers)
    return {
        "label": [short[layer] for layer, _, _ in lines],
        "group": [task for _, task, _ in lines],
        "value": [found.value for _, _, found in lines],
        "low": [found.low for _, _, found in lines],
        "high": [found.high for _, _, found in lines],
        "stage": [layer for layer, _, _ in lines],
    }


@once
def stages(subject: NetworkSubject) -> Names:
    """The network's own parts in the order in which they run, opened until there are a few, at most 8."""
    parts = {name: part for name, part in subject.model.named_children() if _weighs(part)}
    while True:
        lists = [name for name, part in parts.items() if isinstance(part, nn.ModuleList | nn.ModuleDict)]
        inner = [name for name, part in parts.items() if any(_weighs(child) for child in part.children())]
        opened = lists or (
            sorted(inner, key=lambda name: -_size(parts[name]))[:1] if len(parts) < ENOUGH_STAGES else []
        )
        if not opened:
            break
        parts = dict(_opened(parts, opened[0]))
    names = _called(subject, tuple(parts)) if parts else ()
    if not names:
        raise NotApplicable("the network has no layers with parameters that give something for each row.")
    if len(names) <= MOST_STAGES:
        return names
    return tuple(names[i] for i in np.linspace(0, len(names) - 1, MOST_STAGES).round().astype(int))


def _opened(parts: dict[str, nn.Module], name: str) -> list[tuple[str, nn.Module]]:
    """The parts, with one replaced by what is inside it."""
    result = []
    for other, part in parts.items():
        if other != name:
            result.append((other, part))
        else:
            result += [(f"{name}.{inner}", child) for inner, child in part.named_children() if _weighs(child)]
    return result


def _weighs(part: nn.Module) -> bool:
    return any(True for _ in part.parameters())


def _size(part: nn.Module) -> int:
    return sum(1 for _ in part.modules())


def _called(subject: NetworkSubject, names: Names) -> Names:
    """Those that a forward pass calls and that give a row for each row, in its order, each at its last call."""
    found = Layers(subject.model, names)
    with session(subject.model), torch.no_grad(), found.recorded() as kept:
        call(subject.model, taken(subject.inputs, torch.arange(2)))
    order = {site.rpartition("#")[0]: None for site in kept}
    last = {name: kept[f"{name}#{found.calls[name]}"] for name in order}
    usable = [name for name, value in last.items() if value.ndim >= 2 and len(value) == 2]
    return tuple(name if found.calls[name] == 1 else f"{name}#{found.calls[name]}" for name in usable)


def spread_rows(subject: NetworkSubject, most: int) -> Int1:
    """Some rows, drawn once for all questions."""
    return np.sort(stream(subject.random_state, "nn.audit.sample").permutation(subject.n)[:most]).astype(np.int64)


def _pooled(value: Tensor, inputs: Any) -> Tensor:
    """Means over places; over tokens, of those that are there."""
    if value.ndim >= 4:
        return value.flatten(2).mean(2)
    if value.ndim == 3:
        there = inputs["attention_mask"] if isinstance(inputs, dict) and "attention_mask" in inputs else None
        if there is None or there.shape != value.shape[:2]:
            return value.mean(1)
        weights = there[:, :, None].to(value.dtype)
        return torch.as_tensor((value * weights).sum(1) / weights.sum(1))
    return value


def shortened(names: Names) -> dict[str, str]:
    """Names of layers without the parts that all of them share at either end, as long as they stay different."""
    parts = [name.split(".") for name in names]
    if len(parts) < 2:
        return {name: name for name in names}
    start, stop = _shared(parts), _shared([part[::-1] for part in parts])
    kept = [part[start : len(part) - stop] for part in parts]
    if start and all(part[:1] and part[0].isdigit() for part in kept):
        kept = [part[start - 1 : start] + rest for part, rest in zip(parts, kept, strict=True)]  # "layer.5", not "5"
    words = [".".join(part) for part in kept]
    return dict(zip(names, words if len(set(words)) == len(words) and all(words) else names, strict=True))


def _shared(parts: list[list[str]]) -> int:
    """How many of the first parts are the same in all."""
    count = 0
    for row in zip(*parts, strict=False):
        if len(set(row)) > 1:
            break
        count += 1
    return count
