"""The logit lens: what a language model would say after each layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure
from pellucid._base.typing import Array, Float3, Names
from pellucid.nn._layers import Layers
from pellucid.nn._scoring import call, first_input, output_tensor
from pellucid.nn._session import session

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class LogitLens:
    """Next-token distributions read from each layer. Arrays are read-only.

    Parameters
    ----------
    layers : tuple of str
    tokens : int64 array of shape (layers, rows, positions)
        The likeliest token.
    probability : float64 array of shape (layers, rows, positions)
        Of that token.
    divergence : float64 array of shape (layers, rows, positions)
        Kullback-Leibler divergence of the layer's distribution from the model's own, in nats: 0 where they agree.
    rank : int64 array of shape (layers, rows, positions)
        Rank, from 0, of the model's own answer; the last of those that are as likely.
    norm : str or None
        The layer that was put between, found as the one that feeds the unembedding.
    """

    layers: Names
    tokens: Array
    probability: Float3
    divergence: Float3
    rank: Array
    norm: str | None

    def __post_init__(self) -> None:
        for name in ("tokens", "probability", "divergence", "rank"):
            getattr(self, name).flags.writeable = False

    def to_frame(self) -> "pd.DataFrame":
        """One row per layer: means over rows and positions, and how often the model's answer is already first."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        return pd.DataFrame(
            {
                "layer": self.layers,
                "divergence": self.divergence.mean(axis=(1, 2)),
                "agrees": (self.rank == 0).mean(axis=(1, 2)),
                "probability": self.probability.mean(axis=(1, 2)),
            }
        )

    def sentence(self) -> str:
        """Say from which layer on the model's answer stands."""
        agrees = (self.rank == 0).mean(axis=(1, 2))
        settled = [name for name, share in zip(self.layers, agrees, strict=True) if share >= 0.5]
        where = f"from {settled[0]} on" if settled else "after none of these layers"
        return (
            f"The model’s own answer is the likeliest at half of the positions {where}; read after {self.layers[-1]} "
            f"the distribution is {figure(float(self.divergence[-1].mean()))} nats from the model’s own."
        )


def logit_lens(
    model: nn.Module, inputs: Any, *, layers: str | Sequence[str], unembedding: str | None = None
) -> LogitLens:
    """Decode the output of every layer with the model's own last norm and unembedding (nostalgebraist 2020).

    The last norm is found in the forward pass: it is the layer whose output the unembedding reads. Early layers may
    write in directions that the unembedding does not know, so a high divergence is not absence of knowledge.

    Parameters
    ----------
    model : torch.nn.Module
        A language model: its output's logits have shape (rows, positions, words).
    inputs : tensor, tuple or mapping of tensors
    layers : str or sequence of str
        Layers on the residual stream, such as ``"transformer.h.*"`` with names of blocks only; their outputs must
        have the unembedding's width.
    unembedding : str, optional
        The linear layer that makes logits; by default Hugging Face's ``get_output_embeddings()``, else the last
        `nn.Linear` called.

    Returns
    -------
    LogitLens

    Raises
    ------
    InputError
        When a layer or the unembedding is not there, or a layer has another width.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.lens import logit_lens
    >>> model = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Tanh(), torch.nn.Linear(4, 9))
    >>> found = logit_lens(model, torch.arange(6).reshape(1, 6), layers=["0", "1"])
    >>> found.divergence[1].max() < 1e-6
    np.True_
    """
    first_input(inputs)
    found = Layers(model, (layers,) if isinstance(layers, str) else tuple(layers))
    with session(model), torch.no_grad():
        fed, producer = _last_linear(model, inputs, unembedding)
        with found.recorded() as kept:
            own = output_tensor(call(model, inputs))
        if own.ndim != 3:
            raise InputError(f"the model must return logits of shape (rows, positions, words); got {tuple(own.shape)}.")
        reference = own.double().log_softmax(dim=-1)
        named = found.named(kept)

        def decode(value: Tensor) -> Tensor:
            logits: Tensor = fed(value if producer is None else producer[1](value))
            return logits

        read = [_read(name, value, fed, decode, reference) for name, value in named.items()]
    tokens, probability, divergence, rank = (torch.stack(part).cpu().numpy() for part in zip(*read, strict=True))
    return LogitLens(
        layers=tuple(named),
        tokens=tokens,
        probability=probability,
        divergence=divergence,
        rank=rank,
        norm=None if producer is None else producer[0],
    )


def _read(
    name: str, value: Tensor, fed: nn.Linear, decode: Callable[[Tensor], Tensor], reference: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Likeliest token, its probability, divergence from the reference, and the rank of the model's answer."""
    if value.ndim != 3 or value.shape[2] != fed.in_features or value.shape[:2] != reference.shape[:2]:
        raise InputError(
            f"layer {name!r} gives shape {tuple(value.shape)}; the logit lens reads (rows, positions, "
            f"{fed.in_features}) for {tuple(reference.shape[:2])} rows and positions."
        )
    logs = decode(value).double().log_softmax(dim=-1)
    best, tokens = logs.max(dim=-1)
    answer = logs.gather(-1, reference.argmax(dim=-1, keepdim=True))
    divergence = (reference.exp() * (reference - logs)).sum(dim=-1).clamp(min=0)
    return tokens, best.exp(), divergence, (logs >= answer).sum(dim=-1) - 1


def _last_linear(
    model: nn.Module, inputs: Any, unembedding: str | None
) -> tuple[nn.Linear, tuple[str, nn.Module] | None]:
    """The unembedding, and the layer whose output it reads where that is a norm."""
    called: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def hook(module: nn.Module, args: Any, output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            called.append((names[module], module, args[0], output))

    names = {module: name for name, module in model.named_modules()}
    handles = [module.register_forward_hook(hook) for module in names if not any(module.children())]
    try:
        call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    given = getattr(model, "get_output_embeddings", lambda: None)()
    wanted = names.get(given) if unembedding is None and given is not None else unembedding
    linear = [entry for entry in called if isinstance(entry[1], nn.Linear) and wanted in (None, entry[0])]
    if not linear:
        raise InputError(f"no linear layer {wanted or ''!r} was called that could be the unembedding; name it.")
    _, module, read, _ = linear[-1]
    producers = [(n, m) for n, m, _, out in called if out.data_ptr() == read.data_ptr() and "Norm" in type(m).__name__]
    assert isinstance(module, nn.Linear)  # noqa: S101 - chosen above
    return module, producers[-1] if producers else None
