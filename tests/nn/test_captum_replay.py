"""captum's own table of algorithms and configurations, replayed on both; every pair is replayed or has a reason."""

import itertools
import math
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from torch.nn import functional

from pellucid.nn import LRP, IntegratedGradients, Occlusion, ablate, attribute, record

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from captum.testing.attr.helpers import test_config

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
EXACT, QUADRATURE = 1e-5, 2e-2
"""Of the largest value; Integrated Gradients are two quadratures of one integral."""


class Held(nn.Module):
    """A network some of whose inputs are held fixed."""

    def __init__(self, net, *fixed):
        super().__init__()
        self.net, self.fixed = net, fixed

    def forward(self, *inputs):
        return self.net(*inputs, *self.fixed)


class Pair:
    """One line of captum's table with one of its algorithms."""

    def __init__(self, entry, algorithm):
        self.algorithm, self.model = algorithm, entry["model"].eval()
        self.args = {
            k: v
            for k, v in entry["attribute_args"].items()
            if k not in ("nt_samples", "nt_samples_batch_size", "stdevs")
        }
        self.name, self.layer = f"{entry['name']}-{algorithm.__name__}", entry.get("layer")
        self.inputs = _tuple(self.args["inputs"])
        extra = self.args.get("additional_forward_args")
        self.extra = () if extra is None else _tuple(extra)
        self.floats = tuple(e for e in self.extra if isinstance(e, torch.Tensor) and e.is_floating_point())
        self.selector = self.args.get("neuron_selector")
        self.rows = np.arange(len(self.inputs[0]))

    @property
    def targets(self):
        """The target of every row, or None."""
        target = self.args.get("target")
        if target is None:
            return None
        listed = target.tolist() if isinstance(target, torch.Tensor) else target
        listed = listed if isinstance(listed, list) else [listed]
        return listed * len(self.rows) if len(listed) == 1 else listed

    @property
    def baselines(self):
        given = self.args.get("baselines")
        given = (torch.zeros_like(x) for x in self.inputs) if given is None else _tuple(given)
        return tuple(
            b if isinstance(b, torch.Tensor) else torch.full_like(x, b) for b, x in zip(given, self.inputs, strict=True)
        )

    @property
    def unit(self):
        """The one selected unit."""
        return self.selector if isinstance(self.selector, tuple) else (self.selector,)

    @property
    def several(self):
        """Whether a slice or a function selects units, which are explained together as their sum."""
        return callable(self.selector) or (self.selector is not None and any(isinstance(s, slice) for s in self.unit))

    def of_selected(self, *inputs):
        """The network up to the selected units, as a function that gives their sum."""
        seen = []
        handle = self.model.get_submodule(self.layer).register_forward_hook(lambda *call: seen.append(call[2]))
        self.model(*inputs)
        handle.remove()
        if callable(self.selector):
            return self.selector(seen[0])
        return seen[0][(slice(None), *self.selector)].flatten(1).sum(1)

    def captum(self, algorithm=None, *, without=(), layer=True, **changed):
        """What captum says, one tensor for each input or layer."""
        algorithm = algorithm or self.algorithm
        modules = dict(self.model.named_modules())
        names = [] if self.layer is None or not layer else _listed(self.layer)
        chosen = [modules[name] for name in names]
        where = [chosen if isinstance(self.layer, list) else chosen[0]] if chosen else []
        args = {k: v for k, v in self.args.items() if k not in without} | changed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = algorithm(self.model, *where).attribute(**args)
        by_layer = algorithm.__name__.startswith(("Layer", "Internal"))
        found = found if isinstance(self.layer, list) or (isinstance(found, tuple) and not by_layer) else [found]
        return [(one[0] if isinstance(one, tuple) else one).detach().numpy() for one in found]

    def ours(self, method, *, background=False, at="pair", **options):
        """What we say of the pair, or at its inputs or its layer only, in captum's shape, and the standard errors."""
        if background and self.floats:  # our background covers every floating-point input, so one row at a time
            options["background"] = self.baselines
            found = [self._asked(self._held(i), at, method=method, **options) for i in self.rows]
            return [[np.concatenate(parts) for parts in zip(*some, strict=True)] for some in zip(*found, strict=True)]
        # what captum holds fixed does not differ from itself
        options["background" if background else "baseline"] = (*self.baselines, *self.floats)
        return self._asked((self.model, (*self.inputs, *self.extra), self.targets, ""), at, method=method, **options)

    def _held(self, i):
        fixed = (e[i : i + 1] if isinstance(e, torch.Tensor) else e for e in self.extra)
        row = tuple(x[i : i + 1] for x in self.inputs)
        return Held(self.model, *fixed).eval(), row, None if self.targets is None else self.targets[i : i + 1], "net."

    def _asked(self, what, at, **options):
        model, inputs, targets, prefix = what
        wanted = None if targets is None else list(dict.fromkeys(targets))
        each = [0] * len(inputs[0]) if targets is None else [wanted.index(t) for t in targets]
        asked = {"target": wanted}
        if at == "pair" and self.several:
            model, asked = self.of_selected, {}
        elif self.layer is not None and at != "inputs":
            names = [prefix + name for name in _listed(self.layer)]
            asked["layers"] = names if isinstance(self.layer, list) else names[0]
            if at == "pair" and self.selector is not None:
                asked |= {"units": [self.unit], "target": None}
        found = attribute(model, inputs, **asked, **options)
        if isinstance(found, dict):
            made = [found[name] for name in asked["layers"]]
        elif len(found.shapes) == 1:
            made = [found]
        else:
            made = [found.part(name) for name in list(found.shapes)[: len(self.inputs)]]
        rows = np.arange(len(each))
        values, errors = ([np.moveaxis(v, -1, 1)[rows, each] for v in some] for some in _numbers(made))
        return values, errors


