"""Target 6, faithfulness beside quantus and captum, and relevance beside zennit."""

import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import captum.attr
import captum.metrics
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.nn.measuring import Row, interleaved
from pellucid.nn import LRP, attribute, flipping, grid_pointing, infidelity, max_sensitivity, parameter_randomisation

SIDE, ROWS = 16, 32
STEPS = 32
QUIET = {"disable_warnings": True, "display_progressbar": False}


@cache
def subject() -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """A small convolutional network, pictures, its classes for them, and gradients as attributions."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * (SIDE // 2) ** 2, 10),
    ).eval()  # fmt: skip
    x = torch.rand(ROWS, 1, SIDE, SIDE)
    with torch.no_grad():
        said = model(x).argmax(1)
    return model, x, said, gradient_x_input(model, x)


def gradient_x_input(model: nn.Module, x: Tensor) -> Tensor:
    with torch.enable_grad():  # captum switches gradients off while it asks
        x = x.detach().requires_grad_()
        return (torch.autograd.grad(model(x).amax(1).sum(), x)[0] * x).detach()


def without_torchvision() -> None:
    """Let quantus and zennit, which name torchvision's classes as they load, load without it."""
    if "torchvision" in sys.modules:
        return
    names = ("VGG", "ResNet", "Bottleneck", "BasicBlock")
    classes = {name: type(name, (), {}) for name in names}
    for path in ("torchvision", "torchvision.models", "torchvision.models.resnet", "torchvision.models.vgg"):
        module: Any = ModuleType(path)
        module.__path__ = []
        module.__dict__.update(classes)
        sys.modules[path] = module
        parent, _, child = path.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def hiding() -> list[Row]:
    """Pixel flipping: the same curve, from both."""
    without_torchvision()
    import quantus

    model, x, said, values = subject()
    metric = quantus.PixelFlipping(
        features_in_step=SIDE * SIDE // STEPS, perturb_baseline=0.0, abs=False, normalise=False,
        disable_warnings=True, display_progressbar=False,
    )  # fmt: skip

    def ours() -> Any:
        return flipping(model, x, values, target=said, n_steps=STEPS)

    def one(order: np.ndarray) -> np.ndarray:
        return np.array(
            metric(
                model=model, x_batch=x.numpy(), y_batch=said.numpy(), a_batch=order, batch_size=ROWS, softmax=False
            )
        )  # fmt: skip

    def peer() -> np.ndarray:
        return np.stack([one(sign * values.numpy()) for sign in (1, -1)])

    def bare() -> None:
        with torch.no_grad():
            for part in x.repeat(2 * STEPS, 1, 1, 1).split(64):
                model(part)

    timed, floor = interleaved(ours, peer), interleaved(ours, bare)
    mine = np.stack([ours().most_first, ours().least_first])[:, :, 1:]
    apart = float(np.abs(mine - peer().reshape(mine.shape)).max())
    work = f"pixel flipping in both directions, {ROWS} pictures, {STEPS} steps"
    return [
        Row(6, f"{work}, quantus' time / ours", f"{timed.ratio:.1f}x; largest difference of the curves {apart:.0e}",
            "≥ 10x", timed.ratio >= 10),
        Row(6, "the same: the network's own passes / ours", f"{floor.ratio:.2f}x"),
    ]  # fmt: skip


def sensitivity() -> list[Row]:
    """Largest change of a gradient nearby, beside captum's and quantus'."""
    without_torchvision()
    import quantus

    model, x, said, values = subject()
    metric = quantus.MaxSensitivity(
        nr_samples=10, lower_bound=0.02, normalise=False, disable_warnings=True, display_progressbar=False
    )

    def explain(model, inputs, targets, **_):
        return gradient_x_input(model, torch.as_tensor(inputs)).numpy()

    def ours() -> Any:
        return max_sensitivity(gradient_x_input, model, x, n_samples=10)

    def of_quantus() -> Any:
        return metric(
            model=model, x_batch=x.numpy(), y_batch=said.numpy(), a_batch=values.numpy(), explain_func=explain,
            batch_size=ROWS,
        )  # fmt: skip

    def of_captum() -> Any:
        return captum.metrics.sensitivity_max(lambda rows: (gradient_x_input(model, rows[0]),), x, n_perturb_samples=10)

    rows = []
    for name, peer, must in (("quantus", of_quantus, "≥ 10x"), ("captum", of_captum, "")):
        timed = interleaved(ours, peer)
        met = timed.ratio >= 10 if must else None
        rows.append(Row(6, f"max-sensitivity, 10 samples, {name}'s time / ours", f"{timed.ratio:.1f}x", must, met))
    return rows


