"""LIME for texts, images and any other game: a local surrogate over which parts are shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from threading import Lock
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.randomness import is_whole, stream
from pellucid._base.typing import Array, Bool2, Float1, Float2, Int1
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.estimation import watched_map
from pellucid.explainers.lime_answer import STABILITY_DRAWS, lime_answer
from pellucid.explainers.surrogate import Surrogate, covariances, fit_exchangeable
from pellucid.games import MarginalGame, RowGames
from pellucid.games.marginal import marginal_game, row_keys
from pellucid.table import Table

Sizes: TypeAlias = Literal["uniform", "binomial"]

ENUMERATED = 512
"""All sets of parts are taken where they are no more than this."""
STABLE = 0.95
"""Probability of keeping the set of largest features at which sampling stops."""
FIRST = 64
"""Samples before the first look, beyond two for every part."""


@dataclass(frozen=True)
class MaskedLime:
    """LIME (Ribeiro et al., 2016) for texts and images: a weighted ridge regression on which parts are shown.

    lime samples how many parts are shown and which, and weighs a sample with s of d parts shown by
    ``exp(-(1 - sqrt(s / d))^2 / (2 width^2))``, its kernel on the cosine distance. The values are the coefficients of
    the regression: what showing a part adds. They do not promise to add up to the model's output.

    The estimand is lime's, the sample is not. Sizes are drawn from the weighted distribution itself (the tilt of
    Tan et al., GLIME, 2023), so that every sample counts alike; their sequence is spread evenly, and the parts of a
    size are cuts of one order, so that every part is shown equally often. The square and the cube of a first fit are
    control variates of the last (see `pellucid.explainers.controls`). Repeated samples are evaluated once. Where
    all 2^d are no more than 512, all are evaluated, and the coefficients have no sampling error. Else the
    sample doubles until the set of the `top_k` largest stays the same with a probability of 95 %, or, with ``tol``,
    until ``1.96 * std_error <= tol`` for all values, or to the end.

    Parameters
    ----------
    sizes : {"uniform", "binomial"}
        How many parts a sample hides: 1 to all equally often (lime's for text), or each part with probability one
        half (lime's for images).
    kernel_width : float
        Width of the kernel; 0.25 is lime's for both.
    n_samples : int
        Most samples, and the number to which lime's penalty of 1 belongs; a budget lowers only the former.
    top_k : int
        Size of the set of largest features whose stability is measured.

    Examples
    --------
    >>> import pellucid, numpy as np
    >>> explanation = pellucid.explain(
    ...     lambda X: X[:, 0] - 2 * X[:, 1], np.ones((1, 3)), background=np.zeros((1, 3)), method=pellucid.MaskedLime()
    ... )
    >>> explanation.values.round(1).ravel()
    array([ 1., -2.,  0.])
    """

    name: ClassVar[str] = "lime"
    needs: ClassVar[Needs] = "predict"
    summary: ClassVar[str] = "a local linear surrogate over which words or areas are shown"

    sizes: Sizes = "uniform"
    kernel_width: float = 0.25
    n_samples: int = 5000
    top_k: int = 5

    def __post_init__(self) -> None:
        if self.sizes not in get_args(Sizes):
            raise InputError(f"sizes must be one of {', '.join(map(repr, get_args(Sizes)))}; got {self.sizes!r:.80}.")
        if not self.kernel_width > 0:
            raise InputError(f"kernel_width must be positive; got {self.kernel_width!r:.80}.")
        for name, least in (("n_samples", 2), ("top_k", 1)):
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}; got {value!r:.80}.")

    @property
    def adapts(self) -> bool:
        """The number of samples depends on the model, so the values are linear in it only within their errors."""
        return True

    def bind(self, question: Question) -> "MaskedLimeBound":
        """Prepare the game."""
        game = marginal_game(question.model, question.background, question.space, method=self.name)
        return MaskedLimeBound(self, question, game)

    def masses(self, n: int) -> Float1:
        """Share of lime's samples that show 0 … n of n parts, times their weight.

        lime's first sample is the whole input.
        """
        shown = np.arange(n + 1)
        share = np.where(shown < n, 1.0 / n, 0.0)
        if self.sizes == "binomial":
            share = np.array([float(comb(n, k) / 2**n) if n < 1000 else 0.0 for k in range(n + 1)])
            share = share if n < 1000 else _normal_share(n)
        share = (1 - 1 / self.n_samples) * share + np.where(shown == n, 1 / self.n_samples, 0.0)
        return np.asarray(share * np.exp(-((1 - np.sqrt(shown / n)) ** 2) / (2 * self.kernel_width**2)))


def _normal_share(n: int) -> Float1:
    """Binomial shares of very many parts by the normal density, which is as close as float64 can tell apart here."""
    share = np.exp(-((np.arange(n + 1) - n / 2) ** 2) / (n / 2))
    return np.asarray(share / share.sum())


@dataclass(frozen=True, eq=False)
class _Look:
    """Samples (parts, samples) known at a level, the weight of each, and their weighted covariances."""

    shown: Bool2
    keys: list[bytes]
    weight: Float1
    cross: Float2
    exact: bool


class _Design:
    """Nested samples of which of n parts are shown, the same for every row with n parts that matter."""

    def __init__(self, options: MaskedLime, n: int, most: int, random_state: int) -> None:
        self._n, self._most, self._penalty = n, most, options.n_samples
        self._mass = options.masses(n)
        self._sampler = _Sampler(n, self._mass / self._mass.sum(), random_state)
        self._known: list[_Look] = []
        self._pairs = np.zeros((n, n))
        self._lock = Lock()
        self.together = _together(self._mass / self._mass.sum())
        self.draws = stream(random_state, "lime.stability").standard_normal((STABILITY_DRAWS, n))

    def looks(self) -> Iterator[_Look]:
        """Yield all sets of parts where there are few, else samples that double, each made when a row first asks."""
        if self._n < 60 and 2**self._n <= min(self._most, ENUMERATED):
            yield self._all()
            return
        samples, level = min(self._most, FIRST + 2 * self._n), 0
        while True:
            with self._lock:
                if level == len(self._known):
                    self._known.append(self._doubled(samples))
            yield self._known[level]
            if samples == self._most:
                return
            samples, level = min(self._most, 2 * samples), level + 1

    def _all(self) -> _Look:
        shown = (np.arange(2**self._n) >> np.arange(self._n)[:, None]) & 1 == 1
        size = shown.sum(axis=0)
        weight = self._penalty * self._mass[size] / np.array([comb(self._n, k) for k in size.tolist()])
        return _Look(shown, row_keys(shown.T), weight, covariances(shown, weight), exact=True)

    def _doubled(self, samples: int) -> _Look:
        known = self._known[-1] if self._known else None
        new = np.ascontiguousarray(self._sampler.take(samples - (known.shown.shape[1] if known else 0)).T)
        shown = np.concatenate([known.shown, new], axis=1) if known else new
        # whole numbers, which float32 adds up exactly in any order
        self._pairs += (new.astype(np.float32) @ new.T.astype(np.float32)).astype(np.float64)
        alone = np.diag(self._pairs)
        each = self._mass.sum() * self._penalty / samples
        cross = each * (self._pairs - np.outer(alone, alone) / samples)
        keys = (known.keys if known else []) + row_keys(new.T)
        return _Look(shown, keys, np.full(samples, each), cross, exact=False)


def _together(share: Float1) -> Float1:
    """Chances that one, two, three and four given parts are shown, by the share of each number of parts shown."""
    n, shown = len(share) - 1, np.arange(len(share))
    ratios = [np.maximum(shown - i, 0) / max(n - i, 1) for i in range(4)]
    return np.cumprod(ratios, axis=0) @ share


class _Sampler:
    """Coalitions with sizes of given shares: sizes evenly spread, parts of a size in cuts of one order."""

    def __init__(self, n: int, share: Float1, random_state: int) -> None:
        self._n, self._ends, self._seed, self._taken = n, np.cumsum(share)[:-1], random_state, 0
        self._shift = stream(random_state, "lime.masks.sizes").random()

    def take(self, count: int) -> Bool2:
        """Return the next `count` coalitions."""
        at = np.arange(self._taken, self._taken + count)
        sizes = np.searchsorted(self._ends, (_van_der_corput(at) + self._shift) % 1.0, side="right")
        shown = np.zeros((count, self._n), dtype=bool)
        rng = stream(self._seed, f"lime.masks.{self._n}", self._taken)
        for size in np.unique(sizes).tolist():
            rows = np.flatnonzero(sizes == size)
            shown[rows] = self._cuts(size, len(rows), rng)
        self._taken += count
        return shown

    def _cuts(self, size: int, count: int, rng: np.random.Generator) -> Bool2:
        """Coalitions of one size, or of what it leaves hidden where that is smaller."""
        n, few = self._n, min(size, self._n - size)
        marked = np.zeros((count, n), dtype=bool)
        if few:
            per_order = n // few
            orders = rng.permuted(np.tile(np.arange(n), (-(-count // per_order), 1)), axis=1)
            members = orders[:, : per_order * few].reshape(-1, few)[:count]
            marked[np.arange(count)[:, None], members] = True
        return marked if few == size else ~marked


def _van_der_corput(numbers: Int1) -> Float1:
    """The numbers' binary digits mirrored at the point: evenly spread in [0, 1) from every beginning."""
    points, rest, digit = np.zeros(len(numbers)), numbers.copy(), 0.5
    while rest.any():
        points += digit * (rest & 1)
        rest, digit = rest >> 1, digit / 2
    return points


@dataclass(frozen=True, eq=False)
class MaskedLimeBound:
    """`MaskedLime`, ready for rows."""

    options: MaskedLime
    question: Question
    game: MarginalGame

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows.

        Raises
        ------
        UnsupportedRequestError
            When the budget is too small for the number of parts.
        """
        games = self.game.rows(X, y)
        designs: dict[int, _Design] = {}
        for n in np.unique(games.relevant.sum(axis=1)).tolist():
            if n:
                designs[n] = self._design(n)

        def work(row: int) -> tuple[Surrogate, int, int]:
            n = int(games.relevant[row].sum())
            return self._climb(games, row, designs[n]) if n else (_nothing(games.full[row]), 0, 0)

        done = watched_map(work, range(len(games)), self.question)
        return lime_answer(
            self.question,
            [fit for fit, _, _ in done],
            relevant=games.relevant,
            samples=max((samples for _, samples, _ in done), default=0),
            model_rows=games.fixed_cost + sum(cost for _, _, cost in done),
            background=games.background_in_words,
        )

    def _design(self, n: int) -> _Design:
        budget = self.question.budget
        most = self.options.n_samples if budget is None else min(budget, self.options.n_samples)
        if most < min(2**n, n + 2):
            smallest = min(2**n, n + 2)
            way = f"budget={smallest}" if budget == most else f"method=MaskedLime(n_samples={smallest})"
            raise UnsupportedRequestError(
                f"method='lime' needs at least {smallest} samples for {n} parts; got {most}. Pass {way} or more."
            )
        return _Design(self.options, n, most, self.question.random_state)

    def _climb(self, games: RowGames, row: int, design: _Design) -> tuple[Surrogate, int, int]:
        """Fit level after level until the answer is good enough; also the samples and model rows it took."""
        number: dict[bytes, int] = {}
        at: list[int] = []
        values: list[Float2] = []
        cost = 0
        for look in design.looks():
            start, known = len(at), len(number)
            at += [number.setdefault(key, len(number)) for key in look.keys[start:]]
            numbers, first = np.unique(at[start:], return_index=True)
            [new], spent = games.evaluate([(row, look.shown[:, start + first[numbers >= known]].T)])
            values.append(new)
            cost += spent
            outputs = np.concatenate(values)[at]
            fit = fit_exchangeable(
                look.shown,
                look.cross,
                outputs,
                look.weight,
                together=None if look.exact else design.together,
                top_k=self.options.top_k,
                draws=design.draws,
            )
            if look.exact:
                fit = fit.without_error()
            if self._is_good(fit):
                break
        return fit, len(at), cost

    def _is_good(self, fit: Surrogate) -> bool:
        if self.question.tol is not None:
            return 1.96 * float(fit.std_error.max()) <= self.question.tol
        return float(fit.top_stability.min()) >= STABLE


def _nothing(full: Float2) -> Surrogate:
    """The surrogate of a row in which nothing can be hidden."""
    empty, ones = np.empty((0, len(full))), np.ones(len(full))
    return Surrogate(coefficients=empty, intercept=full.copy(), std_error=empty, r2=ones, top_stability=ones)
