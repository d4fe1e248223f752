"""Activation patching: which part of a network carries what two inputs differ in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.typing import Array, Float3, Names
from pellucid.nn._attention_calls import Site, attention_calls
from pellucid.nn._layers import Layers
from pellucid.nn._scoring import call, chosen, first_input, row_scores, row_targets, taken, targets_of, with_first
from pellucid.nn._session import Network, session
from pellucid.nn.ablation import need_attention

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Patching:
    """How much of the difference between two inputs each part carries. Arrays are read-only.

    Parameters
    ----------
    kind : str
        What a column is: ``"head"`` or ``"position"``.
    sites : tuple of str
        Layers, or calls of attention, in the order of the forward pass.
    effect : float64 array of shape (sites, columns, rows)
        Score of the corrupted input with this part from the clean one, less the score of the corrupted input; NaN
        where a site has fewer columns. An estimate of it for attribution patching.
    clean, corrupt : float64 arrays of shape (rows,)
        Scores.
    exact : bool
        False where it is the linear estimate.
    """

    kind: str
    sites: Names
    effect: Float3
    clean: Array
    corrupt: Array
    exact: bool

    def __post_init__(self) -> None:
        for name in ("effect", "clean", "corrupt"):
            getattr(self, name).flags.writeable = False

    @property
    def recovered(self) -> Array:
        """Mean effect as a share of the mean difference between clean and corrupted, of shape (sites, columns)."""
        return np.asarray(self.effect.mean(axis=2) / (self.clean - self.corrupt).mean())

    def largest(self, most: int = 5) -> list[tuple[str, int, float]]:
        """Site, column and share recovered of the parts that carry most."""
        share = np.where(np.isnan(self.recovered), -np.inf, self.recovered)
        order = np.argsort(-share, axis=None, kind="stable")[: min(most, int(np.isfinite(share).sum()))]
        cells = [np.unravel_index(i, share.shape) for i in order]
        return [(self.sites[i], int(j), float(share[i, j])) for i, j in cells]

    def to_frame(self) -> "pd.DataFrame":
        """One row per site and column, with the share recovered."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        share = self.recovered
        cells = [(i, j) for i, j in np.ndindex(share.shape) if not np.isnan(share[i, j])]
        columns = {"site": [self.sites[i] for i, _ in cells], self.kind: [j for _, j in cells]}
        return pd.DataFrame({**columns, "recovered": [share[i, j] for i, j in cells]})

    def sentence(self) -> str:
        """Say which parts carry the difference."""
        named = [f"{site} {self.kind} {column} ({percent(share)})" for site, column, share in self.largest(3)]
        how = "recovers" if self.exact else "is estimated to recover"
        return f"Putting back one part of the clean input at a time {how} most at {', '.join(named)}."


def patch(
    model: Network,
    clean: Any,
    corrupt: Any,
    *,
    target: Any,
    layers: str | Sequence[str] | None = None,
    batch_size: int = 64,
) -> Patching:
    """Run the corrupted input with one part of the clean one put in its place, for every part.

    Denoising patching as in Meng et al. (2022): what recovers the score carries what the two inputs differ in.

    Parameters
    ----------
    model : torch.nn.Module
    clean, corrupt : tensor, tuple or mapping of tensors
        Of the same shapes.
    target : int, one per row, or a function from the model's output to one number per row
        For a language model a number is a token, read after the last position.
    layers : str or sequence of str, optional
        Layers whose outputs of shape (rows, positions, …) are put in position by position. By default all attention
        heads, each over all positions.
    batch_size : int
        Rows given to the network at once.

    Returns
    -------
    Patching

    Raises
    ------
    InputError
        When the inputs differ in shape, their scores do not differ, or a layer has no positions.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.patching import patch
    >>> model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten(), torch.nn.Linear(6, 2))
    >>> found = patch(model, torch.ones(4, 3, 2), torch.zeros(4, 3, 2), target=1, layers="0")
    >>> round(float(found.recovered.sum()), 5)
    1.0
    """
    with session(model), torch.no_grad():
        two = _compared(model, clean, corrupt, target, layers)
        effect, rows = two.table(), torch.arange(len(two.bad), device="cpu")
        columns = [values.shape[1] for values in two.from_clean.values()]
        items = [(site, column) for site, count in enumerate(columns) for column in range(count)]
        for part in torch.cartesian_prod(torch.arange(len(items), device="cpu"), rows).split(batch_size):
            wanted = torch.tensor([items[i] for i in part[:, 0].tolist()], device="cpu")
            at = part[:, 1].to(two.bad.device)
            with _patched(model, two.from_clean, wanted, at, layers):
                score = row_scores(model, taken(corrupt, at), targets_of(two.targets, at))
            effect[wanted[:, 0], wanted[:, 1], part[:, 1]] = (score - two.bad[at]).double().cpu()
    return two.patching(effect, heads=layers is None, exact=True)