def _numbers(found):
    errors = [one.values * 0 if one.std_error is None else one.std_error for one in found]
    shaped = [one.shaped for one in found]
    return shaped, [e.reshape(v.shape) for e, v in zip(errors, shaped, strict=True)]


def _tuple(given):
    return given if isinstance(given, tuple) else (given,)


def _listed(given):
    return [given] if isinstance(given, str) else list(given)


# ---- how each algorithm is replayed: what captum says, what we say, and the tolerance of the largest value ---------


def same(method, tolerance=EXACT, *, background=False, **options):
    """Our method of the same name."""

    def replay(pair):
        more = {"n_steps": 200} if tolerance == QUADRATURE else {}
        return pair.captum(**more), pair.ours(method, background=background, **options)[0], tolerance

    return replay


def shapley(pair):
    """Both of captum's samplers estimate Shapley values, which few features let both compute."""
    constant = pair.inputs[0].ndim == 4  # the table's convolutional network says the same of every input
    if constant:
        return pair.captum(), pair.ours("shapley", budget=300)[0], EXACT
    if len(pair.inputs) > 1:
        return shapley_by_subsets(pair), pair.ours("shapley", budget=4096)[0], EXACT
    theirs = pair.captum(attr.ShapleyValues, without=("n_samples",))
    return theirs, pair.ours("shapley", budget=16)[0], EXACT


