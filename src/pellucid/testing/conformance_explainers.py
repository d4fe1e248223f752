"""`check_explainer`: what every method must hold, whoever wrote it.

The subjects are made of terms, each a function of two features that treats them alike, so a sum of
terms is a model whose symmetric, ignored and additive parts are known.
"""

import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np

from pellucid._base.typing import Float1, Float2, Int1
from pellucid._door import Explainer
from pellucid.explainers.base import Method
from pellucid.explanation import Explanation
from pellucid.ir import Encoding, LinearForm, Model, TreeEnsemble
from pellucid.table import Table

FEATURES = 12
ROWS = 4
BACKGROUND = 5
IGNORED = 11
"""A feature that no term reads."""


@dataclass(frozen=True)
class Term:
    """``weight`` times a symmetric function of the features `a` and `b`."""

    a: int
    b: int
    weight: float


TERMS = (Term(0, 1, 2.0), Term(2, 3, -1.0), Term(3, 4, 0.5), Term(5, 6, 1.5), Term(7, 8, -0.75), Term(9, 10, 1.0))
OTHER = (Term(0, 5, -1.0), Term(2, 8, 0.25), Term(9, 4, 3.0))


def subject(needs: str, terms: tuple[Term, ...], shift: float = 0.0) -> Model:
    """Make a model of `terms` with the structure that a method needs; batches change none of its bits."""
    names = tuple(f"f{j}" for j in range(FEATURES))
    encoding = Encoding(transform=lambda table: table.as_array(), groups=np.arange(FEATURES))
    if needs == "trees":
        trees = _trees(terms, shift)
        return Model(
            label="the trees", outputs=("y",), raw=lambda t: trees.predict(t.as_array()), features=names,
            structure=trees, encoding=encoding,
        )  # fmt: skip
    if needs == "linear":
        slopes = np.zeros(FEATURES)
        for term in terms:
            slopes[[term.a, term.b]] += term.weight
        return Model(
            label="the line", outputs=("y",), raw=lambda t: _line(t.as_array(), slopes) + shift, features=names,
            structure=LinearForm(coefficients=slopes[None], intercept=np.array([shift])), encoding=encoding,
        )  # fmt: skip
    return Model(
        label="the products", outputs=("y",), raw=lambda t: _products(t.as_array(), terms) + shift, features=names
    )


def _line(X: Float2, slopes: Float1) -> Float1:
    total = np.zeros(len(X))
    for j, slope in enumerate(slopes):
        total = total + slope * X[:, j]
    return total


def _products(X: Float2, terms: tuple[Term, ...]) -> Float1:
    total = np.zeros(len(X))
    for term in terms:
        total = total + term.weight * X[:, term.a] * X[:, term.b] * (1.0 + X[:, term.a] + X[:, term.b])
    return total


