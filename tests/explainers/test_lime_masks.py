"""LIME over words and areas against lime's own packages, an exact sum over all masks, and its own promises."""

import itertools
import warnings
from math import comb

import lime.lime_image
import lime.lime_text
import numpy as np
import pytest

import pellucid
from pellucid import InputError, MaskedLime, UnsupportedRequestError
from pellucid.explainers.lime_masks import FIRST, _Design, _van_der_corput
from pellucid.explainers.surrogate import covariances
from pellucid.games.image import superpixels

WORDS = [f"w{i}" for i in range(24)]
TEXT = " ".join(WORDS)
WEIGHTS = np.random.default_rng(0).normal(size=24)


def bent(shown):
    """Not linear in what is shown: a squashed sum with two interactions."""
    shown = np.asarray(shown, dtype=float)
    score = shown @ WEIGHTS[: shown.shape[1]] + 2.0 * shown[:, 0] * shown[:, 1] - 3.0 * shown[:, 2] * shown[:, 3]
    return 1 / (1 + np.exp(-score))


def of_texts(texts):
    words = [set(text.split()) for text in texts]
    return bent([[word in here for word in WORDS] for here in words])


def lime_by_enumeration(options, value, n):
    """Weighted ridge over all masks, each with lime's own chance and weight, by scikit-learn."""
    from sklearn.linear_model import Ridge

    masks = np.array(list(itertools.product([False, True], repeat=n)))
    size = masks.sum(axis=1)
    chance = np.array([1 / (n * comb(n, k)) if k < n else 0.0 for k in size])
    if options.sizes == "binomial":
        chance = np.full(len(masks), 0.5**n)
    chance = (1 - 1 / options.n_samples) * chance + (size == n) / options.n_samples
    distance = 1 - np.sqrt(size / n)
    kernel = np.sqrt(np.exp(-(distance**2) / options.kernel_width**2))
    fit = Ridge(alpha=1.0).fit(masks, value(masks), sample_weight=options.n_samples * chance * kernel)
    return fit.coef_, fit.intercept_


def explained(value, n, **options):
    return pellucid.explain(lambda X: value(X > 0.5), np.ones((1, n)), background=np.zeros((1, n)), **options)


@pytest.mark.parametrize("sizes", ["uniform", "binomial"])
def test_few_parts_are_enumerated_and_equal_the_sum_over_all_masks(sizes):
    options = MaskedLime(sizes=sizes, n_samples=600, kernel_width=0.4)
    found = explained(bent, 7, method=options)
    slopes, intercept = lime_by_enumeration(options, bent, 7)
    np.testing.assert_allclose(found.values[0, :, 0], slopes, atol=1e-12)
    np.testing.assert_allclose(found.base_values[0, 0], intercept, atol=1e-12)
    np.testing.assert_array_equal(found.std_error, 0.0)
    np.testing.assert_array_equal(found.quality.top_stability, 1.0)
    assert found.quality.evaluations.model_rows <= 2**7 + 2


@pytest.mark.parametrize("sizes", ["uniform", "binomial"])
def test_samples_estimate_the_sum_over_all_masks_within_their_errors(sizes):
    options = MaskedLime(sizes=sizes, n_samples=2000)
    slopes, _ = lime_by_enumeration(options, bent, 14)
    runs = [explained(bent, 14, method=options, random_state=seed, tol=1e-9) for seed in range(20)]
    values = np.array([run.values[0, :, 0] for run in runs])
    said = np.mean([run.std_error[0, :, 0] for run in runs], axis=0)
    spread = values.std(axis=0, ddof=1)
    assert np.all(np.abs(values.mean(axis=0) - slopes) <= 5 * spread / np.sqrt(20) + 1e-5)
    assert np.all(spread <= 1.6 * said)
    assert np.all(said <= 3 * spread)


