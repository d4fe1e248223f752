"""Text and image pictures: what they say, that hostile text stays text, and that they keep to their size."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pellucid import plot
from pellucid._base.errors import FileError, InputError
from pellucid.explanation import Explanation, Provenance, Quality
from pellucid.ir import Space
from pellucid.plot.image import heat_file
from pellucid.plot.inline import DOWN, LEVELS, STYLE, UP
from pellucid.plot.png import png

MADE = Provenance(method="shapley", reason="asked for", model="a rule")
HOSTILE = "</span></style><script>alert(1)</script>\" onload=x '\u202e"
MOST = 1_000_000


def explained(values: np.ndarray, outputs: tuple[str, ...] = ("no", "yes"), **more: object) -> Explanation:
    rows, features, _ = values.shape
    return Explanation(
        values=values, base_values=np.full((rows, len(outputs)), 0.25), features=tuple(map(str, range(features))),
        outputs=outputs, space=Space.PROBABILITY, quality=Quality(residual=3e-16, bound=1e-12, warnings=("Look out.",)),
        provenance=MADE, **more,
    )  # fmt: skip


class Seen(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def classes(picture: str) -> dict[str, str]:
    """Class of each token by its tooltip."""
    return {a["title"] or "": a["class"] or "" for _, a in Seen(picture).tags if "title" in a}


def pictures(picture: str) -> list[np.ndarray]:
    files = re.findall(r'src="data:image/png;base64,([^"]+)"', picture)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(file))).convert("RGBA")) for file in files]


def test_tokens_have_their_sign_twice_and_their_number_in_the_tooltip() -> None:
    picture = plot.text({"token": ["good", "bad", "so", "?"], "value": [0.5, -0.25, 0.0, None], "std_error": [0.1] * 4})
    found = classes(picture)
    assert found == {
        "good: +0.5 ± 0.1": f"plv-t plv-u{LEVELS}", "bad: −0.25 ± 0.1": f"plv-t plv-d{LEVELS // 2}",
        "so: 0 ± 0.1": "plv-t plv-z", "?: no value": "plv-t plv-z",
    }  # fmt: skip
    assert ".plv-t[class*=plv-u]{border-top" in STYLE
    assert ".plv-t[class*=plv-d]{border-bottom:3px dotted" in STYLE
    assert "▲ +0.5 ± 0.1" in Seen(picture).words
    assert "tokens together +0.25." in Seen(picture).words


def test_values_that_are_nothing_beside_the_largest_have_no_mark() -> None:
    picture = plot.text({"token": ["large", "small"], "value": [1.0, -0.03]})
    assert [*classes(picture).values()] == ["plv-t plv-u16", "plv-t plv-z"]
    assert "small: −0.03" in picture
    seen = np.asarray(Image.open(io.BytesIO(heat_file(np.array([[1.0, -0.03]]), 1.0))).convert("RGBA"))
    assert seen[0, 1, 3] == 0


def test_tokens_of_an_explanation_stand_in_their_text_with_base_sum_and_residual() -> None:
    values = np.array([[[-0.5, 0.5], [0.25, -0.25]]])
    text = "  Not, bad!\nReally."
    picture = plot.text(explained(values), tokens=["Not", "bad"], text=text)
    words = Seen(picture.replace(STYLE, "")).words
    assert text in words
    assert "base 0.25, tokens together +0.25, sum 0.5." in words
    assert "residual 3e-16 against the model" in words
    assert "⚠ Look out." in words
    table = plot.text_data(explained(values), tokens=["Not", "bad"], text=text)
    assert table["output"] == ["yes"] * 3
    assert table["before"] == ["  ", ", ", "!\nReally."]
    assert table["value"] == [0.5, -0.25, None]


def test_several_outputs_share_one_scale_and_are_chosen_without_a_script() -> None:
    values = np.array([[[1.0, 2.0, -4.0]]])
    picture = plot.text(explained(values, ("a", "b", "c")))
    assert sorted(classes(picture).values()) == ["plv-t plv-d16", "plv-t plv-u4", "plv-t plv-u8"]
    tags = Seen(picture).tags
    assert [a["type"] for tag, a in tags if tag == "input"] == ["radio"] * 3
    assert not [tag for tag, _ in tags if tag == "script"]
    assert len(set(re.findall(r"nth-of-type\((\d+)\)>:checked\) \.plv-panels", picture))) == 12
    wider = plot.text(explained(values, ("a", "b", "c")), output="a", limit=4)
    assert [*classes(wider).values()] == ["plv-t plv-u4"]


def test_hostile_tokens_names_and_titles_stay_text() -> None:
    table = {"token": [HOSTILE, "x"], "value": [1.0, -1.0], "output": [HOSTILE, "y"]}
    plain = {"token": ["t", "x"], "value": [1.0, -1.0], "output": ["z", "y"]}
    hostile, calm = (
        Seen(plot.text(each, title=words, description=words)) for each, words in ((table, HOSTILE), (plain, "t"))
    )
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in calm.tags]
    assert [sorted(a) for _, a in hostile.tags] == [sorted(a) for _, a in calm.tags]
    assert "\u202e" not in hostile.words
    names = explained(np.ones((1, 1, 2)), (HOSTILE, "b"))
    marks = Seen(plot.image(names, images=np.eye(2), segments=np.zeros((2, 2), dtype=int), output=[0, 1]))
    ours = {"div", "style", "form", "span", "bdi", "label", "input", "figure", "img", "figcaption", "strong"}
    assert {tag for tag, _ in marks.tags} <= ours


def test_pictures_stay_below_a_megabyte() -> None:
    rng = np.random.default_rng(0)
    long = plot.text(
        {"token": [f"token{i}" for i in range(20_000)], "value": rng.normal(size=20_000), "output": ["a", "b"] * 10_000}
    )
    assert len(long.encode()) < MOST
    assert "7,500 more tokens, not drawn" in Seen(long).words
    noise = rng.uniform(size=(900, 700, 3))
    many = plot.image({"image": [noise] * 6, "heat": [rng.normal(size=(900, 700))] * 6})
    assert len(many.encode()) < MOST


def test_png_files_are_read_back_by_pillow_bit_by_bit() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, size=(7, 5, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)
    palette = rng.integers(0, 256, size=(9, 4), dtype=np.uint8)
    codes = rng.integers(0, 9, size=(4, 6), dtype=np.uint8)
    read = np.asarray(Image.open(io.BytesIO(png(codes, palette))).convert("RGBA"))
    assert np.array_equal(read, palette[codes])


def test_heat_is_opaque_by_size_and_striped_where_negative() -> None:
    heat = np.zeros((16, 24))
    heat[:, :8], heat[:, 8:16] = 1.0, -0.5
    seen = np.asarray(Image.open(io.BytesIO(heat_file(heat, 1.0))).convert("RGBA"))
    assert np.array_equal(np.unique(seen[:, :8].reshape(-1, 4), axis=0), [[*UP, 255]])
    assert np.array_equal(np.unique(seen[:, 8:16].reshape(-1, 4), axis=0), [[*DOWN, 64], [*DOWN, 128]])
    assert not seen[:, 16:, 3].any()


def test_image_shows_each_picture_under_the_values_of_its_segments() -> None:
    values = np.array([[[1.0], [-2.0]], [[0.5], [0.0]]])
    photos = [np.zeros((2, 4), dtype=np.uint8), np.full((2, 4, 3), 255, dtype=np.uint8)]
    segments = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    one = explained(values, ("yes",))
    table = plot.image_data(one, images=photos, segments=segments)
    assert np.array_equal(table["heat"][0], [[1, 1, -2, -2]] * 2)
    assert table["total"] == [-1.0, 0.5]
    picture = plot.image(one, images=photos, segments=segments)
    black, first, white, second = pictures(picture)
    assert (black[..., :3].max(), white[..., :3].min()) == (0, 255)
    assert first[..., 3].max() == 255
    assert second[..., 3].max() == round(255 / 4 / (255 / LEVELS)) * round(255 / LEVELS)
    assert "base 0.25, areas together −1, sum −0.75." in Seen(picture).words


def test_colours_of_an_image_are_kept_or_stretched() -> None:
    table = plot.image_data({"image": [np.array([[0.0, 0.5]]), np.array([[-1, 16]])], "heat": [np.zeros((1, 2))] * 2})
    assert table["image"][0][0, :, 0].tolist() == [0, 128]
    assert table["image"][1][0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plot.text({"token": ["a"]}), "lacks value"),
        (lambda: plot.text({"token": ["a"], "value": [1.0]}, text="a"), "belong to an Explanation"),
        (lambda: plot.text({"token": [], "value": []}), "shows 1 to 12 outputs; got 0"),
        (lambda: plot.text(explained(np.ones((1, 2, 2))), tokens=["a"]), "a list of 2 texts"),
        (lambda: plot.text(explained(np.ones((1, 2, 2))), tokens=["a", "b"], text="ba"), "token 1, 'b', is not in"),
        (lambda: plot.text(explained(np.ones((1, 2, 2))), row=1), "row must be"),
        (lambda: plot.text({"token": ["a"], "value": [1.0]}, limit=-1), "positive number"),
        (lambda: plot.text(explained(np.ones((1, 1, 13)), tuple("abcdefghijklm"))), "1 to 12 outputs; got 13"),
        (lambda: plot.image(explained(np.ones((1, 2, 2)))), "pass images="),
        (lambda: plot.image(explained(np.ones((1, 2, 2))), images=np.eye(2)), "pass segments="),
        (lambda: plot.image(explained(np.ones((1, 4, 2))), images=np.full((2, 2), np.nan)), "finite pixels"),
        (lambda: plot.image(explained(np.ones((1, 4, 2))), images=np.ones((3, 8, 8))), "3|one for each"),
        (lambda: plot.image({"image": [np.ones((3, 8, 8))], "heat": [np.eye(8)]}), "channels to the end"),
        (lambda: plot.image({"image": [np.eye(2)], "heat": [np.eye(3)]}), r"shape \(2, 2\)"),
        (lambda: plot.image(explained(np.ones((1, 2, 2))), images=np.eye(2), segments=np.full((2, 2), 7)), "0 to 1"),
        (lambda: plot.image([3]), "an Explanation, a sequence of them"),
        (lambda: plot.image(3), "an Explanation, a sequence of them"),
    ],
)  # fmt: skip
def test_misuse_is_named(call: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()  # type: ignore[operator]


def test_a_picture_is_saved_as_a_page_and_not_over_another(tmp_path: object) -> None:
    picture = plot.text({"token": ["a"], "value": [1.0]})
    path = picture.save(tmp_path / "a.html")  # type: ignore[operator]
    assert str(picture) in path.read_text(encoding="utf-8")
    with pytest.raises(FileError, match="force=True"):
        picture.save(path)
    assert picture._repr_html_() == picture.__html__() == str(picture)
    assert repr(picture).startswith("<picture of")
