"""What a network's audit is about: the network, rows it has not seen, and what it says of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from pellucid._base.errors import InputError, PellucidError
from pellucid._base.progress import Progress
from pellucid._base.randomness import check_seed
from pellucid._base.typing import Array, Float2, Int1, Names
from pellucid.auditing.policy import Policy, read_policy
from pellucid.nn._intercept import tensors_in
from pellucid.nn._scoring import all_outputs, call, first_input, taken
from pellucid.nn._session import session
from pellucid.table import listed

MOST_BATCH = 64
LARGEST = 1 << 24
"""Bytes of the largest tensor of a batch. The system takes pages of far larger ones back after every function, and on a
processor two thirds of the time went into fetching them again."""
LEAST_ROWS = 20
TYPICAL = "typical"

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkSubject:
    """A network, rows of pictures or texts, and the truth.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : tensor, or mapping of tensors
        As the network takes them.
    y : int64 array of shape (rows,)
    scores : float64 array of shape (rows, classes)
        What the network says.
    class_names : tuple of str
    pictures : uint8 array of shape (rows, height, width, 3), or None
        The pictures as a person sees them.
    texts : tuple of str, or None
    tokens : tuple of tuple of (before, token), or None
        Per text, what stands before each token and the token as it is written.
    tokenizer : fast tokenizer or None
        Reads texts.
    about : str
        What the rows are, in the caller's words.
    rows : tuple of int, or None
        Rows whose decisions are shown.
    batch : int
        Rows given to the network at once.
    policy : Policy
    fast : bool
    random_state : int
    progress : bool, callable or None
    """

    model: nn.Module
    inputs: Any
    y: Int1
    scores: Float2
    class_names: Names
    pictures: Array | None
    texts: Names | None
    tokens: tuple[tuple[tuple[str, str], ...], ...] | None
    tokenizer: Any
    about: str
    rows: tuple[int, ...] | None
    batch: int
    policy: Policy
    fast: bool
    random_state: int
    progress: Progress

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def said(self) -> Int1:
        """Class that the network gives to each row."""
        return np.asarray(self.scores.argmax(axis=1))

    @property
    def probability(self) -> Float2:
        """Softmax of the scores."""
        powers = np.exp(self.scores - self.scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    @property
    def label(self) -> str:
        """The network in a word."""
        kind = type(self.model).__name__
        return "ExportedProgram" if kind == "UnflattenedModule" else kind  # what its owner knows it by

    def name(self, k: int) -> str:
        """Name of a class."""
        return self.class_names[k]

    @classmethod
    def of(
        cls,
        model: Any,
        inputs: Any,
        y: Any,
        *,
        class_names: Sequence[str] | None,
        pictures: Any,
        tokenizer: Any,
        about: str,
        rows: str | Sequence[int] | None,
        policy: Any,
        fast: bool,
        random_state: int,
        progress: Progress,
    ) -> "NetworkSubject":
        """Check the arguments of `pellucid.nn.audit` and ask the network once."""
        if not isinstance(model, nn.Module):
            raise InputError(f"model must be a torch.nn.Module; got {type(model).__name__}.")
        check_seed(random_state)
        if not isinstance(about, str):
            raise InputError(f"about must be a sentence on the rows; got {about!r:.80}.")
        texts = _texts(inputs, tokenizer)
        given = inputs if texts is None else read_texts(tokenizer, list(texts))
        first_input(given)  # refuses what is empty or not finite
        try:
            batch = _rows_at_once(model, given)
            scores = _scores(model, given, batch)
        except PellucidError:
            raise
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            raise InputError(
                f"the network cannot take these inputs, {_in_words(given)}: {type(error).__name__}: {error!s:.300}"
            ) from error
        _check_scores(scores)
        truth = _truth(y, scores)
        names = _names(class_names, scores.shape[1])
        shown = None if texts is not None else _pictures(first_input(given), pictures)
        subject = cls(
            model=model, inputs=given, y=truth, scores=scores, class_names=names, pictures=shown, texts=texts,
            tokens=None if texts is None else tuple(_tokens(tokenizer, text) for text in texts), tokenizer=tokenizer,
            about=about, rows=None, batch=batch, policy=read_policy(policy), fast=fast, random_state=random_state,
            progress=progress,
        )  # fmt: skip
        object.__setattr__(subject, "rows", _chosen(rows, subject))
        return subject


def once(ask: Callable[..., Answer]) -> Callable[..., Answer]:
    """Ask something of a subject once, and remember the answer as long as the subject lives."""
    known: WeakKeyDictionary[NetworkSubject, dict[tuple[Any, ...], Answer]] = WeakKeyDictionary()

    @wraps(ask)
    def asked(subject: NetworkSubject, *rest: Any) -> Answer:
        answers = known.setdefault(subject, {})
        if rest not in answers:
            answers[rest] = ask(subject, *rest)
        return answers[rest]

    return asked


def _texts(inputs: Any, tokenizer: Any) -> Names | None:
    if tokenizer is None:
        if isinstance(inputs, list | tuple) and inputs and all(isinstance(text, str) for text in inputs):
            raise InputError("inputs are texts: give the network's tokenizer= as well.")
        return None
    if isinstance(inputs, str | Mapping | Tensor) or not all(isinstance(text, str) for text in inputs):
        raise InputError("with a tokenizer, inputs must be a sequence of texts.")
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            "the tokenizer must be a fast one of transformers, which knows where each token stands in the text."
        )
    return tuple(inputs)


def read_texts(tokenizer: Any, texts: list[str]) -> dict[str, Tensor]:
    """Return texts as the network takes them."""
    found = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return {name: found[name] for name in ("input_ids", "attention_mask")}


def _tokens(tokenizer: Any, text: str) -> tuple[tuple[str, str], ...]:
    """Each token with what stands before it; a token that is no part of the text has its own name."""
    found = tokenizer(text, truncation=True, return_offsets_mapping=True)
    written, end = [], 0
    for token, (start, stop) in zip(found["input_ids"], found["offset_mapping"], strict=True):
        if stop <= start:
            written.append((" ", str(tokenizer.convert_ids_to_tokens(token))))
            continue
        written.append((text[end:start] if written and end else " ", text[start:stop]))
        end = stop
    return tuple(written)


def _rows_at_once(model: nn.Module, inputs: Any) -> int:
    """Rows whose largest tensor, as the network's parts return them, stays small."""
    sizes = [1]

    def see(_: nn.Module, __: Any, output: Any) -> None:
        sizes.extend(tensor.numel() * tensor.element_size() for tensor in tensors_in(output))

    with session(model), torch.no_grad():  # it takes the hooks away again
        for module in model.modules():
            module.register_forward_hook(see)
        call(model, taken(inputs, torch.arange(1)))
    return min(max(LARGEST // max(sizes), 1), MOST_BATCH)


def _scores(model: nn.Module, inputs: Any, batch: int) -> Float2:
    with session(model):
        return np.asarray(all_outputs(model, inputs, batch).double().cpu().numpy())


def _in_words(inputs: Any) -> str:
    """Shapes and types of what the network was given."""
    named = inputs.items() if isinstance(inputs, Mapping) else [("", first_input(inputs))]
    return ", ".join(f"{name} {value.dtype} of shape {tuple(value.shape)}".strip() for name, value in named)


def _check_scores(scores: Float2) -> None:
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise InputError(
            f"the network must return class scores of shape (rows, classes ≥ 2); it returns {scores.shape}."
        )
    if not np.isfinite(scores).all():
        raise InputError("the network's scores are NaN or infinite for some rows; look at its inputs and weights.")


def _truth(y: Any, scores: Float2) -> Int1:
    truth = np.asarray(y)
    if truth.dtype.kind not in "iu" or truth.shape != (len(scores),):
        raise InputError(
            f"y must hold one class number for each of {len(scores)} rows; got {truth.dtype} of shape {truth.shape}."
        )
    if len(truth) < LEAST_ROWS:
        raise InputError(f"an audit needs at least {LEAST_ROWS} rows that the network has not seen; got {len(truth)}.")
    if truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise InputError(f"y must lie between 0 and {scores.shape[1] - 1}; got {truth.min()} to {truth.max()}.")
    return truth.astype(np.int64)


def _names(class_names: Sequence[str] | None, classes: int) -> Names:
    if class_names is None:
        return tuple(f"class {k}" for k in range(classes))
    if isinstance(class_names, str) or len(class_names) != classes:
        got = repr(class_names) if isinstance(class_names, str) else f"{len(class_names)}: {listed(list(class_names))}"
        raise InputError(
            f"class_names must have a name for each of the {classes} classes that the network returns, in their order "
            f"(--classes on the command line); got {got}."
        )
    return tuple(str(name) for name in class_names)


def _pictures(inputs: Tensor, pictures: Any) -> Array:
    """Return the given pictures, or the inputs stretched to the range of what can be seen."""
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
        raise InputError(
            "inputs must be pictures of shape (rows, 1 or 3, height, width), or texts with a tokenizer; got a tensor "
            f"of shape {tuple(inputs.shape)}."
        )
    if pictures is not None:
        given = np.asarray(pictures)
        wanted = (len(inputs), *inputs.shape[2:], 3)
        if given.dtype != np.uint8 or given.shape != wanted:
            raise InputError(f"pictures must be uint8 of shape {wanted}; got {given.dtype} of shape {given.shape}.")
        return given
    array = inputs.double().cpu().numpy().transpose(0, 2, 3, 1)
    low, high = array.min(), array.max()
    stretched = np.rint(255 * (array - low) / max(high - low, 1e-300)).astype(np.uint8)
    return np.broadcast_to(stretched, (*stretched.shape[:3], 3))


def _chosen(rows: str | Sequence[int] | None, subject: NetworkSubject) -> tuple[int, ...] | None:
    """Rows asked for; "typical" means surely right, least sure, and most surely wrong."""
    if rows is None:
        return None
    if isinstance(rows, str):
        if rows != TYPICAL:
            raise InputError(f"rows must be 'typical' or row numbers; got {rows!r}.")
        return _typical(subject)
    chosen = np.asarray(rows)
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1 or not len(chosen):
        raise InputError(f"rows must be 'typical' or row numbers; got {rows!r:.80}.")
    if chosen.min() < 0 or chosen.max() >= subject.n:
        raise InputError(f"rows must lie between 0 and {subject.n - 1}; got {chosen.tolist()}.")
    return tuple(dict.fromkeys(chosen.tolist()))


def _typical(subject: NetworkSubject) -> tuple[int, ...]:
    ordered = np.sort(subject.probability, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    right = subject.said == subject.y
    found = []
    if right.any():
        middle = np.argsort(margin[right], kind="stable")[right.sum() // 2]
        found.append(int(np.flatnonzero(right)[middle]))
    found.append(int(margin.argmin()))
    wrong = np.flatnonzero(~right)
    found += [int(row) for row in wrong[np.argsort(-margin[wrong], kind="stable")][:2]]
    return tuple(dict.fromkeys(found))
