"""captum's own table of algorithms and configurations, replayed on both: the deterministic pairs that both offer."""

import warnings

import numpy as np
import pytest
import torch
from captum import attr

from pellucid.nn import LRP, IntegratedGradients, Occlusion, attribute

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from captum.testing.attr.helpers import test_config

OURS = {
    attr.Saliency: "saliency",
    attr.InputXGradient: "gradient_x_input",
    attr.GuidedBackprop: "guided_backprop",
    attr.DeepLift: "deeplift",
    attr.DeepLiftShap: "deepshap",
    attr.FeatureAblation: Occlusion(window=1, stride=1),
    attr.LRP: LRP(epsilon=1e-9),
    attr.IntegratedGradients: IntegratedGradients(),
    attr.LayerGradientXActivation: "gradient_x_input",
    attr.LayerDeepLift: "deeplift",
    attr.LayerDeepLiftShap: "deepshap",
    attr.NeuronGuidedBackprop: "guided_backprop",
    attr.NeuronDeepLift: "deeplift",
    attr.NeuronDeepLiftShap: "deepshap",
    attr.NeuronIntegratedGradients: IntegratedGradients(),
    attr.NeuronFeatureAblation: Occlusion(window=1, stride=1),
}
APPROXIMATE = (attr.IntegratedGradients, attr.NeuronIntegratedGradients)  # both are quadratures of the same integral


def extras(entry):
    """What captum passes on and does not explain."""
    extra = entry["attribute_args"].get("additional_forward_args")
    return () if extra is None else extra if isinstance(extra, tuple) else (extra,)


def both_offer(entry, algorithm):
    """We have no units by slice or function, no feature masks, and no backgrounds beside floats that are held fixed."""
    args = entry["attribute_args"]
    selector = args.get("neuron_selector")
    sliced = isinstance(selector, tuple) and any(isinstance(s, slice) for s in selector)
    fixed = any(isinstance(e, torch.Tensor) and e.is_floating_point() for e in extras(entry))
    refused = callable(selector) or sliced or "feature_mask" in args or (fixed and "Shap" in algorithm.__name__)
    return algorithm in OURS and not refused


PAIRS = [
    (entry, algorithm)
    for entry in test_config.config
    for algorithm in entry["algorithms"]
    if both_offer(entry, algorithm)
]
FACTORS = [pair for pair in PAIRS if pair[1] is attr.LRP and extras(pair[0])]
"""captum's LRP does not see products and sums outside modules, of which these networks are made."""


def ours(entry, algorithm):
    """Our values of captum's inputs, in captum's shape."""
    args = dict(entry["attribute_args"])
    inputs = args["inputs"] if isinstance(args["inputs"], tuple) else (args["inputs"],)
    extra = extras(entry)
    floats = tuple(e for e in extra if isinstance(e, torch.Tensor) and e.is_floating_point())
    given = args.get("baselines")
    given = (
        tuple(torch.zeros_like(x) for x in inputs) if given is None else given if isinstance(given, tuple) else (given,)
    )
    given = tuple(
        b if isinstance(b, torch.Tensor) else torch.full_like(x, b) for b, x in zip(given, inputs, strict=True)
    )
    options = {"method": OURS[algorithm]}
    if "Shap" in algorithm.__name__:
        options["background"] = given
    else:
        options["baseline"] = (*given, *floats)  # what captum holds fixed does not differ from itself
    selector = args.get("neuron_selector")
    if entry.get("layer") is not None:
        options["layers"] = entry["layer"] if isinstance(entry["layer"], str) else list(entry["layer"])
    if selector is not None:
        options["units"] = selector
        return attribute(entry["model"], (*inputs, *extra), **options), inputs, [0] * len(inputs[0])
    target = args.get("target")
    target = target.tolist() if isinstance(target, torch.Tensor) else target
    target = [target] if target is not None and not isinstance(target, list) else target
    each = None if target is None else target * (len(inputs[0]) // len(target)) if len(target) == 1 else target
    wanted = None if each is None else list(dict.fromkeys(each))
    found = attribute(entry["model"], (*inputs, *extra), target=wanted, **options)
    return found, inputs, [0] * len(inputs[0]) if each is None else [wanted.index(t) for t in each]


def theirs(entry, algorithm):
    args = {
        k: v for k, v in entry["attribute_args"].items() if k not in ("nt_samples", "nt_samples_batch_size", "stdevs")
    }
    layer = entry.get("layer")
    model = entry["model"]
    if layer is not None:
        modules = dict(model.named_modules())
        chosen = modules[layer] if isinstance(layer, str) else [modules[name] for name in layer]
        made = algorithm(model, chosen)
    else:
        made = algorithm(model)
    if algorithm in APPROXIMATE:
        args["n_steps"] = 200
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made.attribute(**args)


def name_of(pair):
    return f"{pair[0]['name']}-{pair[1].__name__}"


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in FACTORS], ids=name_of)
def test_pairs_that_both_offer_are_equal(pair):
    entry, algorithm = pair
    entry["model"].eval()
    reference = theirs(entry, algorithm)
    found, inputs, column = ours(entry, algorithm)
    rows = np.arange(len(inputs[0]))
    if isinstance(found, dict):
        pieces = [(r, found[name].shaped) for r, name in zip(reference, entry["layer"], strict=True)]
    elif "Layer" in algorithm.__name__:
        pieces = [(reference, found.shaped)]
    else:
        names = list(found.shapes)
        references = reference if isinstance(reference, tuple) else (reference,)
        pieces = [(r, found.part(name).shaped) for r, name in zip(references, names, strict=False)]
    tolerance = 2e-2 if algorithm in APPROXIMATE else 1e-5
    for wanted, mine in [(w[0] if isinstance(w, tuple) else w, m) for w, m in pieces]:
        picked = np.moveaxis(mine, -1, 1)[rows, column]
        wanted = wanted.detach()  # noqa: PLW2901
        scale = max(1.0, float(wanted.abs().max()))
        np.testing.assert_allclose(picked, wanted.numpy(), atol=tolerance * scale)


@pytest.mark.parametrize("pair", FACTORS, ids=name_of)
def test_where_captum_drops_factors_ours_is_gradient_times_input(pair):
    """In networks of rectifiers LRP-0 is gradient times input (Shrikumar et al., 2016, section 2), biases or not."""
    entry, algorithm = pair
    entry["model"].eval()
    found, inputs, _ = ours(entry, algorithm)
    total = sum(x.shape[1] for x in inputs)
    for k, name in enumerate(found.outputs):
        target = tuple(int(i) for i in name.split(", "))
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        out = entry["model"](*leaves, *extras(entry))
        gradients = torch.autograd.grad(out[(slice(None), *target)].sum(), leaves)
        wanted = torch.cat([x * g for x, g in zip(leaves, gradients, strict=True)], 1).detach().numpy()
        np.testing.assert_allclose(found.values[:, :total, k], wanted, rtol=1e-5, atol=1e-4)


def test_how_much_of_the_table_is_replayed():
    assert sum(len(entry["algorithms"]) for entry in test_config.config) == 288
    assert len(PAIRS) >= 130