class LeNet(nn.Sequential):
    """The network of quantus' own tutorial: 28 x 28 pixels, ten classes."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip


@cache
def tutorial() -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """LeNet, pictures, its classes for them, and gradients as attributions."""
    torch.manual_seed(0)
    model, x = LeNet().eval(), torch.rand(24, 1, 28, 28)
    with torch.no_grad():
        said = model(x).argmax(1)
    return model, x, said, gradient_x_input(model, x)


def metrics_of_a_tutorial() -> list[Row]:
    """Flipping, sensitivity and randomisation on quantus' own example, with as many evaluations on both sides."""
    without_torchvision()
    import quantus

    model, x, said, values = tutorial()
    count = len(x)

    def explain(model, inputs, targets, **_):
        return gradient_x_input(model, torch.as_tensor(inputs)).numpy()

    def asked(metric: Any, signs: tuple[int, ...] = (1,), **options: Any) -> Callable[[], Any]:
        """Ask quantus with its own batches of 64; both directions are two calls."""
        arrays = {"x_batch": x.numpy(), "y_batch": said.numpy()}
        return lambda: [metric(model=model, a_batch=sign * values.numpy(), **arrays, **options) for sign in signs]

    flips = quantus.PixelFlipping(
        features_in_step=28, perturb_baseline=0.0, abs=False, normalise=False, **QUIET
    )  # fmt: skip
    road = quantus.ROAD(percentages=list(range(10, 101, 10)), **QUIET)
    nearby = quantus.MaxSensitivity(lower_bound=0.2, normalise=False, **QUIET)
    random = quantus.MPRT(**QUIET)
    work = {
        "pixel flipping, both directions, 28 steps": (
            lambda: flipping(model, x, values, target=said, n_steps=28), asked(flips, (1, -1)),
        ),
        "ROAD, both directions, 10 steps": (
            lambda: flipping(model, x, values, target=said, hide="linear", n_steps=10), asked(road, (1, -1)),
        ),
        "max-sensitivity, 200 samples": (
            lambda: max_sensitivity(gradient_x_input, model, x, radius=0.2, n_samples=200),
            asked(nearby, explain_func=explain),
        ),
        "randomisation of parameters": (
            lambda: parameter_randomisation(gradient_x_input, model, x), asked(random, explain_func=explain),
        ),
    }  # fmt: skip
    rows = []
    for name, (ours, peer) in work.items():
        timed = interleaved(ours, peer)
        said_of = f"{timed.ratio:.1f}x ({timed.peer:.2f} s / {timed.ours:.2f} s)"
        rows.append(
            Row(6, f"LeNet, {count} pictures, {name}: quantus' time / ours", said_of, "≥ 10x", timed.ratio >= 10)
        )
    passes = 2 * 28 * count

    def bare() -> None:
        with torch.no_grad():
            for part in x.repeat(2 * 28, 1, 1, 1).split(64):
                model(part)

    floor = interleaved(work["pixel flipping, both directions, 28 steps"][0], bare)
    return [*rows, Row(6, f"the same, pixel flipping: {passes:,} plain passes / ours", f"{floor.ratio:.2f}x")]


