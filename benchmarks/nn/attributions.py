"""Targets 1 to 4: one answer for one function, the gap, maps of all layers, memory, relevance through attention."""

import subprocess
import sys
from pathlib import Path

import captum.attr
import numpy as np
import torch
from tests.nn.networks import STYLES, in_style

from benchmarks.nn.measuring import Row, interleaved
from benchmarks.nn.subjects import (
    CAT,
    blocks,
    cat,
    classifier,
    documents,
    lite0,
    masked,
    pictures,
    transformers_as_they_come,
    words,
)
from pellucid.explanation import Explanation
from pellucid.nn import METHODS, attribute, flipping

LAYERED = ("gradcam", "gradcam_plus_plus", "layercam")
SAMPLES = {"expected_gradients": 8, "smoothgrad": 8, "rise": 8, "shapley": 160}
DOCUMENTS = 24
MEBIBYTE = 1024  # Linux counts in kibibytes


def invariance() -> list[Row]:
    """Every method on one function written in six styles, and captum's DeepLIFT on the same."""
    torch.manual_seed(0)
    x, background = torch.randn(2, 2, 12, 12), torch.randn(3, 2, 12, 12)
    worst = {}
    for method in METHODS:
        found = {}
        for style in STYLES:
            layers = "c1" if method in LAYERED else None
            budget = SAMPLES.get(method)
            found[style] = attribute(
                in_style(style), x, target=1, method=method, background=background, layers=layers, budget=budget
            ).values
        reference = found["Functions"]
        worst[method] = max(np.abs(one - reference).max() for one in found.values()) / np.abs(reference).max()
    agree = sum(_captum_deeplift_agrees(style, x) for style in STYLES)
    name = max(worst, key=lambda method: worst[method])
    return [
        Row(1, f"{len(METHODS)} methods on one function in 6 styles, largest relative difference",
            f"{worst[name]:.0e} ({name})", "≤ 1e-5", bool(worst[name] <= 1e-5)),
        Row(1, "captum's DeepLIFT on the same: styles in which it adds up to 1e-5", f"{agree} of 6"),
    ]  # fmt: skip


def _captum_deeplift_agrees(style: str, x: torch.Tensor) -> bool:
    model = in_style(style)
    try:
        values = captum.attr.DeepLift(model).attribute(x, target=1)
    except (RuntimeError, AssertionError):  # reused and in-place modules
        return False
    explained = (model(x) - model(torch.zeros_like(x)))[:, 1]
    return bool((values.flatten(1).sum(1) - explained).abs().max() <= 1e-5 * explained.abs().max())


def gradients_for_completeness() -> list[Row]:
    """Adaptive Integrated Gradients: how far from complete, after how many gradients."""
    shown = pictures()
    with torch.no_grad():
        said = lite0()(shown).argmax(1).tolist()
    on_pictures = [attribute(lite0(), shown[i : i + 1], target=said[i], budget=80) for i in range(0, 10, 2)]
    given = classifier()
    inputs = documents(12)
    empty, at = {"input_ids": masked(inputs)}, given.topics[:12].tolist()
    on_texts = [
        attribute(given.network, _row(inputs, i), target=at[i], baseline=_row(empty, i), budget=16) for i in range(12)
    ]
    explainer = captum.attr.IntegratedGradients(lite0())
    _, delta = explainer.attribute(cat(), target=CAT, n_steps=50, internal_batch_size=10, return_convergence_delta=True)
    with torch.no_grad():
        explained = (lite0()(cat()) - lite0()(torch.zeros_like(cat())))[0, CAT]
    return [
        _completeness("Lite0, 5 photographs", on_pictures, 80),
        _completeness("MiniLM, 12 news documents, words masked as baseline", on_texts, 16),
        Row(2, "captum IG of 50 steps, Lite0, the cat: gap", f"{abs(float(delta / explained)):.1%}"),
    ]


def _row(inputs: dict[str, torch.Tensor], i: int) -> dict[str, torch.Tensor]:
    return {name: value[i : i + 1] for name, value in inputs.items()}


def _completeness(work: str, found: list[Explanation], most: int) -> Row:
    gaps, gradients = [], []
    for one in found:
        gap = one.quality.gap
        assert gap is not None
        explained = one.prediction - gap - one.base_values
        gaps.append(float(np.abs(gap / explained).max()))
        gradients.append(one.quality.evaluations.gradients)
    return Row(
        2, f"IG, {work}: gap, median and largest; gradients, largest",
        f"{np.median(gaps):.2%}, {max(gaps):.2%}; {max(gradients)}", f"≤ 1 % with ≤ {most}",
        max(gaps) <= 0.01 and max(gradients) <= most,
    )  # fmt: skip