def shapley_by_subsets(pair):
    """The definition; captum's exact method goes through all 9! orders of these features."""
    x, low = torch.cat(pair.inputs, 1), torch.cat(pair.baselines, 1).expand(len(pair.rows), -1)
    n = x.shape[1]
    worth = {}
    for subset in itertools.product((0, 1), repeat=n):
        mixed = torch.where(torch.tensor(subset, dtype=torch.bool), x, low)
        output = pair.model(*mixed.split(3, 1), *pair.extra).detach().double().numpy()
        worth[subset] = output[pair.rows, pair.targets]
    values = np.zeros(x.shape)
    for subset, value in worth.items():
        size = sum(subset)
        for i in range(n):
            if not subset[i]:
                share = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                values[:, i] += share * (worth[(*subset[:i], 1, *subset[i + 1 :])] - value)
    return np.split(values, n // 3, 1)


def gradient_shap(pair):
    """With one background row and no noise, the mean of captum's samples is Integrated Gradients."""
    exact = attr.IntegratedGradients if pair.layer is None else attr.NeuronIntegratedGradients
    theirs = pair.captum(exact, without=("n_samples",), n_steps=500)
    mine, errors = pair.ours("expected_gradients", background=True, budget=400)
    return theirs, mine, [6 * e + 1e-2 * np.abs(t).max() for e, t in zip(errors, theirs, strict=True)]


def conductance_of_unit(pair):
    """captum deals a unit's conductance to the inputs; ours is their sum."""
    theirs = sum(part.reshape(len(part), -1).sum(1) for part in pair.captum(n_steps=200))
    (mine,), _ = pair.ours(IntegratedGradients(), at="layer")
    return [theirs], [mine[(slice(None), *pair.unit)]], QUADRATURE


def unit_gradient(pair):
    """We give gradients of units times values."""
    mine, _ = pair.ours("gradient_x_input")
    return [g * x.numpy() for g, x in zip(pair.captum(), pair.inputs, strict=True)], mine, EXACT


def windows(pair):
    """captum takes windows by input, and a window over channels."""
    theirs, mine = pair.captum(), []
    for k, window in enumerate(pair.args["sliding_window_shapes"] if len(pair.inputs) > 1 else [None]):
        sides = pair.args["sliding_window_shapes"] if window is None else window
        method = Occlusion(window=sides[1:] if pair.inputs[k].ndim == 4 else sides, stride=1)
        mine.append(pair.ours(method)[0][k])
    return theirs, mine, EXACT


def ablation_of_layer(pair):
    """`ablate` takes out units; of maps these are channels, which captum hides together by a mask."""
    shape = record(pair.model, (*pair.inputs, *pair.extra), layers=pair.layer)[pair.layer].shape
    mask = torch.arange(shape[1]).view(1, -1, *[1] * (len(shape) - 2)).expand(1, *shape[1:])
    (theirs,) = pair.captum(**({"layer_mask": mask} if len(shape) == 4 else {}))
    mine = np.zeros(shape[:2])
    for target in set(pair.targets):
        cut = (slice(None), *_tuple(target))
        found = ablate(
            pair.model, (*pair.inputs, *pair.extra), layers=pair.layer, target=lambda out, cut=cut: out[cut], to="zero"
        )
        chosen = np.array([t == target for t in pair.targets])
        mine[chosen] = found.effect.T[chosen]
    return [theirs.reshape(*shape[:2], -1)[..., 0]], [mine], EXACT


def grad_cam(pair):
    """Of a layer with no places captum gives the sum of gradient times activation, where we refuse to call it a map."""
    if pair.inputs[0].ndim == 4:
        return [pair.captum(relu_attributions=True)[0][:, 0]], pair.ours("gradcam")[0], EXACT
    return pair.captum(), [pair.ours("gradient_x_input")[0][0].sum(1, keepdims=True)], EXACT


def guided_grad_cam(pair):
    """Guided backprop times the map, spread over the picture."""
    (guided,), (small,) = pair.ours("guided_backprop", at="inputs")[0], pair.ours("gradcam")[0]
    wide = functional.interpolate(torch.from_numpy(small)[:, None], size=guided.shape[-2:]).numpy()
    return pair.captum(), [guided * wide], EXACT


def activations(pair):
    found = record(pair.model, (*pair.inputs, *pair.extra), layers=list(pair.layer))
    return pair.captum(), [found[name].numpy() for name in pair.layer], EXACT


REPLAYS = {
    attr.Saliency: same("saliency"),
    attr.InputXGradient: same("gradient_x_input"),
    attr.GuidedBackprop: same("guided_backprop"),
    attr.DeepLift: same("deeplift"),
    attr.DeepLiftShap: same("deepshap", background=True),
    attr.FeatureAblation: same(Occlusion(window=1, stride=1)),
    attr.Occlusion: windows,
    attr.IntegratedGradients: same(IntegratedGradients(), QUADRATURE),
    attr.GradientShap: gradient_shap,
    **dict.fromkeys((attr.ShapleyValueSampling, attr.KernelShap), shapley),
    attr.LRP: same(LRP(epsilon=1e-9)),
    attr.GuidedGradCam: guided_grad_cam,
    attr.LayerActivation: activations,
    attr.LayerGradientXActivation: same("gradient_x_input"),
    attr.LayerGradCam: grad_cam,
    attr.LayerDeepLift: same("deeplift"),
    attr.LayerDeepLiftShap: same("deepshap", background=True),
    attr.LayerFeatureAblation: ablation_of_layer,
    attr.LayerLRP: same(LRP(epsilon=1e-9)),
    **dict.fromkeys((attr.LayerConductance, attr.LayerIntegratedGradients), same(IntegratedGradients(), QUADRATURE)),
    attr.NeuronGradient: unit_gradient,
    attr.NeuronGuidedBackprop: same("guided_backprop"),
    attr.NeuronDeepLift: same("deeplift"),
    attr.NeuronDeepLiftShap: same("deepshap", background=True),
    attr.NeuronIntegratedGradients: same(IntegratedGradients(), QUADRATURE),
    attr.NeuronFeatureAblation: same(Occlusion(window=1, stride=1)),
    attr.NeuronGradientShap: gradient_shap,
    attr.NeuronConductance: conductance_of_unit,
}
NOT_OFFERED = {
    **dict.fromkeys((attr.Deconvolution, attr.NeuronDeconvolution), "Deconvolution"),
    attr.InternalInfluence: "Internal influence",
    attr.FeaturePermutation: "Permutation",
    attr.Lime: "LIME",
    attr.LayerGradientShap: "Gradient SHAP of layers",
}
"""The word that the line of the documentation begins with."""

TABLE = [Pair(entry, algorithm) for entry in test_config.config for algorithm in entry["algorithms"]]
FACTORS = [pair for pair in TABLE if pair.algorithm is attr.LRP and pair.extra]
"""captum's LRP does not see products and sums outside modules, of which these networks are made."""


@pytest.mark.parametrize(
    "pair", [p for p in TABLE if p.algorithm in REPLAYS and p not in FACTORS], ids=lambda pair: pair.name
)
def test_pairs_that_both_offer_are_equal(pair):
    theirs, mine, tolerance = REPLAYS[pair.algorithm](pair)
    tolerances = tolerance if isinstance(tolerance, list) else [tolerance * max(1.0, np.abs(t).max()) for t in theirs]
    for wanted, found, allowed in zip(theirs, mine, tolerances, strict=True):
        assert found.shape == wanted.shape
        assert (np.abs(found - wanted) <= allowed).all(), np.abs(found - wanted).max()


@pytest.mark.parametrize("pair", FACTORS, ids=lambda pair: pair.name)
def test_where_captum_drops_factors_ours_is_gradient_times_input(pair):
    """In networks of rectifiers LRP-0 is gradient times input (Shrikumar et al., 2016, section 2), biases or not."""
    mine, _ = pair.ours(LRP(epsilon=1e-9))
    leaves = [x.detach().clone().requires_grad_() for x in pair.inputs]
    out = pair.model(*leaves, *pair.extra)
    picked = torch.stack([out[(i, *_tuple(target))] for i, target in enumerate(pair.targets)])
    gradients = torch.autograd.grad(picked.sum(), leaves)
    for found, x, gradient in zip(mine, leaves, gradients, strict=True):
        np.testing.assert_allclose(found, (x * gradient).detach().numpy(), rtol=1e-5, atol=1e-4)


def test_every_pair_is_replayed_or_has_a_reason_in_the_documentation():
    assert len(TABLE) == 288
    replayed = [pair for pair in TABLE if pair.algorithm in REPLAYS]
    reasons = Counter(NOT_OFFERED[pair.algorithm] for pair in TABLE if pair.algorithm not in REPLAYS)
    page = PAGE.read_text()
    assert f"{len(replayed)} pairs are replayed" in page
    said = re.findall(r"^\| (\d+) \| ([^|,:(]+?)[,:(| ]* \|", page, re.M)
    assert {what: int(count) for count, what in said} == dict(reasons)
