"""The door: `attribute`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.typing import Float2, Float3
from pellucid._base.words import did_you_mean
from pellucid.explanation import Evaluations, Explanation, Provenance, Quality
from pellucid.ir import Space
from pellucid.nn._given import Given, read_inputs, read_reference
from pellucid.nn._layers import Layers
from pellucid.nn._question import Question, feature_names
from pellucid.nn._session import Network, session
from pellucid.nn.attribution.base import Answer, Method
from pellucid.nn.attribution.cam import GradCAM, GradCAMPlusPlus, LayerCAM
from pellucid.nn.attribution.deeplift import DeepLift, DeepShap
from pellucid.nn.attribution.gradients import GradientXInput, GuidedBackprop, Saliency, SmoothGrad
from pellucid.nn.attribution.integrated import ExpectedGradients, IntegratedGradients
from pellucid.nn.attribution.perturbation import RISE, Occlusion, ShapleyOfSegments
from pellucid.nn.attribution.relevance import CPLRP, LRP, AttnLRP, LibraGrad
from pellucid.table import listed

METHODS: Mapping[str, type[Method]] = {
    method.name: method
    for method in (
        *(Saliency, GradientXInput, IntegratedGradients, ExpectedGradients, SmoothGrad, DeepLift, DeepShap),
        *(GuidedBackprop, LRP, AttnLRP, CPLRP, LibraGrad, GradCAM, GradCAMPlusPlus, LayerCAM),
        *(Occlusion, ShapleyOfSegments, RISE),
    )
}
"""Every method by its name."""


@overload
def attribute(
    model: Network, inputs: Any, *, target: Any = None, method: str | Method = ..., baseline: Any = None,
    background: Any = None, layers: str | None = None, units: Any = None, budget: int | None = None,
    tol: float | None = None, random_state: int = 0,
) -> Explanation: ...  # fmt: skip
@overload
def attribute(
    model: Network, inputs: Any, *, target: Any = None, method: str | Method = ..., baseline: Any = None,
    background: Any = None, layers: Sequence[str], units: None = None, budget: int | None = None,
    tol: float | None = None, random_state: int = 0,
) -> dict[str, Explanation]: ...  # fmt: skip
def attribute(
    model: Network,
    inputs: Any,
    *,
    target: Any = None,
    method: str | Method = "integrated_gradients",
    baseline: Any = None,
    background: Any = None,
    layers: str | Sequence[str] | None = None,
    units: Any = None,
    budget: int | None = None,
    tol: float | None = None,
    random_state: int = 0,
) -> Explanation | dict[str, Explanation]:
    """Explain what moved outputs of a network, or units of a layer: element by element of the inputs or of layers.

    The network stays as it is: functions are intercepted, not modules, so functional, reused, in-place and
    subclassed layers, `nn.MultiheadAttention` and Hugging Face models all work. It is asked in evaluation mode, and
    everything is restored on success, error and Ctrl-C.

    Parameters
    ----------
    model : torch.nn.Module or callable
        Returns a tensor, or anything that holds one: a tuple's first tensor, a `ModelOutput`'s ``logits``.
    inputs : Tensor, tuple of Tensor, mapping of keyword to Tensor, or table; rows first
        Floating-point tensors are explained; others are held fixed. Where there are none, the first tensor of token
        ids (rows, tokens) is explained at its embedding.
    target : int, tuple of int, or list of these
        Positions in a row of the output, such as a class, or (place, word) of a language model. A list explains
        several in one pass. None is an error where there are several outputs.
    method : str or Method
        One of `METHODS`, or an instance with its own options, such as ``LRP(rule="zplus")``.
    baseline : number, Tensor, tuple or mapping like the inputs, optional
        What inputs are compared with; one row or one for each. For token ids: an id or a row of ids. Default: zeros.
    background : like the inputs, optional
        Rows to average over: ``"expected_gradients"`` and ``"deepshap"`` need it.
    layers : str or list of str, optional
        Where attributions are read off, by name, glob or call, such as ``"layer4.relu#2"``. One name gives an
        `Explanation`, a list a dict of them by layer, all made in one pass.
    units : int, tuple of int, or list of these, optional
        Explain these units of the one layer in `layers` instead of the output: positions in a row of it; a whole
        map stands for the sum over its places.
    budget : int, optional
        Gradients (Integrated Gradients), samples, masks or coalitions for each row, at most.
    tol : float, optional
        Integrated Gradients: completeness gap to reach, as a share of the difference explained (default 0.01).
    random_state : int
        Seed of every random stream; PyTorch's own random state is neither used nor changed.

    Returns
    -------
    Explanation or dict of str to Explanation
        `values` of shape (rows, elements, targets); `shaped` folds the elements back. ``quality.gap`` is what is
        missing or too much in the sums, ``quality.evaluations`` what was asked of the network.

    Raises
    ------
    InputError
        When an argument does not fit the network; nothing is moved to another device for you.
    UnsupportedModelError
        When the network is compiled or scripted.
    UnsupportedRequestError
        When the method cannot answer, such as a map of an input that is no picture.

    Examples
    --------
    >>> import torch, pellucid.nn
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> explanation = pellucid.nn.attribute(net, torch.ones(5, 3), target=1, method="deeplift")
    >>> explanation.values.shape
    (5, 3, 1)
    >>> bool(abs(explanation.quality.gap).max() < 1e-5)
    True
    """
    started = time.perf_counter()
    chosen = _method(method)
    _check_options(budget, tol, random_state)
    with session(model) as warnings:
        given = read_inputs(model, inputs)
        layered, unit_layer = _layers(model, layers, target, units)
        zero = 0.0 if baseline is None else baseline
        question = Question(
            model=model,
            given=given,
            target=target if unit_layer is None else units,
            layers=layered,
            unit_layer=unit_layer,
            baseline=_zeros(given) if baseline is None else read_reference(given, model, zero, "baseline", len(given)),
            baseline_in_words=_in_words(baseline),
            background=None if background is None else read_reference(given, model, background, "background", None),
            budget=budget,
            tol=tol,
            random_state=random_state,
        )
        answer = chosen.answer(question)
    seconds = time.perf_counter() - started
    made = {
        name: _explanation(question, chosen, answer, name, warnings=warnings, seconds=seconds)
        for name in _sites(question, answer)
    }
    if layers is not None and not isinstance(layers, str):
        return made
    if len(made) > 1:
        raise InputError(
            f"layers={layers!r} names {len(made)} sites, {listed(list(made))}: give a list, layers=[{layers!r}], for "
            "one explanation of each."
        )
    return next(iter(made.values()))


def _method(method: str | Method) -> Method:
    if isinstance(method, str):
        if method not in METHODS:
            known = ", ".join(map(repr, METHODS))
            raise InputError(f"method must be one of {known}; got {method!r}.{did_you_mean(method, METHODS)}")
        return METHODS[method]()
    if isinstance(method, type) or not callable(getattr(method, "answer", None)):
        raise InputError(f"method must be a name or an instance such as LRP(rule='zplus'); got {method!r:.80}.")
    return method


def _check_options(budget: Any, tol: Any, random_state: Any) -> None:
    whole = isinstance(budget, int | np.integer) and not isinstance(budget, bool)
    if budget is not None and (not whole or budget < 1):
        raise InputError(f"budget must be a positive whole number; got {budget!r}.")
    if tol is not None and not (isinstance(tol, int | float | np.floating) and tol > 0):
        raise InputError(f"tol must be a positive number; got {tol!r}.")
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer):
        raise InputError(f"random_state must be a whole number; got {random_state!r}.")


def _layers(model: Network, layers: Any, target: Any, units: Any) -> tuple[Layers | None, Layers | None]:
    """Read where attributions are read off, or the layer whose units are explained."""
    if layers is None:
        if units is not None:
            raise InputError("units= are those of a layer: name it with layers=.")
        return None, None
    named = Layers(model, (layers,) if isinstance(layers, str) else tuple(layers))
    if units is None:
        return named, None
    if target is not None or len(named.modules) != 1:
        raise InputError("with units=, layers= names one layer, and target= stays None: its units are the target.")
    return None, named


def _zeros(given: Given) -> tuple[Tensor, ...]:
    return tuple(torch.zeros_like(part) for part in given.parts)


def _in_words(baseline: Any) -> str:
    if baseline is None:
        return "a baseline of zeros"
    return f"a baseline of {baseline}" if isinstance(baseline, int | float) else "a given baseline"


def _sites(question: Question, answer: Answer) -> list[str]:
    """One explanation for all inputs together, or one for every layer."""
    inputs = list(answer.values) == list(question.given.names)
    return [""] if inputs and question.layers is None else list(answer.values)


def _explanation(
    question: Question, method: Method, answer: Answer, site: str, *, warnings: tuple[str, ...], seconds: float
) -> Explanation:
    values = {site: answer.values[site]} if site else dict(answer.values)
    errors = answer.std_error
    shapes = {name: tuple(value.shape[2:]) for name, value in values.items()}
    flat = _flat(values)
    base = np.zeros((len(flat), flat.shape[2])) if answer.base is None else _array(answer.base)
    gap = base + flat.sum(axis=1) - _array(answer.outputs)
    bound = None if answer.bound is None else _array(answer.bound)
    table = question.given.table
    return Explanation(
        values=flat,
        base_values=base,
        features=feature_names(shapes) if table is None or site else table.names,
        outputs=question.outputs_named,
        space=Space.RAW,
        quality=Quality(
            residual=float(np.abs(gap).max()),
            bound=None if bound is None else float(bound.max()),
            evaluations=Evaluations(model_rows=question.model_rows, gradients=question.gradients),
            gap=gap,
            warnings=(*warnings, *answer.warnings, *_said_of_gap(question, gap, bound, answer)),
        ),
        provenance=_provenance(question, method, answer, seconds),
        data=table,
        std_error=None if errors is None else _flat({name: errors[name] for name in values}),
        shapes=None if table is not None and not site else shapes,
    )


def _flat(values: Mapping[str, Tensor]) -> Float3:
    """Values (targets, rows, …) of some tensors as (rows, features, targets)."""
    joined = torch.cat([value.flatten(2) for value in values.values()], dim=2)
    return np.asarray(joined.permute(1, 2, 0).double().cpu().numpy())


def _array(outputs: Tensor) -> Float2:
    return np.asarray(outputs.detach().double().cpu().numpy())


def _said_of_gap(question: Question, gap: Float2, bound: Float2 | None, answer: Answer) -> tuple[str, ...]:
    """Say when values that should add up do not, and which functions may be why."""
    if bound is None or answer.warnings or bool((np.abs(gap) <= bound).all()):
        return ()
    unruled = f" Functions without a rule: {listed(sorted(question.unknown))}." if question.unknown else ""
    return (
        f"the values do not add up: the gap is {np.abs(gap).max():.2g}, of outputs up to "
        f"{np.abs(_array(answer.outputs)).max():.2g}.{unruled}",
    )


def _provenance(question: Question, method: Method, answer: Answer, seconds: float) -> Provenance:
    model = question.model
    return Provenance(
        method=method.name,
        reason="asked for by the caller.",
        model=f"{type(model).__module__}.{type(model).__qualname__}",
        background=answer.background,
        parameters={**asdict(method), "budget": question.budget, "tol": question.tol},  # type: ignore[call-overload]
        random_state=question.random_state,
        versions={"torch": str(torch.__version__)},
        seconds=seconds,
    )
