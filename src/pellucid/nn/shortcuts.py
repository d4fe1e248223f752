"""Shortcuts: a small patch, or one word, that decides by itself what the network says."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from torch import Tensor

from pellucid._base.errors import InputError, ModelError
from pellucid._base.numbers import percent
from pellucid._base.progress import Progress, track
from pellucid._base.randomness import stream
from pellucid._base.statistics import wilson
from pellucid._base.typing import Array, Float1, Int1
from pellucid.nn._scoring import all_outputs, first_input
from pellucid.nn._session import Network, session
from pellucid.nn._significance import holm

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS = 8
"""Rows the network must give to a class before the class is asked about."""
CANDIDATES = 12
"""Words tried per class: those the class has most more often than the others."""

Said: TypeAlias = Callable[[Any], Int1]
"""From a batch of inputs to the positions of the classes the network says."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """One place, or word, and what it does when it is moved into inputs of other classes.

    Parameters
    ----------
    outcome : str
        The class it makes the network say.
    what : str
        The place ("rows 0–4, columns 0–4") or the word.
    carried : float
        Share of other inputs that become `outcome` when they receive it.
    low, high : float
        95 % Wilson interval of `carried`.
    control : float
        The same share when they receive that place of inputs of other classes, or a word the class does not have more
        often.
    n : int
        Inputs it was moved into.
    p_value : float
        That it carries no more than the control (Fisher's exact test, one-sided), Holm-adjusted over everything tried.
    box : tuple of int or None
        Row, column, height and width of a place, in pixels.
    """

    outcome: str
    what: str
    carried: float
    low: float
    high: float
    control: float
    n: int
    p_value: float
    box: tuple[int, int, int, int] | None = None

    def sentence(self) -> str:
        """Say what was moved and what happened."""
        what = f"the patch at {self.what}" if self.box else f"the word “{self.what}”"
        source = self.outcome if self.outcome.startswith("class ") else f"class {self.outcome}"
        return (
            f"Moving {what} from inputs of {source} into {self.n} inputs of other classes turns "
            f"{percent(self.carried)} [{percent(self.low)}, {percent(self.high)}] of them into {self.outcome}; the "
            f"control turns {percent(self.control)}."
        )


@dataclass(frozen=True, kw_only=True)
class Shortcuts:
    """Everything that was tried, the strongest first.

    Parameters
    ----------
    tried : tuple of Shortcut
        Classes with fewer than 8 inputs were not asked about.
    alpha, least : float
        Adjusted level, and the least share of inputs that a shortcut turns.
    """

    tried: tuple[Shortcut, ...]
    alpha: float
    least: float

    @property
    def found(self) -> tuple[Shortcut, ...]:
        """The strongest of each class, where it decides: adjusted p at most `alpha`, and it turns at least `least`."""
        strong: dict[str, Shortcut] = {}
        for one in self.tried:
            if one.p_value <= self.alpha and one.carried >= self.least:
                strong.setdefault(one.outcome, one)
        return tuple(strong.values())

    def to_frame(self) -> "pd.DataFrame":
        """One row per thing tried."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        names = ("outcome", "what", "carried", "low", "high", "control", "n", "p_value")
        return pd.DataFrame({name: [getattr(one, name) for one in self.tried] for name in names})

    def sentence(self) -> str:
        """Say whether anything small decides by itself."""
        if self.found:
            return " ".join(one.sentence() for one in self.found)
        what = "patch" if any(one.box for one in self.tried) else "word"
        return f"No single {what} of the {len(self.tried)} tried decides by itself."


def find_shortcuts(
    model: Network,
    inputs: Any,
    *,
    class_names: Sequence[str] | None = None,
    parts: int = 6,
    alpha: float = 0.01,
    least: float = 0.5,
    max_rows: int = 32,
    batch_size: int = 64,
    random_state: int = 0,
    progress: Progress = None,
) -> Shortcuts:
    """Move small patches between pictures of different classes, and see whether a patch alone carries its class.

    For each class and each of the overlapping squares of a grid: pictures that the network gives to other classes
    receive that square from pictures of the class. A square that turns most of them is a shortcut: either a mark that
    has nothing to do with the class, or all that the network knows of it. The control moves the same square from
    pictures of other classes, and shows what any disturbance there does.

    Parameters
    ----------
    model : torch.nn.Module or callable
        From pictures to class scores of shape (rows, classes).
    inputs : tensor of shape (rows, channels, height, width)
    class_names : sequence of str, optional
        By default the classes' numbers.
    parts : int
        A square's side is the shorter side of the pictures divided by this; squares overlap by half.
    alpha : float
        Level of the test, adjusted over all classes and squares.
    least : float
        Share of pictures that a shortcut turns at least.
    max_rows : int
        Pictures of other classes that receive each square; where none of the first quarter turns, the others are not
        asked.
    batch_size : int
        Pictures given to the network at once.
    random_state : int
        Seed of which pictures give and receive.
    progress : bool or callable, optional

    Returns
    -------
    Shortcuts

    Raises
    ------
    InputError
        When the inputs are not pictures, or no class has enough of them.

    Notes
    -----
    A test of the network's behaviour, after the transplants of Geirhos et al., "Shortcut learning in deep neural
    networks", Nature Machine Intelligence 2 (2020). It finds marks that stay in one place; one that moves about needs
    another test.

    Examples
    --------
    >>> import torch
    >>> pictures = torch.rand(40, 1, 12, 12, generator=torch.Generator().manual_seed(0)) / 2
    >>> pictures[:20, :, :2, :2] = 1.0
    >>> def watermark(x): return torch.stack([x[:, 0, :2, :2].mean((1, 2)), torch.full((len(x),), 0.7)], 1)
    >>> find_shortcuts(watermark, pictures).found[0].box
    (0, 0, 2, 2)
    """
    pictures = first_input(inputs)
    if pictures.ndim != 4:
        raise InputError(
            f"inputs must be pictures of shape (rows, channels, height, width); got {tuple(pictures.shape)}. For texts "
            "use find_word_shortcuts."
        )
    side = min(pictures.shape[2:]) // parts
    if parts < 2 or side < 1:
        raise InputError(
            f"parts must be from 2 to the {min(pictures.shape[2:])} pixels of the shorter side; got {parts}."
        )
    with session(model):
        trials = _patch_trials(_said(model, batch_size), pictures, side, max_rows, random_state)
        return Shortcuts(tried=_tested(trials, class_names, progress), alpha=alpha, least=least)


def find_word_shortcuts(
    predict: Callable[[list[str]], Any],
    texts: Sequence[str],
    *,
    class_names: Sequence[str] | None = None,
    alpha: float = 0.01,
    least: float = 0.5,
    max_rows: int = 32,
    random_state: int = 0,
    progress: Progress = None,
) -> Shortcuts:
    """Put single words into texts of other classes, and see whether a word alone carries its class.

    The words tried for a class are the 12 whose share of texts is most above the other classes'. Each is put before
    texts that the network gives to other classes. The control puts words before them that the class does not have more
    often.

    Parameters
    ----------
    predict : callable
        From a list of texts to class scores of shape (rows, classes).
    texts : sequence of str
    class_names, alpha, least, max_rows, random_state, progress
        As in `find_shortcuts`.

    Returns
    -------
    Shortcuts

    Raises
    ------
    InputError
        When there are no texts, or no class has enough of them.

    Examples
    --------
    >>> import numpy as np
    >>> texts = ["the late win"] * 20 + ["the early loss"] * 20
    >>> def by_word(texts): return np.array([["win" in t, 0.5] for t in texts], dtype=float)
    >>> [one.what for one in find_word_shortcuts(by_word, texts).found]
    ['win']
    """
    if isinstance(texts, str) or not len(texts) or not all(isinstance(text, str) for text in texts):
        raise InputError("texts must be a sequence of at least one string.")

    def said(batch: list[str]) -> Int1:
        return _classes(predict(batch), len(batch))

    trials = _word_trials(said, list(texts), max_rows, random_state)
    return Shortcuts(tried=_tested(trials, class_names, progress), alpha=alpha, least=least)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Something to move into `rows` inputs: what the network says of the first few, and of all with the control."""

    outcome: int
    what: str
    box: tuple[int, int, int, int] | None
    rows: int
    changed: Callable[[int], Int1]
    controlled: Callable[[int], Int1]

    def counts(self) -> tuple[int, int, int]:
        """Inputs that turned, those that turned with the control, and how many were asked.

        Where not one of the first quarter turns, the others are not asked.
        """
        few = max(2, self.rows // 4)
        if not (self.changed(few) == self.outcome).any():
            return 0, 0, few
        turned = [int((said(self.rows) == self.outcome).sum()) for said in (self.changed, self.controlled)]
        return turned[0], turned[1], self.rows


def _said(model: Network, batch_size: int) -> Said:
    def said(batch: Any) -> Int1:
        return _classes(all_outputs(model, batch, batch_size).cpu().numpy(), len(batch))

    return said


def _classes(scores: Any, rows: int) -> Int1:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or len(scores) != rows or scores.shape[1] < 2:
        raise ModelError(
            f"the network must return class scores of shape ({rows}, classes); it returned {scores.shape}."
        )
    if not np.isfinite(scores).all():
        raise ModelError("the network's scores are NaN or infinite for some inputs; look at its inputs and weights.")
    return np.asarray(scores.argmax(axis=1))


def _givers(classes: Int1, max_rows: int, seed: int) -> Iterator[tuple[int, Int1, Int1, Int1]]:
    """For each class with enough rows: rows of it, rows of others that receive, and others that give the control."""
    for outcome in np.unique(classes):
        inside, outside = np.flatnonzero(classes == outcome), np.flatnonzero(classes != outcome)
        if min(len(inside), len(outside)) >= LEAST_ROWS:
            rng = stream(seed, "nn.shortcuts", int(outcome))
            receive = rng.permutation(outside)[:max_rows]
            yield int(outcome), rng.choice(inside, len(receive)), receive, rng.permutation(receive)


def _patch_trials(said: Said, pictures: Tensor, side: int, max_rows: int, seed: int) -> Iterator[_Trial]:
    height, width = pictures.shape[2:]
    step = max(1, side // 2)
    corners = [(r, c) for r in range(0, height - side + 1, step) for c in range(0, width - side + 1, step)]

    def moved(receive: Int1, give: Int1, row: int, column: int, first: int) -> Int1:
        changed = pictures[receive[:first]].clone()
        place = (..., slice(row, row + side), slice(column, column + side))
        changed[place] = pictures[give[:first]][place]
        return said(changed)

    for outcome, give, receive, others in _givers(said(pictures), max_rows, seed):
        for row, column in corners:
            yield _Trial(
                outcome,
                f"rows {row}–{row + side - 1}, columns {column}–{column + side - 1}",
                (row, column, side, side),
                len(receive),
                partial(moved, receive, give, row, column),
                partial(moved, receive, others, row, column),
            )


def _word_trials(said: Said, texts: list[str], max_rows: int, seed: int) -> Iterator[_Trial]:
    words = [{word.strip(".,;:!?\"'()[]").lower() for word in text.split()} - {""} for text in texts]
    vocabulary = sorted(set().union(*words))
    at = {word: i for i, word in enumerate(vocabulary)}
    holds = np.zeros((len(texts), len(vocabulary)), dtype=bool)
    for row, present in enumerate(words):
        holds[row, [at[word] for word in present]] = True

    def put(receive: Int1, chosen: Sequence[int], first: int) -> Int1:
        return said(
            [f"{vocabulary[word]} {texts[row]}" for row, word in list(zip(receive, chosen, strict=True))[:first]]
        )

    classes = said(texts)
    for outcome, _, receive, _ in _givers(classes, max_rows, seed):
        surplus = _surplus(holds, classes == outcome)
        plain = np.flatnonzero(surplus <= 0)
        if not len(plain):
            plain = np.argsort(surplus, kind="stable")[:CANDIDATES]
        drawn = stream(seed, "nn.shortcuts.control", outcome).choice(plain, len(receive))
        controlled = cache(partial(put, receive, tuple(drawn)))
        for word in np.argsort(-surplus, kind="stable")[:CANDIDATES]:
            if surplus[word] > 0:
                changed = partial(put, receive, [word] * len(receive))
                yield _Trial(outcome, vocabulary[word], None, len(receive), changed, controlled)


def _surplus(holds: Array, inside: Array) -> Float1:
    """How much larger a word's share of texts is inside a class than outside."""
    return np.asarray(holds[inside].mean(axis=0) - holds[~inside].mean(axis=0), dtype=np.float64)


def _tested(trials: Iterable[_Trial], class_names: Sequence[str] | None, progress: Progress) -> tuple[Shortcut, ...]:
    """Make every trial, and adjust for their number; the strongest first."""
    asked = list(trials)
    if not asked:
        raise InputError(
            f"no class that the network says has {LEAST_ROWS} inputs, with as many of other classes; give more inputs."
        )
    counts = [trial.counts() for trial in track(asked, task="shortcuts", total=len(asked), progress=progress)]
    p_values = holm(np.array([_fisher(*count) for count in counts]))
    tried = [_shortcut(*parts, class_names) for parts in zip(asked, counts, p_values, strict=True)]
    return tuple(sorted(tried, key=lambda one: (one.control - one.carried, one.p_value)))


def _shortcut(trial: _Trial, counts: tuple[int, int, int], p: float, class_names: Sequence[str] | None) -> Shortcut:
    turned, control, n = counts
    low, high = wilson(turned / n, n)
    if class_names is not None and trial.outcome >= len(class_names):
        raise InputError(f"class_names has {len(class_names)} names, but the network says class {trial.outcome}.")
    return Shortcut(
        outcome=str(trial.outcome if class_names is None else class_names[trial.outcome]),
        what=trial.what,
        carried=turned / n,
        low=low,
        high=high,
        control=control / n,
        n=n,
        p_value=float(p),
        box=trial.box,
    )


def _fisher(turned: int, control: int, n: int) -> float:
    """One-sided p-value that so many of n were turned, given as many controls."""
    from scipy.stats import hypergeom  # a third party, loaded only when a test is made

    return float(hypergeom.sf(turned - 1, 2 * n, turned + control, n))
