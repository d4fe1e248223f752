"""LIME for tables, on one shared quasi-random sample and one model pass for all rows."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.parallel import map_ordered
from pellucid._base.progress import track
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool1, Bool2, Float1, Float2
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.neighbourhood import Neighbourhood
from pellucid.explanation import Evaluations
from pellucid.games.marginal import row_cap
from pellucid.ir import Space
from pellucid.table import Table

Discretizer: TypeAlias = Literal["quartile", "decile"]

N_BINS = {"quartile": 4, "decile": 10}
RIDGE = 1.0
"""lime's penalty."""
LOW_R2 = 0.5
"""Below this share of explained local variance a reader is warned."""
STABILITY_DRAWS = 1000


@dataclass(frozen=True)
class Lime:
    """LIME (Ribeiro et al., 2016) for tables: a weighted ridge regression around each row.

    Features are cut into quantile bins of the background; a sampled row says for each feature whether it
    is in the same bin as the explained row, and is weighed by how many are. The values are the
    coefficients of that surrogate: what being in the row's bin adds, all else sampled. They do not
    promise to add up to the model's output.

    Standard errors are a sandwich estimate that takes the sample for independent draws; it is a scrambled
    Sobol sequence, which varies less, so they err on the wide side.

    Parameters
    ----------
    kernel_width : float, optional
        Width of the kernel ``sqrt(exp(-m / width^2))`` of m features in other bins; by default lime's,
        ``0.75 * sqrt(features)``.
    n_samples : int
        Sampled rows; a budget takes its place.
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
    n_samples: int = 4096
    discretizer: Discretizer = "quartile"
    top_k: int = 5

    def __post_init__(self) -> None:
        if self.discretizer not in N_BINS:
            raise InputError(f"discretizer must be one of {', '.join(map(repr, N_BINS))}; got {self.discretizer!r}.")
        if self.kernel_width is not None and not self.kernel_width > 0:
            raise InputError(f"kernel_width must be positive; got {self.kernel_width!r}.")
        if self.n_samples < 2 or self.top_k < 1:
            raise InputError(
                f"n_samples must be at least 2 and top_k at least 1; got {self.n_samples!r} and {self.top_k!r}."
            )

    def bind(self, question: Question) -> "LimeBound":
        """Draw the sample and, but for the loss, predict it."""
        if question.background is None or len(question.background) == 0:
            raise UnsupportedRequestError(
                "method='lime' samples from background rows: pass background=, such as the training rows."
            )
        n_samples = self.n_samples if question.budget is None else question.budget
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
        outputs = None if question.space is Space.LOSS else _predict(question, near.sample, None)
        return LimeBound(self, question, near, outputs)


@dataclass(frozen=True, eq=False)
class LimeBound:
    """`Lime`, ready for rows."""

    options: Lime
    question: Question
    near: Neighbourhood
    outputs: Float2 | None

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows; in loss space the sample is predicted once for every row's own target."""
        same = self.near.same_bin(X)
        rows = track(range(len(X)), task="rows", total=len(X), progress=self.question.progress)

        def work(row: int) -> Surrogate:
            return self._surrogate(same.of(row), self._outputs(row, y))

        fits = map_ordered(work, rows, self.question.n_jobs)
        return self._attribution(fits, X.n_columns)

    def _outputs(self, row: int, y: Array | None) -> Float2:
        if self.outputs is not None:
            return self.outputs
        target = None if y is None else np.repeat(np.asarray(y)[row : row + 1], len(self.near.sample))
        return _predict(self.question, self.near.sample, target)

    def _surrogate(self, same: Bool2, outputs: Float2) -> "Surrogate":
        width = self.options.kernel_width or 0.75 * np.sqrt(same.shape[1])
        weight = np.sqrt(np.exp(-(~same).sum(axis=1) / width**2))
        draws = stream(self.question.random_state, "lime.stability").standard_normal((STABILITY_DRAWS, same.shape[1]))
        return fit_surrogate(same, outputs, weight, top_k=self.options.top_k, draws=draws)

    def _attribution(self, fits: list["Surrogate"], features: int) -> Attribution:
        k, n = len(self.question.model.outputs_in(self.question.space)), len(fits)
        r2 = np.array([fit.r2 for fit in fits]).reshape(n, k)
        samples = len(self.near.sample)
        background = self.question.background
        return Attribution(
            values=np.array([fit.coefficients for fit in fits]).reshape(n, features, k),
            base_values=np.array([fit.intercept for fit in fits]).reshape(n, k),
            std_error=np.array([fit.std_error for fit in fits]).reshape(n, features, k),
            sums=False,
            local_r2=r2,
            top_stability=np.array([fit.top_stability for fit in fits]).reshape(n, k),
            evaluations=Evaluations(coalitions=samples, model_rows=samples * (1 if self.outputs is not None else n)),
            warnings=self._warnings(r2, fits),
            background=f"{samples} rows sampled column by column from {len(background or ())} background rows",
        )

    def _warnings(self, r2: Float2, fits: list["Surrogate"]) -> tuple[str, ...]:
        said = []
        low = int((r2.min(axis=1, initial=1.0) < LOW_R2).sum())
        if low:
            said.append(
                f"LIME's surrogate explains less than {LOW_R2:.0%} of the local variance of {low} of {len(r2)} rows "
                f"(lowest R² {r2.min():.2f}): there its values describe the model poorly."
            )
        tol = self.question.tol
        widest = 1.96 * max((float(fit.std_error.max()) for fit in fits), default=0.0)
        if tol is not None and widest > tol:
            said.append(
                f"tol={tol:g} was not reached with {len(self.near.sample)} sampled rows; the widest 95 % interval is "
                f"±{widest:.2g}. Pass a larger budget=."
            )
        return tuple(said)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A local linear model: coefficients and errors (features, outputs), the rest (outputs,)."""

    coefficients: Float2
    intercept: Float1
    std_error: Float2
    r2: Float1
    top_stability: Float1


def fit_surrogate(same: Bool2, outputs: Float2, weight: Float1, *, top_k: int, draws: Float2) -> Surrogate:
    """Weighted ridge regression of outputs on the binary encoding, with its own error.

    Minimises ``Σ w (y - a - z·b)² + |b|²`` with a free intercept, as lime's ``Ridge(alpha=1)`` does. Columns that
    never change get exactly 0. Shapes are the same for every row, so its bits do not depend on the batch.
    """
    z = same.astype(np.float64)
    moves: Bool1 = np.asarray(same.any(axis=0) & ~same.all(axis=0))
    share = weight / weight.sum()
    # Counted from the first output, so a constant model leaves exactly nothing to explain.
    y = outputs - outputs[0]
    z_mean, y_mean = share @ z, share @ y
    z, y = np.where(moves, z - z_mean, 0.0), y - y_mean
    weighed = z * weight[:, None]
    inverse = np.linalg.inv(weighed.T @ z + RIDGE * np.eye(z.shape[1]))
    coefficients = np.where(moves[:, None], inverse @ (weighed.T @ y), 0.0)
    residual = y - z @ coefficients
    variance: Float1 = share @ y**2
    unexplained = share @ residual**2
    r2 = 1.0 - np.divide(unexplained, variance, out=np.zeros(y.shape[1]), where=variance > 0)
    freedom = len(z) / (len(z) - z.shape[1] - 1)
    covariances = [
        inverse @ ((weighed * (residual[:, k] ** 2 * freedom)[:, None]).T @ weighed) @ inverse
        for k in range(y.shape[1])
    ]
    return Surrogate(
        coefficients=coefficients,
        intercept=outputs[0] + y_mean - z_mean @ coefficients,
        std_error=np.stack([np.sqrt(np.diag(c).clip(min=0.0)) for c in covariances], axis=1),
        r2=r2,
        top_stability=np.array(
            [_top_stability(coefficients[:, k], c, top_k, draws) for k, c in enumerate(covariances)]
        ),
    )


def _top_stability(coefficients: Float1, covariance: Float2, top_k: int, draws: Float2) -> float:
    """Probability that a fresh sample has the same set of `top_k` largest coefficients."""
    if top_k >= len(coefficients):
        return 1.0
    scale, axes = np.linalg.eigh(covariance)
    fresh = coefficients + draws @ (axes * np.sqrt(scale.clip(min=0.0))).T
    top = _largest(coefficients[None], top_k)
    return float((_largest(fresh, top_k) == top).all(axis=1).mean())


def _largest(values: Float2, k: int) -> Array:
    """Positions of the k largest absolute values of each row, as sorted sets; ties by position."""
    return np.sort(np.argsort(-np.abs(values), axis=1, kind="stable")[:, :k], axis=1)


def _predict(question: Question, sample: Table, y: Array | None) -> Float2:
    cap = row_cap(sample.n_columns)
    pieces = []
    for first in range(0, len(sample), cap):
        part = np.arange(first, min(first + cap, len(sample)))
        pieces.append(question.model.predict(sample.take(part), question.space, None if y is None else y[part]))
    return np.concatenate(pieces)