def _trees(terms: tuple[Term, ...], shift: float) -> TreeEnsemble:
    """One tree per term: its weight where both features are below zero."""
    k = len(terms)
    at = 5 * np.arange(k)
    left, right, feature = np.full((3, 5 * k), -1, dtype=np.int32)
    for term, root in zip(terms, at.tolist(), strict=True):
        left[root], right[root], feature[root] = root + 1, root + 2, term.a
        left[root + 1], right[root + 1], feature[root + 1] = root + 3, root + 4, term.b
    value = np.zeros((5 * k, 1))
    value[at + 3, 0] = [term.weight for term in terms]
    return TreeEnsemble(
        roots=at.astype(np.int32),
        threshold=np.zeros(5 * k),
        missing_left=np.zeros(5 * k, dtype=bool),
        cover=np.tile([8.0, 4.0, 4.0, 2.0, 2.0], k),
        value=value,
        output=np.zeros(k, dtype=np.int32),
        base=np.array([shift]),
        n_columns=FEATURES,
        less_equal=False,
        left=left,
        right=right,
        feature=feature,
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """A method, its subject and the rows it is asked about."""

    method: Method
    model: Model
    X: Float2
    background: Float2

    @classmethod
    def of(cls, method: Method) -> "_Case":
        rng = np.random.default_rng(7)
        # Quarters: sums and products of the subjects are then exact in float64.
        X, background = (rng.integers(-8, 9, size=(rows, FEATURES)) / 4.0 for rows in (ROWS, BACKGROUND))
        return cls(method, subject(method.needs, TERMS), X, background)

    def explain(
        self, X: Float2 | None = None, *, model: Model | None = None, background: Float2 | None = None, **options: Any
    ) -> Explanation:
        """Ask again with something changed."""
        explainer = Explainer(
            model or self.model, self.background if background is None else background, method=self.method, **options
        )
        return explainer(self.X if X is None else X)


def check_explainer(method: Method) -> None:
    """Hold a method to the laws of its kind.

    Methods whose values add up must be efficient, give twins the same, ignored features nothing and
    features that are everywhere the same exactly 0.0, not mind a doubled background, and tell a standard error
    if and only if a seed matters. Every method must be linear in the model (one that `adapts` to it, within
    its errors), follow the features' names,
    move only the base with a constant, leave its inputs as they are, return read-only arrays, and give
    the same bits alone and in a batch, in threads and in another process.

    Parameters
    ----------
    method : Method

    Raises
    ------
    AssertionError
        With the name of the law that is broken.

    Examples
    --------
    >>> from pellucid import Exact
    >>> check_explainer(Exact())
    """
    case = _Case.of(method)
    base = case.explain()
    for law in _EVERY_METHOD:
        law(case, base)
    if base.quality.bound is not None:
        for law in _ADDITIVE:
            law(case, base)


def _hold(holds: Any, case: _Case, law: str) -> None:
    if not np.all(holds):
        raise AssertionError(f"{case.method!r} breaks a law: {law}.")


def _near(one: Float2, two: Float2) -> bool:
    return bool(np.allclose(one, two, rtol=0.0, atol=1e-9))


def _within(difference: Float1, *errors: Any) -> Any:
    """Whether a difference can be sampling error: six standard errors, of which none is zero."""
    return np.abs(difference) <= 1e-9 + 6.0 * np.sqrt(sum(np.square(error) for error in errors))


def _error(explanation: Explanation) -> Any:
    return np.zeros_like(explanation.values) if explanation.std_error is None else explanation.std_error


def _efficiency(case: _Case, base: Explanation) -> None:
    gap = np.abs(base.prediction - case.model.predict(Table.of(case.X)))
    _hold(gap <= base.quality.bound, case, "base value plus values are the model's output")
    mean = case.model.predict(Table.of(case.background)).mean(axis=0)
    _hold(_near(base.base_values, np.broadcast_to(mean, base.base_values.shape)), case, "the base is the mean output")


def _symmetry(case: _Case, base: Explanation) -> None:  # noqa: ARG001 - asked of changed rows
    X, background = case.X.copy(), case.background.copy()
    X[:, 1], background[:, 1] = X[:, 0], background[:, 0]
    found = case.explain(X, background=background)
    difference, error = found.values[:, 0] - found.values[:, 1], _error(found)
    _hold(_within(difference, error[:, 0], error[:, 1]), case, "twins get the same value")


def _null_players(case: _Case, base: Explanation) -> None:
    background = case.background.copy()
    background[:, 3] = case.X[0, 3]
    found = case.explain(background=background)
    _hold(found.values[0, 3] == 0.0, case, "a feature that is the same everywhere gets exactly 0.0")
    ignored = base.values[:, IGNORED]
    exactly = base.std_error is None
    _hold(ignored == 0.0 if exactly else _within(ignored, _error(base)[:, IGNORED]), case, "an ignored feature gets 0")
    same = case.explain(np.repeat(case.X[:1], 2, axis=0), background=np.repeat(case.X[:1], 3, axis=0))
    _hold(same.values == 0.0, case, "a row that is the background gets exactly 0.0 everywhere")


def _doubled_background(case: _Case, base: Explanation) -> None:
    found = case.explain(background=np.concatenate([case.background, case.background]))
    _hold(_near(found.values, base.values), case, "doubling every background row changes nothing")


def _seeds(case: _Case, base: Explanation) -> None:
    other = case.explain(random_state=1)
    moved = not np.array_equal(other.values, base.values)
    _hold(moved == (base.std_error is not None), case, "there is a standard error if and only if the seed matters")


def _linearity(case: _Case, base: Explanation) -> None:
    other = case.explain(model=subject(case.method.needs, OTHER))
    both = case.explain(model=subject(case.method.needs, TERMS + OTHER))
    errors = [_error(one) for one in (both, base, other)] if getattr(case.method, "adapts", False) else []
    difference = both.values - base.values - other.values
    _hold(_within(difference, *errors), case, "values of a sum are sums of values")


def _shift(case: _Case, base: Explanation) -> None:
    found = case.explain(model=subject(case.method.needs, TERMS, shift=64.0))
    _hold(_near(found.values, base.values), case, "a constant changes no value")
    _hold(_near(found.base_values, base.base_values + 64.0), case, "a constant moves the base")


def _relabelling(case: _Case, base: Explanation) -> None:
    order = np.random.default_rng(3).permutation(FEATURES)
    found = case.explain(
        case.X[:, order], model=subject(case.method.needs, _renamed(TERMS, order)), background=case.background[:, order]
    )
    difference = found.values - base.values[:, order]
    _hold(_within(difference, _error(found), _error(base)[:, order]), case, "values go with their features, not places")


def _renamed(terms: tuple[Term, ...], order: Int1) -> tuple[Term, ...]:
    place = {int(old): new for new, old in enumerate(order)}
    return tuple(Term(place[term.a], place[term.b], term.weight) for term in terms)


def _same_bits(case: _Case, base: Explanation) -> None:
    def hold(found: Explanation, rows: Any, law: str) -> None:
        _hold(np.array_equal(found.values, base.values[rows]), case, f"the bits are the same {law}")
        _hold(np.array_equal(_error(found), _error(base)[rows]), case, f"the bits of the errors are the same {law}")

    every = np.arange(ROWS)
    hold(case.explain(), every, "when asked twice")
    hold(case.explain(n_jobs=2), every, "in two threads")
    hold(case.explain(case.X[::-1]), every[::-1], "in another order")
    for row in range(ROWS):
        hold(case.explain(case.X[[row]]), [row], "alone and in a batch")


def _processes(case: _Case, base: Explanation) -> None:
    options: dict[str, Any] = (
        asdict(case.method) if is_dataclass(case.method) and not isinstance(case.method, type) else {}
    )
    cls = type(case.method)
    call = f"in_this_process({cls.__module__!r}, {cls.__qualname__!r}, {json.dumps(options)!r})"
    code = f"from {__name__} import in_this_process; print({call})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    _hold(ran.stdout.strip() == _digest(base), case, "the bits are the same in another process")


def in_this_process(module: str, name: str, options: str) -> str:
    """Digest of what a method says here; the other process of the law of two processes calls it."""
    method = getattr(importlib.import_module(module), name)(**json.loads(options))
    return _digest(_Case.of(method).explain())


def _digest(explanation: Explanation) -> str:
    return hashlib.sha256(explanation.values.tobytes() + explanation.base_values.tobytes()).hexdigest()


def _left_alone(case: _Case, base: Explanation) -> None:
    X, background = case.X.copy(), case.background.copy()
    found = case.explain(X, background=background)
    _hold(np.array_equal(X, case.X) and np.array_equal(background, case.background), case, "inputs stay as they are")
    arrays = [found.values, found.base_values, *([] if found.std_error is None else [found.std_error])]
    _hold([not array.flags.writeable for array in arrays], case, "arrays are read-only")
    _hold([np.isfinite(array).all() for array in arrays], case, "every number is finite")
    _hold(found.values.shape == (ROWS, FEATURES, 1) == base.values.shape, case, "values are (rows, features, outputs)")


def _no_rows(case: _Case, base: Explanation) -> None:
    found = case.explain(case.X[:0])
    _hold(found.values.shape == (0, *base.values.shape[1:]), case, "no rows are explained by no values")


_Law = Callable[[_Case, Explanation], None]
_EVERY_METHOD: tuple[_Law, ...] = (_left_alone, _same_bits, _processes, _linearity, _shift, _relabelling, _no_rows)
_ADDITIVE: tuple[_Law, ...] = (_efficiency, _symmetry, _null_players, _doubled_background, _seeds)
