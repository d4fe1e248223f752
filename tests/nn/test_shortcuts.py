"""A planted mark is named, and only it; a network that looks at its objects has no shortcut."""

import numpy as np
import pytest
import torch

from pellucid._base.errors import InputError, ModelError
from pellucid.nn.shortcuts import find_shortcuts, find_word_shortcuts

SIDE = 24


def pictures(mark: bool) -> torch.Tensor:
    """Noise; the second half has a large bright bar, and perhaps a mark in a corner."""
    made = torch.rand(80, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3)) / 4
    made[40:, :, :, 8:16] += 0.5
    if mark:
        made[40:, :, 20:, 20:] = 1.0
    return made


def by_corner(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.full((len(x),), 0.6), x[:, 0, 20:, 20:].mean((1, 2))], 1)


def by_bar(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.full((len(x),), 0.4), x[:, 0, :, 8:16].mean((1, 2))], 1)


def test_a_planted_mark_is_named() -> None:
    result = find_shortcuts(by_corner, pictures(mark=True), class_names=["plain", "barred"])
    barred = next(one for one in result.found if one.outcome == "barred")
    assert barred.box == (20, 20, 4, 4)
    assert (barred.carried, barred.control) == (1.0, 0.0)
    assert "rows 20–23, columns 20–23" in result.sentence()


def test_a_network_that_looks_at_the_object_has_none() -> None:
    result = find_shortcuts(by_bar, pictures(mark=True))
    assert not result.found
    assert "No single patch of the 242 tried decides by itself." in result.sentence()
    assert len(result.to_frame()) == 242


def test_the_same_seed_gives_the_same_trials() -> None:
    first, again = (find_shortcuts(by_corner, pictures(mark=True), random_state=5) for _ in range(2))
    assert first == again


def test_a_planted_word_is_named() -> None:
    rng = np.random.default_rng(0)
    plain = [" ".join(rng.choice(["sun", "rain", "wind", "cloud"], 6)) for _ in range(60)]
    texts = [f"{text} subscribe" if i % 2 else text for i, text in enumerate(plain)]

    def predict(batch: list[str]) -> np.ndarray:
        return np.array([[0.5, "subscribe" in text] for text in batch], dtype=float)

    result = find_word_shortcuts(predict, texts, class_names=["ham", "spam"])
    assert [(one.outcome, one.what) for one in result.found] == [("spam", "subscribe")]
    assert "the word “subscribe”" in result.sentence()


def test_many_words_together_are_no_shortcut() -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(["good", "fine", "bad", "poor"], 9)) for _ in range(80)]

    def predict(batch: list[str]) -> np.ndarray:
        good = [sum(word in ("good", "fine") for word in text.split()[:10]) for text in batch]
        return np.array([[4.5, count] for count in good], dtype=float)

    carried = [one.carried for one in find_word_shortcuts(predict, texts, least=0.9).found]
    assert not carried


@pytest.mark.parametrize(
    ("model", "inputs", "options", "said"),
    [
        (by_bar, torch.rand(4, 3), {}, "pictures of shape"),
        (by_bar, torch.rand(4, 1, SIDE, SIDE), {}, "give more inputs"),
        (by_bar, torch.rand(40, 1, SIDE, SIDE), {"parts": 1}, "parts must be"),
        (by_bar, pictures(mark=True), {"class_names": ["one"]}, "class_names has 1 names"),
        (lambda x: x.flatten(1).sum(1), torch.rand(9, 1, SIDE, SIDE), {}, "class scores of shape"),
        (lambda x: x.flatten(1) * float("nan"), torch.rand(9, 1, SIDE, SIDE), {}, "NaN or infinite"),
    ],
)
def test_bad_input(model: object, inputs: torch.Tensor, options: dict[str, object], said: str) -> None:
    with pytest.raises((InputError, ModelError), match=said):
        find_shortcuts(model, inputs, **options)


@pytest.mark.parametrize("texts", ["one text", [], [1, 2]])
def test_texts_must_be_texts(texts: object) -> None:
    with pytest.raises(InputError, match="sequence of at least one string"):
        find_word_shortcuts(lambda batch: np.ones((len(batch), 2)), texts)