def test_the_estimand_for_texts_is_that_of_lime_text():
    ours = pellucid.explain_text(of_texts, TEXT, method="lime", tol=1e-9)
    runs = []
    for seed in range(12):
        peer = lime.lime_text.LimeTextExplainer(random_state=seed, feature_selection="none")
        found = peer.explain_instance(
            TEXT, lambda texts: np.column_stack([1 - of_texts(texts), of_texts(texts)]), num_features=24
        )
        words = found.domain_mapper.indexed_string
        runs.append([{words.word(i): v for i, v in found.local_exp[1]}[word] for word in WORDS])
    spread = np.std(runs, axis=0, ddof=1)
    error = np.hypot(spread / np.sqrt(12), ours.std_error[0, :, 0])
    assert np.all(np.abs(ours.values[0, :, 0] - np.mean(runs, axis=0)) <= 4.5 * error)
    assert np.mean(ours.std_error[0, :, 0]) < np.mean(spread)


def test_the_estimand_for_images_is_that_of_lime_image():
    rng = np.random.default_rng(5)
    image, segments = rng.random((12, 12, 3)), superpixels(np.zeros((12, 12)), n_segments=16)
    means = np.array([image[segments == area].mean() for area in range(16)])
    seen = np.array([np.argmax(segments.ravel() == area) for area in range(16)])

    def predict(images):
        corner = images.reshape(len(images), -1, 3)[:, seen].mean(axis=2)
        return bent(np.abs(corner - means) > 1e-12)

    ours = pellucid.explain_image(predict, image, segments=segments, method="lime", tol=1e-9)
    runs = []
    for seed in range(12):
        peer = lime.lime_image.LimeImageExplainer(random_state=seed, feature_selection="none")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = peer.explain_instance(
                image, lambda images: np.column_stack([1 - predict(images), predict(images)]), labels=(1,),
                top_labels=None, segmentation_fn=lambda _: segments,
            )  # fmt: skip
        runs.append([dict(found.local_exp[1])[area] for area in range(16)])
    error = np.hypot(np.std(runs, axis=0, ddof=1) / np.sqrt(12), ours.std_error[0, :, 0])
    assert np.all(np.abs(ours.values[0, :, 0] - np.mean(runs, axis=0)) <= 4.5 * error)


def test_sizes_come_in_their_shares_and_parts_equally_often():
    design = _Design(MaskedLime(), 20, 4000, random_state=3)
    looks = list(design.looks())
    for look in looks:
        share = np.bincount(look.shown.sum(axis=0), minlength=21) / look.shown.shape[1]
        mass = MaskedLime().masses(20)
        np.testing.assert_allclose(share, mass / mass.sum(), atol=12 / look.shown.shape[1])
        assert np.ptp(look.shown.mean(axis=1)) < 1.2 / np.sqrt(look.shown.shape[1])
        np.testing.assert_allclose(look.cross, covariances(look.shown, look.weight), atol=1e-9)
        assert look.weight.sum() == pytest.approx(5000 * mass.sum())
    assert [look.shown.shape[1] for look in looks] == [104, 208, 416, 832, 1664, 3328, 4000]
    for before, after in itertools.pairwise(looks):
        np.testing.assert_array_equal(after.shown[:, : before.shown.shape[1]], before.shown)


def test_mirrored_digits():
    np.testing.assert_array_equal(_van_der_corput(np.arange(5)), [0, 0.5, 0.25, 0.75, 0.125])


def test_many_parts_have_shares_that_add_up():
    for n in (999, 1000, 5000):
        wide = MaskedLime(sizes="binomial", kernel_width=1e6, n_samples=10**6).masses(n)
        assert wide.sum() == pytest.approx(1.0, abs=1e-9)
        assert wide @ np.arange(n + 1) == pytest.approx(n / 2, rel=1e-3)


