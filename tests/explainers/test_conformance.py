"""Every method of the house holds the laws, and methods with a planted fault do not."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from pellucid import Exact, Lime, Linear, MaskedLime, Owen, Permutation, Shapley, Tree
from pellucid.testing.conformance_explainers import check_explainer


@pytest.mark.parametrize(
    "method",
    [
        Exact(),
        Shapley("auto"),
        Shapley("least_squares"),
        Permutation(),
        Lime(),
        Lime(kernel_width=2.0, n_samples=600, top_k=2),
        MaskedLime(),
        MaskedLime(sizes="binomial", top_k=2),
        Owen([["f0", "f1"], {"x": ["f2", ["f3", "f4"]]}]),
        Tree(),
        Linear(),
    ],
    ids=repr,
)
def test_every_method_holds_the_laws(method):
    check_explainer(method)


@dataclass(frozen=True)
class Faulty:
    """`Exact` with a fault in what it hands back."""

    name: ClassVar[str] = "faulty"
    needs: ClassVar[str] = "predict"
    summary: ClassVar[str] = "exact values with a planted fault"

    fault: str

    def bind(self, question):
        return FaultyBound(self.fault, Exact().bind(question), question)


@dataclass(frozen=True)
class FaultyBound:
    fault: str
    sound: object
    question: object

    def explain(self, X, y=None):
        return FAULTS[self.fault](self.sound.explain(X, y), X, self.question)


def moved(attribution, amount, **more):
    return replace(attribution, values=attribution.values + amount, bound=np.inf, **more)


def swapped(attribution):
    values = attribution.values.copy()
    values[:, [0, 2]] = values[:, [2, 0]]
    return replace(attribution, values=values)


def in_the_batch(attribution, X):
    tiny = np.zeros_like(attribution.values)
    tiny[:, 0], tiny[:, 1] = 1e-13 * len(X), -1e-13 * len(X)
    return moved(attribution, tiny)


def seeded(attribution, question):
    noise = np.random.default_rng(question.random_state).normal(size=attribution.values.shape) * 1e-10
    return moved(attribution, np.where(attribution.values == 0.0, 0.0, noise))


FAULTS = {
    "another sum": lambda a, X, q: moved(a, 0.01 * np.eye(1, 12).reshape(1, 12, 1)),
    "another base": lambda a, X, q: moved(a, 0.0, base_values=a.base_values * 1.01),
    "swapped places": lambda a, X, q: swapped(a),
    "squared": lambda a, X, q: moved(a, a.values**2 * 1e-4),
    "the batch leaks in": lambda a, X, q: in_the_batch(a, X),
    "an error that is not there": lambda a, X, q: replace(a, std_error=np.zeros_like(a.values)),
    "a seed without an error": lambda a, X, q: seeded(a, q),
    "dust on ignored features": lambda a, X, q: moved(a, 1e-300),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    with pytest.raises(AssertionError, match="breaks a law"):
        check_explainer(Faulty(fault))
