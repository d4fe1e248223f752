"""LIME for tables, on one shared quasi-random sample and one model pass for all rows."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float2
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.controls import BinControl
from pellucid.explainers.estimation import watched_map
from pellucid.explainers.lime_answer import STABILITY_DRAWS, lime_answer
from pellucid.explainers.neighbourhood import Neighbourhood, SameBin
from pellucid.explainers.surrogate import Surrogate, fit_independent
from pellucid.games.marginal import predict_gathered, row_cap
from pellucid.ir import Space
from pellucid.table import Table

Discretizer: TypeAlias = Literal["quartile", "decile"]

N_BINS = {"quartile": 4, "decile": 10}
MOST, FEWEST = 1 << 13, 1 << 12
"""Samples that are taken without being asked for a number."""


@dataclass(frozen=True)
class Lime:
    """LIME (Ribeiro et al., 2016) for tables: a weighted ridge regression around each row.

    Features are cut into quantile bins of the background; a sampled row says for each feature whether it
    is in the same bin as the explained row, and is weighed by how many are. The values are the
    coefficients of that surrogate: what being in the row's bin adds, all else sampled. They do not
    promise to add up to the model's output.

    lime samples the features independently, and its weight is a product over features, so the regression's features
    have no covariances but noise; those are left out, and a row costs one look at the sample. A score that adds up over
    bins, and its square, are fitted to the sample once for all rows and serve as control variates: what they contribute
    to the coefficients is known in closed form (see `pellucid.explainers.controls`).

    Standard errors are a sandwich estimate that takes what the surrogate leaves unexplained for independent draws; the
    sample is a scrambled Sobol sequence, which varies less, so they err on the wide side.

    Parameters
    ----------
    kernel_width : float, optional
        Width of the kernel ``sqrt(exp(-m / width^2))`` of m features in other bins; by default lime's,
        ``0.75 * sqrt(features)``.
    n_samples : int, optional
        Sampled rows; a budget takes its place. By default 8,192, of tables with over 1,024 features 4,096, or as
        many as the features need.
    discretizer : {"quartile", "decile"}
        How numbers are cut into bins.
    top_k : int
        Size of the set of largest features whose stability is measured.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = GaussianNB().fit(X, y)
    >>> explanation = pellucid.explain(model, X.head(3), background=X, method="lime", space="probability")
    >>> explanation.quality.local_r2.shape
    (3, 3)
    """

    name: ClassVar[str] = "lime"
    needs: ClassVar[Needs] = "predict"
    summary: ClassVar[str] = "a local linear surrogate of each row, with its fit and the stability of its top features"

    kernel_width: float | None = None
    n_samples: int | None = None
    discretizer: Discretizer = "quartile"
    top_k: int = 5

    def __post_init__(self) -> None:
        if self.discretizer not in N_BINS:
            raise InputError(f"discretizer must be one of {', '.join(map(repr, N_BINS))}; got {self.discretizer!r}.")
        if self.kernel_width is not None and not self.kernel_width > 0:
            raise InputError(f"kernel_width must be positive; got {self.kernel_width!r}.")
        if (self.n_samples is not None and self.n_samples < 2) or self.top_k < 1:
            raise InputError(
                f"n_samples must be at least 2 and top_k at least 1; got {self.n_samples!r} and {self.top_k!r}."
            )

    @property
    def adapts(self) -> bool:
        """The control variates are fitted to the model, so the values are linear in it only within their errors."""
        return True

    def bind(self, question: Question) -> "LimeBound":
        """Draw the sample and, but for the loss, predict it."""
        if question.background is None or len(question.background) == 0:
            raise UnsupportedRequestError(
                "method='lime' samples from background rows: pass background=, such as the training rows."
            )
        n_samples = question.budget or self.n_samples or _enough(question.background.n_columns)
        smallest = question.background.n_columns + 2
        if n_samples < smallest:
            raise UnsupportedRequestError(
                f"method='lime' needs at least {smallest} sampled rows for {smallest - 2} features; got {n_samples}. "
                f"Pass budget={smallest} or more."
            )
        near = Neighbourhood.draw(
            question.background,
            n_samples=n_samples,
            n_bins=N_BINS[self.discretizer],
            random_state=question.random_state,
        )
        outputs = None
        if question.space is not Space.LOSS:
            outputs = predict_gathered(question.model, question.background, near.index, question.space, None)
        draws = stream(question.random_state, "lime.stability").standard_normal((STABILITY_DRAWS, smallest - 2))
        control = None if outputs is None else _control(near, outputs)
        return LimeBound(self, question, question.background, near, outputs, control, draws)


@dataclass(frozen=True, eq=False)
class LimeBound:
    """`Lime`, ready for rows."""

    options: Lime
    question: Question
    background: Table
    near: Neighbourhood
    outputs: Float2 | None
    control: BinControl | None
    draws: Float2

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows; in loss space the sample is predicted once for every row's own target."""
        same = self.near.same_bin(X)

        def work(row: int) -> Surrogate:
            if self.outputs is not None:
                return self._surrogate(same, row, self.outputs, self.control)
            outputs = self._losses(row, y)
            return self._surrogate(same, row, outputs, _control(self.near, outputs))

        fits = watched_map(work, range(len(X)), self.question)
        samples, rows = len(self.near.index), len(self.background)
        return lime_answer(
            self.question,
            fits,
            relevant=np.ones((len(X), X.n_columns), dtype=bool),
            samples=samples,
            model_rows=samples * (1 if self.outputs is not None else len(X)),
            background=f"{samples} rows sampled column by column from {rows} background rows",
        )

    def _losses(self, row: int, y: Array | None) -> Float2:
        target = None if y is None else np.repeat(np.asarray(y)[row : row + 1], len(self.near.index))
        return predict_gathered(self.question.model, self.background, self.near.index, self.question.space, target)

    def _surrogate(self, bins: SameBin, row: int, outputs: Float2, control: BinControl | None) -> Surrogate:
        same = bins.of(row)
        width = self.options.kernel_width or 0.75 * np.sqrt(len(same))
        fall = float(np.exp(-0.5 / width**2))
        alike = np.add.reduce(same.view(np.int8), axis=0, dtype=np.int16)  # five times as fast as same.sum(axis=0)
        weight = (fall ** (len(same) - np.arange(len(same) + 1.0)))[alike]
        known = None if control is None else (control.taken, control.differences(bins.explained[:, row], fall))
        return fit_independent(same, outputs, weight, known=known, top_k=self.options.top_k, draws=self.draws)


def _control(near: Neighbourhood, outputs: Float2) -> BinControl | None:
    return None if near.share is None else BinControl.fit(near.bins, near.share, outputs)


def _enough(columns: int) -> int:
    """Samples for so many columns: a power of two, as the sequence likes it."""
    return int(max(FEWEST, min(MOST, 2 ** (row_cap(columns).bit_length() - 1)), 2 ** (columns + 1).bit_length()))