def attribution_patch(
    model: Network,
    clean: Any,
    corrupt: Any,
    *,
    target: Any,
    layers: str | Sequence[str] | None = None,
    n_steps: int = 5,
) -> Patching:
    """Estimate what `patch` measures from `n_steps` gradients, for all parts at once (EAP-IG).

    The effect of a part is taken as (its clean value - its corrupted value) times the gradient of the score, averaged
    along the straight path of inputs (of embeddings, for tokens) from corrupted to clean (Hanna et al. 2024). One
    step at the corrupted end would be plain attribution patching (Nanda 2023), which fails where a softmax is
    saturated.

    Parameters
    ----------
    model, clean, corrupt, target, layers
        As in `patch`.
    n_steps : int
        Gradients, at the midpoints of as many pieces of the path.

    Returns
    -------
    Patching

    Raises
    ------
    InputError
        As for `patch`; or when the inputs are tokens and no `nn.Embedding` reads them.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.patching import attribution_patch
    >>> model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten(), torch.nn.Linear(6, 2))
    >>> found = attribution_patch(model, torch.ones(4, 3, 2), torch.zeros(4, 3, 2), target=1, layers="0")
    >>> round(float(found.recovered.sum()), 5)
    1.0
    """
    if n_steps < 1:
        raise InputError(f"n_steps must be at least 1; got {n_steps!r}.")
    with session(model):
        with torch.no_grad():
            two = _compared(model, clean, corrupt, target, layers)
        gradient = {site: torch.zeros_like(values) for site, values in two.from_clean.items()}
        path = _Path(model, clean, corrupt)
        for step in range(n_steps):
            with path.at((step + 0.5) / n_steps) as inputs:
                score, values = _run(model, inputs, two.targets, layers)
            for site, part in zip(
                values, torch.autograd.grad(score.sum(), list(values.values()), allow_unused=True), strict=True
            ):
                gradient[site] += 0 if part is None else part / n_steps
        effect = two.table()
        for number, (site, good_values) in enumerate(two.from_clean.items()):
            change = ((good_values - two.from_corrupt[site]) * gradient[site]).detach().flatten(2).sum(dim=2)
            effect[number, : change.shape[1]] = change.T.double().cpu()
    return two.patching(effect, heads=layers is None, exact=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Compared:
    """Two inputs that differ: their scores, of shape (rows,), and what every site gives for each."""

    targets: Any
    good: Tensor
    bad: Tensor
    from_clean: dict[str, Tensor]
    from_corrupt: dict[str, Tensor]

    def table(self) -> Tensor:
        """Effects that are not known yet, of shape (sites, columns, rows)."""
        columns = max(value.shape[1] for value in self.from_clean.values())
        return torch.full((len(self.from_clean), columns, len(self.bad)), torch.nan, dtype=torch.float64, device="cpu")

    def patching(self, effect: Tensor, *, heads: bool, exact: bool) -> Patching:
        """Say what was found."""
        return Patching(
            kind="head" if heads else "position",
            sites=tuple(self.from_clean),
            effect=effect.numpy(),
            clean=self.good.double().cpu().numpy(),
            corrupt=self.bad.double().cpu().numpy(),
            exact=exact,
        )


def _compared(model: Network, clean: Any, corrupt: Any, target: Any, layers: Any) -> _Compared:
    """Run both inputs, and refuse them where there is nothing to carry from one to the other."""
    x, other = first_input(clean), first_input(corrupt)
    if x.shape != other.shape or x.dtype != other.dtype:
        raise InputError(
            f"clean and corrupt must have the same shape and dtype; got {tuple(x.shape)} {x.dtype} and "
            f"{tuple(other.shape)} {other.dtype}. Pad tokens to one length, and line up what corresponds."
        )
    targets = row_targets(target, len(x), x.device)
    good, from_clean = _run(model, clean, targets, layers)
    bad, from_corrupt = _run(model, corrupt, targets, layers)
    if float((good - bad).mean()) == 0:
        raise InputError("the clean and the corrupted inputs have the same mean score, so there is nothing to carry.")
    return _Compared(targets=targets, good=good, bad=bad, from_clean=from_clean, from_corrupt=from_corrupt)


class _Path:
    """Inputs between the corrupted and the clean ones; for tokens, what the embeddings make of them."""

    def __init__(self, model: Network, clean: Any, corrupt: Any) -> None:
        self.clean, self.corrupt = clean, corrupt
        self.start, self.end = first_input(corrupt), first_input(clean)
        self.embeddings: Layers | None = None
        if not self.start.is_floating_point():
            modules = model.named_modules() if isinstance(model, nn.Module) else ()
            names = tuple(name for name, module in modules if isinstance(module, nn.Embedding))
            if not names:
                raise InputError(
                    "the inputs are whole numbers and no nn.Embedding reads them; give embeddings as the input."
                )
            self.embeddings = Layers(model, names)
            with torch.no_grad():
                with self.embeddings.recorded() as self.first:
                    call(model, corrupt)
                with self.embeddings.recorded() as self.last:
                    call(model, clean)

    @contextmanager
    def at(self, share: float) -> Iterator[Any]:
        """Yield the inputs at this share of the way; calls of the model inside see embeddings of there."""
        rows = torch.arange(len(self.start), device=self.start.device)
        if self.embeddings is None:
            x = torch.lerp(self.start, self.end, share).requires_grad_()
            yield with_first(self.clean, x.clone(), rows)  # what comes next may work in place
            return

        def between(site: str, _: Tensor) -> Tensor:
            return torch.lerp(self.first[site], self.last[site], share).requires_grad_().clone()

        with self.embeddings.recorded(between):
            yield self.clean


def _run(model: Network, inputs: Any, targets: Any, layers: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """Scores, and what every site gives, of shape (rows, columns, …)."""
    rows = len(first_input(inputs))
    if layers is None:
        kept: dict[str, Tensor] = {}
        names: list[str] = []

        def keep(site: Site, values: Tensor) -> Tensor:
            names.append(site.name)
            kept[f"{site.name}#{names.count(site.name)}"] = values
            return values.clone()

        with attention_calls(model, rows, heads=keep):
            score = chosen(call(model, inputs), targets)
        need_attention(kept)
        short = {f"{name}#1": name for name in names if names.count(name) == 1}
        return score, {short.get(site, site): values for site, values in kept.items()}
    found = Layers(model, (layers,) if isinstance(layers, str) else tuple(layers))
    with found.recorded() as recorded:
        score = chosen(call(model, inputs), targets)
    for site, values in recorded.items():
        if values.ndim < 2 or len(values) != rows or not values.is_floating_point():
            raise InputError(
                f"layer {site!r} gives shape {tuple(values.shape)}, which has no positions for {rows} rows."
            )
    return score, found.named(recorded)


@contextmanager
def _patched(model: Network, source: dict[str, Tensor], wanted: Tensor, at: Tensor, layers: Any) -> Iterator[None]:
    """Put one column of one site from `source` into each row, as `wanted` (site, column) says."""
    values = list(source.values())

    def put(number: int, value: Tensor) -> Tensor:
        mask = (wanted[:, 0] == number)[:, None] & (wanted[:, 1:] == torch.arange(value.shape[1], device="cpu"))
        mask = mask.to(value.device).reshape(*mask.shape, *[1] * (value.ndim - 2))
        return torch.where(mask, values[number][at], value)

    if layers is None:
        with attention_calls(model, len(at), heads=lambda site, value: put(site.number, value)):
            yield
        return
    numbers = iter(range(len(values)))  # sites come in the same order in every pass
    found = Layers(model, (layers,) if isinstance(layers, str) else tuple(layers))
    with found.recorded(lambda _, value: put(next(numbers), value)):
        yield
