"""`python -m benchmarks.lime`: LIME for tables, texts and images beside lime, written to docs/benchmarks-lime.md.

CPU time of one process, the peers taking turns, the best of several repeats. Models are cheap, so what is measured is
mostly what an explainer adds; the text and image rows subtract the model's own time for the inputs that were asked.
"""

import contextlib
import io
import platform
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import lime.lime_image
import lime.lime_tabular
import lime.lime_text
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor

import pellucid

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks-lime.md"
REPEATS = 3
SEEDS = 24
PEER_ROWS = 4
"""Rows that the peer is timed on: it takes them one by one, so its time is theirs times the number of rows."""


def best(work, repeats=REPEATS):
    """Least CPU time of several runs, and the last answer."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        answer = work()
        times.append(time.process_time() - started)
    return min(times), answer


def squashed(X):
    weights, spread = np.linspace(-1, 1, X.shape[1]), X.std(axis=0) + (X.std(axis=0) == 0)
    return lambda Z: np.tanh((Z / spread) @ weights / 3)


def tables():
    """One row and 500 rows of two tables, and one row of 2,000 columns."""
    for name, X in (("diabetes", load_diabetes().data), ("breast cancer", load_breast_cancer().data)):
        model = squashed(X)
        peer = lime.lime_tabular.LimeTabularExplainer(X, mode="regression", random_state=0)
        theirs, _ = best(lambda p=peer, X=X, f=model: [p.explain_instance(x, f) for x in X[:PEER_ROWS]])
        for count in (1, 500):
            rows = np.resize(X, (count, X.shape[1]))
            ours, _ = best(lambda X=X, r=rows, f=model: pellucid.explain(f, r, background=X, method="lime"))
            yield f"{name}, {X.shape[1]} features, {count} row{'s' * (count > 1)}", ours, theirs / PEER_ROWS * count
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(300, 2000))
    model = squashed(wide)
    prepared, explainer = best(lambda: pellucid.Explainer(model, wide, method="lime"), 1)
    yield "2,000 features, preparing", prepared, np.nan
    ours, _ = best(lambda: explainer(wide[:1]))
    yield "2,000 features, a row", ours, np.nan


def spread_of(values):
    """Mean standard deviation over seeds of the coefficients, relative to their mean size."""
    return float(np.std(values, axis=0, ddof=1).mean() / np.abs(np.mean(values, axis=0)).mean())


def agreement(values, k=5):
    """Mean Jaccard index of the sets of the k largest over pairs of seeds."""
    sets = [set(np.argsort(-np.abs(one))[:k].tolist()) for one in values]
    pairs = [(a, b) for i, a in enumerate(sets) for b in sets[:i]]
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs]))


def stability():
    """Coefficients of one row over seeds, at each package's default number of samples."""
    for name, (X, y) in (
        ("diabetes", load_diabetes(return_X_y=True)), ("breast cancer", load_breast_cancer(return_X_y=True)),
    ):  # fmt: skip
        boosted = HistGradientBoostingRegressor(max_iter=50, random_state=0).fit(X, y.astype(float))
        for kind, model in (("boosted trees", boosted.predict), ("a squashed sum", squashed(X))):
            a = np.array([_ours(model, X, seed) for seed in range(SEEDS)])
            b = np.array([_theirs(model, X, seed) for seed in range(SEEDS)])
            yield f"{name}, {kind}", spread_of(a), spread_of(b), agreement(a), agreement(b)


def _ours(model, X, seed):
    return pellucid.explain(model, X[:1], background=X, method="lime", random_state=seed).values[0, :, 0]


def _theirs(model, X, seed):
    peer = lime.lime_tabular.LimeTabularExplainer(X, mode="regression", random_state=seed, feature_selection="none")
    found = dict(peer.explain_instance(X[0], model, num_features=X.shape[1]).local_exp[1])
    return [found[j] for j in range(X.shape[1])]


def counted(function):
    """A function that knows how long it worked and on how many inputs."""

    def asked(inputs):
        started = time.process_time()
        result = function(inputs)
        asked.seconds += time.process_time() - started
        asked.inputs += len(inputs)
        return result

    asked.seconds, asked.inputs = 0.0, 0
    return asked


def overhead(explain, function):
    """Least time beyond the model, and the number of inputs it was asked for."""
    seconds, inputs = [], 0
    for _ in range(REPEATS):
        asked = counted(function)
        started = time.process_time()
        explain(asked)
        seconds.append(time.process_time() - started - asked.seconds)
        inputs = asked.inputs
    return min(seconds), inputs


