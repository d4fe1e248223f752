"""A network taken apart in one call: what its units and heads respond to, and which of them its predictions need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.typing import Array, Names
from pellucid.nn._attention_calls import attention_calls
from pellucid.nn._layers import Layers
from pellucid.nn._matrices import need_same_rows
from pellucid.nn._scoring import batches, call, chosen, first_input, own_targets, targets_of
from pellucid.nn._session import session
from pellucid.nn._significance import holm
from pellucid.nn.ablation import Ablation, ablate, ablate_heads
from pellucid.nn.activations import LayerSummary, record, summarize, unit_axis
from pellucid.nn.attending import Attention, attention
from pellucid.nn.dissection import Dissection, dissect
from pellucid.nn.probes import Probes, probe

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.01
HEAD_KINDS = {
    "previous": "attends to the position before",
    "first": "attends to the first position",
    "induction": "attends to what followed an earlier copy of the token",
}
TOP = 20
"""Strongest rows of a unit that are compared with the labels."""
SAID = 10
"""Units and heads that get a sentence each."""
MUCH = 0.4
"""Mean weight from which a head is said to attend to something."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Deconstruction:
    """What was found in a network.

    Parameters
    ----------
    summaries : dict of str to LayerSummary
    units : Ablation or None
        Of the units with the largest estimated effects; None where no layer has units to take out.
    heads : Ablation or None
        Of all attention heads.
    attention : Attention or None
    responses : dict of (str, int) to str
        For measured units: the label that their strongest rows have more often than chance would give, in words.
    dissections : dict of str to Dissection
        Of layers with maps, where concepts were given.
    probes : Probes or None
        Where labels were given.
    """

    summaries: dict[str, LayerSummary]
    units: Ablation | None
    heads: Ablation | None
    attention: Attention | None
    responses: dict[tuple[str, int], str]
    dissections: dict[str, Dissection]
    probes: Probes | None

    @property
    def sentences(self) -> Names:
        """All of it in plain words."""
        said = [*_idle(self.summaries)]
        said += [found.sentence() for found in (self.units, self.heads) if found is not None]
        said += [f"{layer} unit {unit} responds to {what}." for (layer, unit), what in _first(self.responses)]
        said += [f"{layer} head {head} {what}." for (layer, head), what in _first(head_kinds(self.attention))]
        said += [f"{layer}: {found.sentence()}" for layer, found in self.dissections.items() if found.detectors]
        if self.probes is not None:
            best = max(self.probes.probes, key=lambda each: each.selectivity.value)
            said.append(f"Of {len(self.probes.probes)} probed layers, {best.sentence()}")
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def to_frame(self) -> "pd.DataFrame":
        """One row per measured unit and head: mean effect, adjusted p-value, and what it responds to."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        parts = [self._described(found) for found in (self.units, self.heads) if found is not None]
        columns = ["kind", "layer", "number", "effect", "size", "p_value", "responds_to"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def _described(self, found: Ablation) -> "pd.DataFrame":
        frame = found.to_frame().rename(columns={found.kind: "number"})
        frame.insert(0, "kind", found.kind)
        keys = list(zip(found.layers, found.parts.tolist(), strict=True))
        words = self.responses if found.kind == "unit" else head_kinds(self.attention)
        return frame.assign(responds_to=[words.get(key, "") for key in keys])


def deconstruct(
    model: nn.Module,
    inputs: Any,
    *,
    target: Any = None,
    layers: str | Sequence[str] | None = None,
    labels: Any = None,
    concepts: Mapping[str, Any] | None = None,
    n_units: int = 48,
    batch_size: int = 64,
    random_state: int = 0,
) -> Deconstruction:
    """Say what a network's units and heads respond to, and which of them its predictions need.

    Layers are summarised over the data; every unit's effect on the score is estimated from one gradient, and for the
    `n_units` largest it is measured by taking the unit out; every attention head is taken out. With `labels` layers
    are probed and units' strongest rows are compared with the labels; with `concepts` layers of maps are dissected.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : tensor, tuple or mapping of tensors
        At least 10 rows.
    target : int, one per row, or a function from the model's output to one number per row
        By default each row's own predicted class.
    layers : str or sequence of str, optional
        By default every module without children whose output has units, except what is returned.
    labels : array of shape (rows,), optional
        What the rows show.
    concepts : mapping of name to bool array of shape (rows, height, width), optional
        Where concepts are in the pictures.
    n_units : int
        Units to take out.
    batch_size : int
    random_state : int

    Returns
    -------
    Deconstruction

    Raises
    ------
    InputError
        As for `record`, `ablate`, `probe` and `dissect`.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.deconstruction import deconstruct
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> found = deconstruct(model, torch.randn(40, 3), n_units=4)
    >>> len(found.to_frame())
    4
    """
    n = len(first_input(inputs))
    if n < 10:
        raise InputError(f"to take a network apart needs at least 10 rows; got {n}.")
    if n_units < 1:
        raise InputError(f"n_units must be at least 1; got {n_units!r}.")
    if labels is not None:
        need_same_rows(len(np.asarray(labels)), n, "labels", "inputs")
    with session(model), torch.no_grad():
        targets, _ = own_targets(model, inputs, target, batch_size)
    names = _inner_layers(model, inputs) if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    summaries = summarize(model, inputs, layers=names, top=min(TOP, n // 2), batch_size=batch_size) if names else {}
    units = None
    if names:
        likely = _likely_units(model, inputs, names, targets, batch_size)
        units = ablate(model, inputs, layers=names, target=targets, batch_size=batch_size, units=_top(likely, n_units))
    heads, seen = None, None
    if _attends(model, inputs):
        heads = ablate_heads(model, inputs, target=targets, batch_size=batch_size)
        seen = attention(model, inputs)
    responses: dict[tuple[str, int], str] = {}
    dissections: dict[str, Dissection] = {}
    probes = None
    recorded = record(model, inputs, layers=names, batch_size=batch_size) if labels is not None or concepts else {}
    if labels is not None and units is not None:
        responses = responses_of(summaries, units, np.asarray(labels))
        probes = probe(recorded, labels, random_state=random_state)
    if concepts:
        maps = {name: value for name, value in recorded.items() if value.ndim == 4}
        dissections = {name: dissect(value, concepts, random_state=random_state) for name, value in maps.items()}
    return Deconstruction(
        summaries=summaries,
        units=units,
        heads=heads,
        attention=seen,
        responses=responses,
        dissections=dissections,
        probes=probes,
    )


def head_kinds(found: Attention | None) -> dict[tuple[str, int], str]:
    """In words, what each head attends to that has a name."""
    if found is None:
        return {}
    kinds = {}
    for head in found.heads().to_dict("records"):
        named = {kind: head[kind] for kind in HEAD_KINDS if head[kind] >= MUCH}
        if named:
            best = max(named, key=lambda kind: named[kind])
            kinds[head["layer"], int(head["head"])] = f"{HEAD_KINDS[best]} ({percent(named[best])} of its weight)"
    return kinds


def _inner_layers(model: nn.Module, inputs: Any) -> Names:
    """Modules without children that give floating numbers per row, except those whose output is returned."""
    leaves = [name for name, module in model.named_modules() if name and not any(module.children())]
    if not leaves:
        return ()
    found = Layers(model, tuple(leaves))
    row = next(batches(inputs, 2))
    rows = len(first_input(row))
    with session(model), torch.no_grad():
        with found.recorded() as kept:
            call(model, row)
        sites = list(kept.items())
    usable = {
        site.rpartition("#")[0]
        for site, value in sites[:-1]
        if value.ndim >= 2 and len(value) == rows and value.is_floating_point()
    }
    return tuple(name for name in leaves if name in usable)


def _attends(model: nn.Module, inputs: Any) -> bool:
    seen: list[bool] = []
    row = next(batches(inputs, 1))
    with session(model), torch.no_grad(), attention_calls(model, 1, weights=lambda *_: seen.append(True)):
        call(model, row)
    return bool(seen)


def _likely_units(model: nn.Module, inputs: Any, names: Names, targets: Any, batch_size: int) -> dict[str, Array]:
    """First-order estimate of every unit's mean absolute effect when it gives its mean over a batch instead."""
    found = Layers(model, names)
    module_of = {name: module for module, name in found.modules.items()}
    total: dict[str, Tensor] = {}
    start = 0

    def leave(_: str, value: Tensor) -> Tensor:
        if value.is_leaf and value.is_floating_point():
            value.requires_grad_()
        return value.clone()  # what comes next may work in place

    with session(model):
        for batch in batches(inputs, batch_size):
            rows = torch.arange(start, start + len(first_input(batch)), device=first_input(batch).device)
            start += len(rows)
            with found.recorded(leave) as kept:
                score = chosen(call(model, batch), targets_of(targets, rows))
            values = list(kept.values())
            slopes = torch.autograd.grad(score.sum(), values, allow_unused=True)
            for (site, value), slope in zip(kept.items(), slopes, strict=True):
                axis = unit_axis(module_of[site.rpartition("#")[0]], value)
                cells = value.detach().movedim(axis, -1).reshape(len(rows), -1, value.shape[axis])
                pulls = torch.zeros_like(value) if slope is None else slope
                pulls = pulls.movedim(axis, -1).reshape(cells.shape)
                effect = ((cells - cells.mean(dim=(0, 1))) * pulls).sum(dim=1).abs().sum(dim=0).double()
                total[site] = total.get(site, torch.zeros_like(effect)) + effect
        shortest = found.named(kept)
    return {name: total[site].cpu().numpy() for name, site in zip(shortest, kept, strict=True)}