def infidelities() -> list[Row]:
    """Infidelity by Gaussian noise, which quantus and captum take as a function: the same noise, the same number."""
    without_torchvision()
    import quantus

    model, x, said, _ = tutorial()
    samples, noise = 64, 0.1
    values = gradient_x_input(model, x) / x  # the gradient itself

    def stepping() -> Callable[[], Tensor]:
        generator = torch.Generator().manual_seed(0)
        return lambda: noise * torch.randn(x.shape, generator=generator, dtype=torch.float64).float()

    def ours() -> np.ndarray:
        return infidelity(model, x, values, target=said, noise=noise, n_samples=samples).values

    def of_quantus() -> np.ndarray:
        step = stepping()
        metric = quantus.Infidelity(
            perturb_func=lambda arr, indices, **_: arr - step().numpy().reshape(arr.shape),
            perturb_patch_sizes=[x.shape[-1]], n_perturb_samples=samples, **QUIET,
        )  # fmt: skip
        return np.array(metric(model=model, x_batch=x.numpy(), y_batch=said.numpy(), a_batch=values.numpy()))

    def of_captum() -> np.ndarray:
        step = stepping()

        def moved(rows: Tensor) -> tuple[Tensor, Tensor]:
            steps = torch.cat([step() for _ in range(len(rows) // len(x))])
            steps = steps.reshape(-1, *x.shape).transpose(0, 1).reshape(rows.shape)  # captum keeps a row's together
            return steps, rows - steps

        found = captum.metrics.infidelity(
            model, moved, x, values, target=said, n_perturb_samples=samples, max_examples_per_batch=72
        )
        return found.numpy()

    rows = []
    for name, peer, must in (("quantus", of_quantus, "≥ 10x"), ("captum", of_captum, "")):
        timed, mine = interleaved(ours, peer), ours()
        apart = float(np.abs(peer() / mine - 1).max())
        said_of = f"{timed.ratio:.1f}x; largest relative difference {apart:.0e}"
        met = timed.ratio >= 10 if must else None
        rows.append(
            Row(6, f"LeNet, {len(x)} pictures, infidelity, {samples} samples: {name}'s time / ours", said_of, must, met)
        )
    return rows


def pointing() -> list[Row]:
    """The grid pointing game: share of the positive attribution inside the cell, and where its largest lies."""
    without_torchvision()
    import quantus

    count, side = 256, 112
    values = np.random.default_rng(0).normal(size=(count, 1, side, side))
    inside = np.zeros(values.shape, dtype=bool)
    inside[:, :, : side // 2, side // 2 :] = True
    given = {"model": tutorial()[0], "x_batch": values, "y_batch": np.zeros(count, dtype=int), "s_batch": inside}
    mass = quantus.RelevanceMassAccuracy(normalise=False, **QUIET)
    largest = quantus.PointingGame(normalise=False, **QUIET)

    def ours() -> Any:
        return grid_pointing(values, inside[:, 0])

    def peer() -> tuple[Any, Any]:
        return mass(a_batch=values.clip(0), **given), largest(a_batch=values, **given)

    timed, (share, hit) = interleaved(ours, peer), peer()
    apart = max(np.abs(ours().share - share).max(), np.abs(ours().hit ^ np.array(hit, dtype=bool)).max())
    return [
        Row(6, f"grid pointing game, {count} collages of {side} x {side} pixels: quantus' time / ours",
            f"{timed.ratio:.1f}x; largest difference {apart:.0e}", "≥ 10x", timed.ratio >= 10),
    ]  # fmt: skip


def relevance() -> list[Row]:
    """LRP beside zennit, which registers its rules on modules."""
    without_torchvision()
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlus

    model, x, _, _ = subject()
    wanted = torch.eye(10)[0]

    def peer() -> Tensor:
        with Gradient(model, EpsilonPlus(epsilon=1e-9)) as attributor:
            return attributor(x.clone(), lambda scores: wanted * scores)[1]

    def ours() -> Any:
        return attribute(model, x, target=0, method=LRP(rule="epsilon_plus"))

    timed = interleaved(ours, peer)
    mine = torch.as_tensor(ours().shaped[..., 0])
    apart = float((mine - peer()).abs().max() / mine.abs().max())
    return [
        Row(0, "LRP ε+z⁺, small CNN: zennit's time / ours",
            f"{timed.ratio:.2f}x; largest relative difference {apart:.0e}"),
    ]  # fmt: skip