def texts():
    """A text in which five words matter, and texts in which all words do."""
    rng = np.random.default_rng(0)
    few = np.zeros(60)
    few[[3, 14, 26, 35, 53]] = [2.0, -1.5, 1.2, -1.0, 0.8]
    for name, weights in (
        ("60 words, 5 matter", few),
        ("60 words, all matter", rng.normal(size=60) / 4),
        ("300 words, all matter", rng.normal(size=300) / 8),
    ):
        text = " ".join(f"word{i}" for i in range(len(weights)))
        known = dict(zip(text.split(), weights.tolist(), strict=True))

        def score(texts, known=known):
            p = 1 / (1 + np.exp(-np.array([sum(known.get(word, 0.0) for word in text.split()) for text in texts])))
            return np.column_stack([1 - p, p])

        peer = lime.lime_text.LimeTextExplainer(random_state=0)
        theirs = overhead(lambda f, t=text, p=peer: p.explain_instance(t, f), score)
        yield name, overhead(lambda f, t=text: pellucid.explain_text(f, t, method="lime"), score), theirs
    ours = overhead(lambda f, t=text: pellucid.explain_text(f, t, method="lime", tol=1e-12), score)
    yield f"{name}, all samples", ours, theirs


def images():
    """An image of 224 × 224 in 49 areas, whose score is the mean of its left half."""
    image = np.random.default_rng(0).random((224, 224, 3))
    segments = pellucid.superpixels(image)

    def score(images):
        p = np.asarray(images)[:, ::16, :112:16].mean(axis=(1, 2, 3))
        return np.column_stack([1 - p, p])

    def theirs(function):
        peer = lime.lime_image.LimeImageExplainer(random_state=0)
        with contextlib.redirect_stderr(io.StringIO()):
            peer.explain_instance(image, function, segmentation_fn=lambda _: segments, top_labels=2)

    def ours(function, tol=None):
        pellucid.explain_image(function, image, segments=segments, method="lime", tol=tol)

    peer = overhead(theirs, score)
    yield "image of 224 × 224, 49 areas, defaults", overhead(ours, score), peer
    yield "image of 224 × 224, 49 areas, all samples", overhead(lambda f: ours(f, 1e-12), score), peer


def lines():
    """The page, line by line."""
    yield "# LIME beside lime\n"
    yield (
        "Written by `python -m benchmarks.lime`; do not edit by hand. CPU seconds of one process, best of "
        f"{REPEATS}, the peer's rows one by one ({PEER_ROWS} timed). Python {platform.python_version()}, lime "
        f"{version('lime')}, numpy {version('numpy')}, {platform.machine()}.\n"
    )
    yield (
        "## Tables\n\nDefaults of both: 8,192 samples (4,096 of the wide table) shared by all rows here, 5,000 for "
        "each row there.\n"
    )
    yield "| work | pellucid, s | lime, s | ratio |\n|---|---|---|---|"
    for name, ours, theirs in tables():
        peer = "" if np.isnan(theirs) else f"{theirs:.3f} | {theirs / ours:.1f}x"
        yield f"| {name} | {ours:.3f} | {peer or ' | '} |"
    yield (
        f"\nOne row over {SEEDS} seeds: standard deviation of the coefficients relative to their size, the ratio of "
        "the variances, and the mean Jaccard index of the five largest.\n"
    )
    yield "| table | pellucid | lime | variance, ratio | top 5, pellucid | top 5, lime |\n|---|---|---|---|---|---|"
    for name, a, b, top, peer_top in stability():
        yield f"| {name} | {a:.4f} | {b:.4f} | {(b / a) ** 2:.0f}x | {top:.2f} | {peer_top:.2f} |"
    yield (
        "\n## Texts and images\n\nTime beyond the model, and inputs the model was asked for. By default pellucid "
        "stops when the five largest are stable; with all samples it takes as many as lime, whose coefficients then "
        "have the larger variance.\n"
    )
    yield "| work | pellucid, s | inputs | lime, s | inputs | ratio |\n|---|---|---|---|---|---|"
    for work in (texts, images):
        for name, (ours, few), (theirs, many) in work():
            yield f"| {name} | {ours:.3f} | {few:,} | {theirs:.3f} | {many:,} | {theirs / ours:.1f}x |"


def main():
    warnings.simplefilter("ignore")  # the peer's
    page = []
    for line in lines():
        page.append(line)
        print(line)
        sys.stdout.flush()
    PAGE.write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