def _top(estimates: dict[str, Array], most: int) -> dict[str, list[int]]:
    items = sorted(((-value, name, unit) for name, values in estimates.items() for unit, value in enumerate(values)))
    chosen_units: dict[str, list[int]] = {}
    for _, name, unit in items[:most]:
        chosen_units.setdefault(name, []).append(unit)
    return chosen_units


def responses_of(summaries: dict[str, LayerSummary], units: Ablation, labels: Array) -> dict[tuple[str, int], str]:
    """Labels that units' strongest rows have more often than chance (hypergeometric tail, Holm-adjusted)."""
    kinds, codes = np.unique(labels, return_inverse=True)
    counts = np.bincount(codes)
    keys = list(zip(units.layers, units.parts.tolist(), strict=True))
    tops = [codes[summaries[layer].top_rows[unit]] for layer, unit in keys]
    hits = np.array([np.bincount(top, minlength=len(kinds)) for top in tops])
    drawn = np.array([[len(top)] for top in tops])
    adjusted = holm(np.asarray(stats.hypergeom.sf(hits - 1, len(codes), counts, drawn)))
    words = {}
    for key, row, p, top in zip(keys, hits, adjusted, tops, strict=True):
        best = int(p.argmin())
        if p[best] <= LEVEL:
            words[key] = f"{kinds[best]} ({row[best]} of its {len(top)} strongest rows)"
    return words


def _first(words: dict[tuple[str, int], str]) -> list[tuple[tuple[str, int], str]]:
    return list(words.items())[:SAID]


def _idle(summaries: dict[str, LayerSummary]) -> list[str]:
    """Say which units are dead, and which say the same as another."""
    said = []
    dead = {name: int(summary.dead.sum()) for name, summary in summaries.items() if summary.dead.any()}
    if dead:
        said.append(f"{sum(dead.values())} units are dead: {', '.join(f'{n} in {name}' for name, n in dead.items())}.")
    twins = {name: len(summary.duplicates or ()) for name, summary in summaries.items() if summary.duplicates}
    if twins:
        said.append(f"Pairs of units say the same: {', '.join(f'{n} in {name}' for name, n in twins.items())}.")
    return said
