"""Texts and images as games: what is shown, the ends of the game, and every method over it."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import InputError, MaskedLime, ModelError, Shapley, UnsupportedModelError
from pellucid.games.image import ImageParts, superpixels
from pellucid.games.parts import batch_of, numbered
from pellucid.games.text import TextParts

TEXT = "  Not a good film, not at all: good?\n"


def every(n):
    return np.array(list(itertools.product([False, True], repeat=n)))


def by_definition(value, n):
    """Shapley values from the values of all sets of players, one marginal contribution at a time."""
    found = np.zeros(n)
    for player in range(n):
        others = [other for other in range(n) if other != player]
        for size in range(n):
            for shown in itertools.combinations(others, size):
                found[player] += (value({*shown, player}) - value({*shown})) / (n * comb(n - 1, size))
    return found


def stars(texts):
    """Words, their number and their order matter."""
    return np.array([[len(t), t.count("good") * (1 - 2 * ("not" in t)), t.find("all")] for t in texts], dtype=float)


# --- text


@given(st.text(alphabet="aé '’_.\n漢😀-", max_size=30), st.one_of(st.none(), st.just("[M]")))
def test_all_tokens_shown_are_the_text_and_none_are_what_is_between(text, mask):
    try:
        parts = TextParts.of(text, mask=mask)
    except InputError:
        assert not any(sign.isalnum() or sign == "_" for sign in text)
        return
    n = len(parts.names)
    whole, nothing = parts.show(np.array([[True] * n, [False] * n]))
    assert whole == text
    rest, at = [], 0
    for start, end in parts.spans:
        rest += [text[at:start], mask or ""]
        at = end
    assert nothing == "".join(rest) + text[at:]
    assert len(set(parts.names)) == n


def test_tokens_are_hidden_where_they_stand():
    parts = TextParts.of(TEXT)
    assert parts.tokens == ["Not", "a", "good", "film", "not", "at", "all", "good"]
    assert parts.names[-1] == "good (2)"
    shown = np.ones((1, 8), dtype=bool)
    shown[0, [0, 7]] = False
    assert parts.show(shown) == ["   a good film, not at all: ?\n"]
    assert TextParts.of(TEXT, mask="_").show(shown) == ["  _ a good film, not at all: _?\n"]


def test_a_tokenizer_gives_pieces_or_spans_and_empty_ones_are_left_out():
    pieces = TextParts.of("unbelievable!", tokenizer=lambda text: ["un", "believ", "", "able"])
    spans = TextParts.of("unbelievable!", tokenizer=lambda text: [(0, 0), (0, 2), [2, 8], (8, 12)])
    assert pieces.spans == spans.spans == ((0, 2), (2, 8), (8, 12))


def test_names_that_look_like_numbered_ones_stay_different():
    assert numbered(["a", "a (2)", "a", "a"]) == ("a", "a (2)", "a (3)", "a (4)")


@pytest.mark.parametrize("mask", [None, "[MASK]"])
def test_text_values_are_shapley_values_by_definition(mask):
    parts = TextParts.of(TEXT, mask=mask)

    def value(shown):
        return stars(parts.show(np.array([[i in shown for i in range(8)]])))[0]

    found = pellucid.explain_text(stars, TEXT, mask=mask, outputs=["length", "praise", "all"])
    assert found.provenance.method == "exact"
    for k in range(3):
        np.testing.assert_allclose(found.values[0, :, k], by_definition(lambda s, k=k: value(s)[k], 8), atol=1e-12)
    np.testing.assert_array_equal(found.base_values[0], value(set()))
    np.testing.assert_allclose(found.prediction[0], stars([TEXT])[0])
    assert found.outputs == ("length", "praise", "all")
    assert found.quality.evaluations.model_rows <= 2**8 + 2
    assert found.data.column("good (2)").tolist() == ["good"]


@pytest.mark.parametrize("method", ["shapley", "permutation", "lime", Shapley("odd_gp")])
def test_every_method_plays_the_game_of_a_text(method):
    text = " ".join(f"word{i}" for i in range(14))

    def additive(texts):
        return np.array([sum((i + 1.0) * (f"word{i} " in f"{t} ") for i in range(14)) for t in texts])

    found = pellucid.explain_text(additive, text, method=method, budget=400)
    np.testing.assert_allclose(found.values[0, :, 0], np.arange(14) + 1.0, rtol=0.02)
    assert found.std_error is not None
    assert found.provenance.background == "hidden tokens are left out"


def test_a_fitted_pipeline_is_asked_for_probabilities_of_its_classes():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = ["good film", "bad film", "very good", "very bad", "a film"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["yes", "no", "yes", "no", "no"])
    found = pellucid.explain_text(model, "not a bad film", output="yes")
    assert found.outputs == ("yes",)
    assert str(found.space) == "probability"
    np.testing.assert_allclose(found.prediction[0, 0], model.predict_proba(["not a bad film"])[0, 1])
    odds = pellucid.explain_text(model, "not a bad film", space="log_odds")
    np.testing.assert_allclose(odds.values[0, :, 0], -odds.values[0, :, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("...", {}, "has no tokens"),
        (["a", "b"], {}, "one str"),
        ("a b", {"tokenizer": "words"}, "function of a text"),
        ("a b", {"tokenizer": lambda t: ["b", "a"]}, "token 1, 'a'"),
        ("a b", {"tokenizer": lambda t: [(0, 9)]}, "does not stand"),
        ("a b", {"tokenizer": lambda t: [(1, 0)]}, "does not stand"),
        ("a b", {"tokenizer": lambda t: [3.5]}, "a text or a pair"),
        ("a b", {"mask": 3}, "mask must be"),
        ("a b", {"outputs": ["x", "x", "y"]}, "3 different names"),
    ],
)
def test_impossible_texts_are_refused(text, options, said):
    with pytest.raises(InputError, match=said):
        pellucid.explain_text(stars, text, **options)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda texts: 1.0, r"shape \(2,\)"),
        (lambda texts: [1.0], r"got \(1, 1\)"),
        (lambda texts: [t.upper() for t in texts], "must return numbers"),
        (lambda texts: [np.nan for _ in texts], "NaN"),
        (lambda texts: texts.shape, "AttributeError"),
        (lambda texts: np.zeros((len(texts), 0)), "got"),
    ],
)
def test_models_that_do_not_answer_are_named(model, said):
    with pytest.raises(ModelError, match=said):
        pellucid.explain_text(model, "a b")
    with pytest.raises(UnsupportedModelError, match="fitted estimator or a function"):
        pellucid.explain_text(3, "a b")


# --- images


def brightness(images):
    flat = images.reshape(len(images), -1).astype(float)
    return np.column_stack([flat.mean(axis=1), flat.max(axis=1) * flat[:, 0]])


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_an_image_is_whole_or_hidden_at_the_ends(data):
    shape = (data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6)))
    channels = data.draw(st.sampled_from([(), (1,), (3,)]))
    dtype = data.draw(st.sampled_from([np.uint8, np.float32, np.float64]))
    image = np.random.default_rng(0).integers(0, 256, size=(*shape, *channels)).astype(dtype)
    fill = data.draw(st.sampled_from(["mean", "blur", "inpaint", 7]))
    segments = superpixels(image, n_segments=data.draw(st.integers(1, shape[0] * shape[1])))
    parts = ImageParts.of(image, segments=segments, fill=fill)
    n = len(parts.names)
    whole, nothing = parts.show(np.array([[True] * n, [False] * n]))
    np.testing.assert_array_equal(whole, image)
    assert whole.dtype == nothing.dtype == image.dtype
    if fill == 7:
        assert (nothing == 7).all()
    if fill == "inpaint":
        assert (nothing == 0).all()
    if fill == "mean":
        for area in range(n):
            expected = image[segments == area].astype(float).mean(axis=0)
            np.testing.assert_allclose(nothing[segments == area].astype(float) - expected, 0, atol=0.51)
    one = np.arange(n) == 0
    mixed = parts.show(one[None])[0]
    np.testing.assert_array_equal(mixed[segments == 0], image[segments == 0])


def test_painting_over_keeps_a_constant_and_stays_between_what_is_around():
    rng = np.random.default_rng(1)
    segments = superpixels(np.zeros((12, 10)), n_segments=20)
    shown = rng.random((6, segments.max() + 1)) < 0.5
    shown[:, 0] = True
    constant = ImageParts.of(np.full((12, 10, 2), 3.25), segments=segments, fill="inpaint").show(shown)
    np.testing.assert_allclose(constant, 3.25)
    image = rng.random((12, 10))
    painted = ImageParts.of(image, segments=segments, fill="inpaint").show(shown)
    for one, flags in zip(painted, shown, strict=True):
        known = image[flags[segments]]
        assert known.min() - 1e-12 <= one.min()
        assert one.max() <= known.max() + 1e-12
    ramp = np.tile(np.arange(16.0), (16, 1))
    hole = superpixels(ramp, n_segments=16)
    without = np.ones((1, 16), dtype=bool)
    without[0, 5] = False
    inside = ImageParts.of(ramp, segments=hole, fill="inpaint").show(without)[0][hole == 5]
    assert np.abs(inside - ramp[hole == 5]).max() < 1.0


@pytest.mark.parametrize("fill", ["mean", "inpaint"])
def test_image_values_are_shapley_values_by_definition(fill):
    image = np.random.default_rng(2).random((6, 6, 3)).astype(np.float32)
    segments = superpixels(image, n_segments=9)
    parts = ImageParts.of(image, segments=segments, fill=fill)

    def value(shown):
        return brightness(parts.show(np.array([[i in shown for i in range(9)]])))[0]

    found = pellucid.explain_image(brightness, image, segments=segments, fill=fill)
    for k in range(2):
        np.testing.assert_allclose(found.values[0, :, k], by_definition(lambda s, k=k: value(s)[k], 9), atol=1e-5)
    np.testing.assert_allclose(found.base_values[0], value(set()))
    assert found.features[3] == "area 3"


def test_the_grid_has_about_the_asked_number_of_areas_in_every_shape():
    for shape, wanted in itertools.product([(1, 1), (7, 5), (30, 40), (2, 100)], [1, 2, 9, 49]):
        n = min(wanted, shape[0] * shape[1])
        found = superpixels(np.zeros(shape), n_segments=n)
        assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
        assert n / 2 <= found.max() + 1 <= 2 * n


@pytest.mark.parametrize("method", ["slic", "quickshift"])
def test_areas_of_like_colour_follow_the_colours(method):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    image = np.zeros((40, 40, 3))
    image[:, 20:] = 1.0
    found = superpixels(image, n_segments=8, method=method)
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    assert not set(found[:, :18].ravel()) & set(found[:, 22:].ravel())
    assert np.array_equal(found, superpixels(image, n_segments=8, method=method))


@pytest.mark.parametrize(
    ("image", "options", "said"),
    [
        (np.zeros(4), {}, "must be numbers of shape"),
        (np.full((2, 2), np.nan), {}, "finite pixels"),
        (np.array([["a"]]), {}, "must be numbers"),
        (np.zeros((2, 2)), {"segments": np.zeros((3, 2), dtype=int)}, r"of shape \(2, 2\)"),
        (np.zeros((2, 2)), {"segments": np.array([[0, 2], [0, 2]])}, "without gaps"),
        (np.zeros((2, 2)), {"segments": np.array([[-1, 0], [0, 0]])}, "without gaps"),
        (np.zeros((2, 2)), {"fill": "noise"}, "'inpaint'"),
        (np.zeros((2, 2)), {"fill": np.zeros(3)}, "a number or an image"),
        (np.zeros((2, 2)), {"fill": np.inf}, "a number or an image"),
    ],
)
def test_impossible_images_are_refused(image, options, said):
    with pytest.raises(InputError, match=said):
        pellucid.explain_image(brightness, image, **options)


@pytest.mark.parametrize("options", [{"n_segments": 0}, {"n_segments": 5}, {"n_segments": 1.5}, {"method": "felz"}])
def test_impossible_areas_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        superpixels(np.zeros((2, 2)), **options)


def test_the_caller_s_image_is_not_changed_even_by_a_model_that_writes():
    image = np.random.default_rng(3).random((6, 6))
    before = image.copy()

    def spoiling(images):
        result = images.mean(axis=(1, 2))
        images[:] = -1
        return result

    found = pellucid.explain_image(spoiling, image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_allclose(found.prediction[0, 0], before.mean())


def test_a_call_gets_no_more_inputs_than_the_memory_allows():
    image = np.zeros((512, 512, 4))
    parts = ImageParts.of(image)
    assert batch_of(parts) * image.nbytes <= 2**26
    sizes = []

    def counting(images):
        sizes.append(len(images))
        return images.mean(axis=(1, 2, 3))

    pellucid.explain_image(counting, np.zeros((256, 256, 4)), method=MaskedLime(sizes="binomial", n_samples=60))
    assert max(sizes) <= 32