def test_sampling_stops_when_the_largest_are_stable_or_errors_are_small_enough():
    def clear(shown):
        return shown @ np.array([9.0, 8.0, 7.0, 6.0, 5.0] + [0.1] * 15)

    sure = explained(clear, 20, method=MaskedLime())
    assert sure.quality.top_stability.min() >= 0.95
    assert sure.quality.evaluations.coalitions == FIRST + 40
    twins = explained(lambda shown: np.tanh(shown.sum(axis=1) - 17.0), 20, method=MaskedLime())
    assert twins.quality.evaluations.coalitions == 5000
    assert twins.quality.top_stability.max() < 0.95
    loose, tight = (explained(bent, 20, method=MaskedLime(), tol=tol) for tol in (0.2, 0.02))
    assert loose.quality.evaluations.coalitions < tight.quality.evaluations.coalitions
    assert 1.96 * tight.std_error.max() <= 0.02
    assert tight.quality.warnings == ()
    never = explained(bent, 20, method=MaskedLime(), tol=1e-9)
    assert "tol=1e-09 was not reached with 5000 samples" in never.quality.warnings[-1]


def test_repeated_samples_are_asked_once():
    asked = []

    def counting(X):
        asked.extend(map(bytes, np.packbits(X > 0.5, axis=1)))
        return np.tanh(X.sum(axis=1))

    found = pellucid.explain(counting, np.ones((1, 10)), background=np.zeros((1, 10)), method=MaskedLime(), tol=1e-12)
    inner = [mask for mask in asked if mask not in (b"\x00\x00", b"\xff\xc0")]
    assert len(inner) == len(set(inner))
    assert found.quality.evaluations.model_rows < 2**10 + 4


def test_a_poor_surrogate_is_said_to_be_one():
    found = explained(lambda shown: shown.sum(axis=1) % 2.0, 16, method=MaskedLime())
    assert found.quality.local_r2.max() < 0.5
    assert "less than 50% of the local variance of 1 of 1 rows" in found.quality.warnings[0]


def test_rows_of_tables_play_too_and_parts_that_do_not_matter_get_zero():
    rng = np.random.default_rng(1)
    background = np.column_stack([rng.normal(size=(30, 4)), np.full(30, 2.0)])
    X = np.vstack([background[0], background[1]])
    X[1, 4] = 3.0
    found = pellucid.explain(lambda Z: Z @ np.arange(1.0, 6.0), X, background=background, method=MaskedLime())
    expected = (X - background.mean(axis=0)) * np.arange(1.0, 6.0)
    np.testing.assert_allclose(found.values[:, :, 0], expected, rtol=0.01, atol=0.02)
    assert found.values[0, 4, 0] == 0.0
    same = pellucid.explain(lambda Z: Z.sum(axis=1), X[:1], background=X[:1], method=MaskedLime())
    np.testing.assert_array_equal(same.values, 0.0)
    np.testing.assert_array_equal(same.base_values, X[:1].sum(axis=1, keepdims=True))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_alone_in_a_batch_and_in_threads_the_bits_are_the_same(n_jobs):
    X = np.random.default_rng(6).normal(size=(6, 12))

    def model(Z):
        total = np.zeros(len(Z))
        for j in range(12):
            total = total + np.sin(Z[:, j]) * Z[:, (j + 1) % 12]
        return total

    whole = pellucid.explain(model, X, background=X, method=MaskedLime())
    explainer = pellucid.Explainer(model, X, method=MaskedLime(), n_jobs=n_jobs)
    np.testing.assert_array_equal(explainer(X[::-1]).values[::-1], whole.values)
    np.testing.assert_array_equal(explainer(X[[4]]).std_error[0], whole.std_error[4])


@pytest.mark.parametrize(
    "options", [{"sizes": "normal"}, {"kernel_width": 0.0}, {"n_samples": 1}, {"n_samples": 2.5}, {"top_k": True}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        MaskedLime(**options)


def test_a_budget_too_small_names_the_smallest_that_works():
    with pytest.raises(
        UnsupportedRequestError, match=r"needs at least 22 samples for 20 parts; got 21\. Pass budget=22"
    ):
        explained(bent, 20, method=MaskedLime(), budget=21)
    with pytest.raises(UnsupportedRequestError, match=r"MaskedLime\(n_samples=22\)"):
        explained(bent, 20, method=MaskedLime(n_samples=20))
    assert explained(bent, 20, method=MaskedLime(), budget=22).quality.evaluations.coalitions == 22