def maps_of_all_layers() -> list[Row]:
    model, names = lite0(), blocks()

    def ours() -> dict[str, Explanation]:
        return attribute(model, cat(), target=CAT, method="gradcam", layers=names)

    def peer() -> dict[str, torch.Tensor]:
        return {
            name: captum.attr.LayerGradCam(model, model.get_submodule(name)).attribute(
                cat(), target=CAT, relu_attributions=True
            )
            for name in names
        }

    timed = interleaved(ours, peer)
    mine, theirs = ours(), peer()
    apart = max(
        float(np.abs(mine[name].shaped[0, ..., 0] - theirs[name][0, 0].detach().numpy()).max()) for name in names
    )
    return [
        Row(3, "Grad-CAM of 16 layers of Lite0, captum's time / ours", f"{timed.ratio:.1f}x "
            f"({timed.peer:.2f} s / {timed.ours:.2f} s; largest difference {apart:.0e})", "≥ 8x", timed.ratio >= 8),
    ]  # fmt: skip


def memory() -> list[Row]:
    """Peak memory of Integrated Gradients in a process of its own, beyond what a forward pass had taken."""
    ours, peer = (_peak(who) for who in ("ours", "peer"))
    return [
        Row(3, "IG memory, Lite0, one picture of 224 px: ours / captum's at its default",
            f"{ours:.0f} MiB / {peer:.0f} MiB = {ours / peer:.2f}", "≤ 0.25", ours / peer <= 0.25),
    ]  # fmt: skip


def _peak(who: str) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.nn.attributions", who], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _measure_peak(who: str) -> float:
    with torch.no_grad():
        lite0()(cat())
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _kibibytes("VmRSS")
    if who == "ours":
        attribute(lite0(), cat(), target=CAT)
    else:
        captum.attr.IntegratedGradients(lite0()).attribute(cat(), target=CAT)
    return (_kibibytes("VmHWM") - before) / MEBIBYTE


def _kibibytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def through_attention() -> list[Row]:
    """Cost of one backward pass beside a plain forward pass, and what of the score is conserved."""
    rows = []
    for name, (model, inputs, target) in transformers_as_they_come().items():

        def plain(model=model, inputs=inputs):
            with torch.no_grad():
                return model(**inputs)

        for method in ("attnlrp", "libragrad"):

            def relevance(model=model, inputs=inputs, target=target, method=method):
                return attribute(model, inputs, target=target, method=method)

            timed = interleaved(plain, relevance, 7)
            found = relevance()
            kept = np.median(found.prediction / (found.prediction - found.quality.gap))
            rows.append(
                Row(4, f"{method}, {name}: time / a plain forward pass",
                    f"{timed.ratio:.1f}x, values sum to {kept:.2f} of the score", "≤ 4x", timed.ratio <= 4)
            )  # fmt: skip
    return rows


def tokens() -> list[Row]:
    """Area between hiding the least and the most relevant words first, 24 news documents."""
    given, inputs = classifier(), documents(DOCUMENTS)
    with torch.no_grad():
        said = given.network(**inputs).argmax(1)
    at = said.tolist()

    def explained(method: str, count: int) -> np.ndarray:
        found = [
            attribute(given.network, _row(inputs, i), target=at[i], method=method).shaped[..., 0].sum(2)
            for i in range(count)
        ]
        return np.concatenate(found)

    embeddings = given.network.encoder.embeddings.word_embeddings
    peer = captum.attr.LayerIntegratedGradients(
        lambda ids, mask: given.network(input_ids=ids, attention_mask=mask), embeddings
    )

    def thirty_two(count: int) -> np.ndarray:
        found = [
            peer.attribute(
                row["input_ids"], masked(row), target=at[i], additional_forward_args=row["attention_mask"], n_steps=32
            ).sum(2)
            for i, row in ((i, _row(inputs, i)) for i in range(count))
        ]
        return torch.cat(found).detach().numpy()

    def area(values: np.ndarray) -> np.ndarray:
        return flipping(
            given.network, inputs, values, target=said, players=words(inputs), n_steps=10,
            hide=given.tokenizer.mask_token_id,
        ).abpc  # fmt: skip

    timed = interleaved(lambda: explained("attnlrp", 2), lambda: thirty_two(2))
    attn, libra = (area(explained(method, DOCUMENTS)) for method in ("attnlrp", "libragrad"))
    ig, chance = area(thirty_two(DOCUMENTS)), area(np.random.default_rng(0).random(inputs["input_ids"].shape))
    difference = attn - ig
    error = difference.std(ddof=1) / len(difference) ** 0.5
    return [
        Row(4, "token faithfulness: AttnLRP, LibraGrad, IG-32, random order",
            f"{attn.mean():.2f}, {libra.mean():.2f}, {ig.mean():.2f}, {chance.mean():.2f}; AttnLRP - IG-32 = "
            f"{difference.mean():.2f} ± {error:.2f}", "above IG-32", bool(attn.mean() > ig.mean())),
        Row(4, "the same, time: captum's IG-32 / AttnLRP, document by document", f"{timed.ratio:.1f}x", "≥ 10x",
            timed.ratio >= 10),
    ]  # fmt: skip


if __name__ == "__main__":
    print(_measure_peak(sys.argv[1]))
