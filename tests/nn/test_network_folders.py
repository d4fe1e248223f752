"""Folders of pictures and tables of texts: prepared exactly as declared, classes in a known order, or refused."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from pellucid import FileError, InputError
from pellucid.cli.main import main
from pellucid.nn.folders import classes_of, load_folder, read_classes
from pellucid.nn.preparing import read_preparation

PLAIN = {"do_rescale": True, "rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CODE = """
import numpy
import torch

class Bright(torch.nn.Module):
    def forward(self, x):
        half = x.shape[-1] // 2
        left, right = (side.mean((1, 2, 3)) for side in (x[..., :half], x[..., half:]))
        return torch.stack([left - right, right - left], 1)

network = Bright()

def prepare(picture):
    return torch.tensor(numpy.array(picture.resize((8, 8)).convert("L")))[None] / 255

def fails(picture):
    raise ValueError("no such colour")

class Tokenizer:
    is_fast, all_special_ids, pad_token_id, mask_token_id = True, (0, 1, 2), 0, 2
    words = "the match was won lost by".split()

    def __call__(self, texts, return_offsets_mapping=False, **_):
        if isinstance(texts, str):
            spans, end = [], 0
            for word in texts.split(" "):
                spans.append((end, end + len(word)))
                end += len(word) + 1
            return {"input_ids": self.ids(texts), "offset_mapping": spans}
        rows = [self.ids(text) for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        return {"input_ids": ids, "attention_mask": (ids != 0).long()}

    def ids(self, text):
        return [self.words.index(word) + 3 for word in text.split(" ")]

class Won(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(9, 2)
        with torch.no_grad():
            self.embedding.weight.zero_()
            self.embedding.weight[6, 1] = self.embedding.weight[7, 0] = 2.0

    def forward(self, input_ids, attention_mask):
        return (self.embedding(input_ids) * attention_mask[:, :, None]).sum(1)

tokenizer, reader = Tokenizer(), Won()
"""


def picture(rng: np.random.Generator, height: int, width: int, side: int) -> Image.Image:
    """A grey picture that is bright on one side."""
    pixels = rng.integers(0, 60, (height, width))
    half = width // 2
    pixels[:, half * side : half * (side + 1)] += 120
    return Image.fromarray(np.repeat(pixels[:, :, None], 3, axis=2).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    for side, name in enumerate(("left", "right")):
        (place / "photographs" / name / "more").mkdir(parents=True)
        (place / "texts" / name).mkdir(parents=True)
        for k in range(14):
            inside = place / "photographs" / name / ("more" if k % 2 else "")
            picture(rng, 20 + k, 30, side).save(inside / f"{k:02}.png")
            (place / "texts" / name / f"{k:02}.txt").write_text(
                f"the match was {['lost', 'won'][side]} by {'the ' * k}won"[:-3].strip()
            )
    (place / "photographs" / "left" / "Thumbs.db").write_bytes(b"x")
    (place / "photographs" / ".hidden").mkdir()
    lines = [f"the match was {word},{word}" for word in ("won", "lost") for _ in range(15)]
    (place / "mails.csv").write_text("\n".join(["body,label", *lines]))
    (place / "classes.json").write_text(json.dumps({"id2label": {"0": "lost", "1": "won"}}))
    (place / "p.json").write_text(json.dumps({**PLAIN, "size": {"height": 16, "width": 16}, "resample": 2}))
    (place / "my_code.py").write_text(CODE)
    return place


@pytest.fixture
def pellucid(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(folder)

    def run(*arguments: Any) -> SimpleNamespace:
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments)])
        printed = capfd.readouterr()
        return SimpleNamespace(returncode=stopped.value.code, stdout=printed.out, stderr=printed.err)

    return run


@pytest.mark.parametrize(
    "processor",
    [
        ViTImageProcessorPil(size={"height": 24, "width": 18}),
        ViTImageProcessorPil(size={"height": 24, "width": 18}, do_normalize=False, resample=3),
        CLIPImageProcessorPil(size={"shortest_edge": 21}, crop_size={"height": 16, "width": 13}),
        CLIPImageProcessorPil(size={"shortest_edge": 31}, crop_size={"height": 31, "width": 31}, resample=2),
    ],
)
@pytest.mark.parametrize("size", [(40, 57), (57, 40), (33, 33)])
def test_pictures_come_out_as_the_library_of_the_file_makes_them(
    processor: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    processor.save_pretrained(tmp_path)
    given = read_preparation(tmp_path / "preprocessor_config.json")
    shown = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8))
    wanted = processor(shown, return_tensors="pt")["pixel_values"][0]
    pixels = given.cut(shown)
    assert pixels.dtype == np.uint8
    torch.testing.assert_close(given.scaled(pixels), wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rescale_factor": None}, "does not say 'rescale_factor': give it, or say \"do_rescale\": false"),
        ({"image_std": None}, "does not say 'image_std'"),
        ({"image_mean": None, "image_std": None}, "does not say 'image_mean', 'image_std'"),
        ({"size": 224, "resample": 2}, r"size must be \{\"shortest_edge\""),
        ({"size": {"longest_edge": 9}, "resample": 2}, "size must be"),
        ({"size": {"shortest_edge": 9}}, "does not say 'resample'"),
        ({"do_center_crop": True}, "does not say 'crop_size'"),
        ({"crop_pct": 0.875}, "asks for 'crop_pct', which is not known here"),
        ({"do_pad": True}, "asks for 'do_pad'"),
        ({"image_std": [0.5, 0.5]}, "a list of 1 or 3 numbers"),
        ({"image_std": [0.5, 0.5, 0]}, "none that is 0"),
        ({"rescale_factor": "1/255"}, "rescale_factor must be a number"),
        ({"crop_size": -1}, "a whole number from 1"),
    ],
)
def test_what_a_file_does_not_say_is_not_guessed(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**PLAIN, **changes}))
    with pytest.raises(FileError, match=said):
        read_preparation(path)


def test_other_files_are_no_declarations(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no file"):
        read_preparation(tmp_path / "gone.json")
    path = tmp_path / "p.json"
    for content, said in (("{", "is no JSON"), ("[]", "must hold a JSON object")):
        path.write_text(content)
        with pytest.raises(FileError, match=said):
            read_preparation(path)


def test_pictures_of_a_folder_are_rows_in_the_order_of_their_paths(folder: Path) -> None:
    prepare = read_preparation(folder / "p.json")
    rows = load_folder(folder / "photographs", prepare, progress=False)
    assert rows.inputs.shape == (28, 3, 16, 16)
    assert rows.pictures.shape == (28, 16, 16, 3)
    assert rows.y.tolist() == [0] * 14 + [1] * 14
    assert rows.class_names == ("left", "right")
    files = sorted(str(file) for file in (folder / "photographs").rglob("*.png"))
    for k in (0, 9, 27):
        with Image.open(files[k]) as shown:
            torch.testing.assert_close(rows.inputs[k], prepare.scaled(prepare.cut(shown)))
    assert "the 28 pictures in photographs" in rows.about
    assert "1 other files are left out" in rows.about
    assert "alphabetical order" in rows.about


def test_classes_are_those_that_were_named() -> None:
    assert classes_of(["b", "a", "b"], ("b", "c", "a"))[0].tolist() == [0, 2, 0]
    assert classes_of(["b", "a"], None) == (pytest.approx([1, 0]), ("a", "b"))
    numbers, names = classes_of([2, 0], None)
    assert (numbers.tolist(), names) == ([2, 0], None)
    with pytest.raises(InputError, match="rows are called 'd'"):
        classes_of(["b", "d"], ("b", "c"))


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("c.txt", "cat\ndog\n", ("cat", "dog")),
        ("c.json", '["cat", "dog"]', ("cat", "dog")),
        ("config.json", '{"id2label": {"1": "dog", "0": "cat"}}', ("cat", "dog")),
        ("c.txt", "cat\n\ndog\n", None),
        ("c.txt", "cat\ncat\n", None),
        ("config.json", '{"id2label": {"1": "dog", "2": "cat"}}', None),
        ("config.json", '{"labels": 3}', None),
        ("c.json", "[1, 2]", None),
    ],
)
def test_names_of_classes_come_from_files(name: str, content: str, wanted: Any, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    if wanted is not None:
        assert read_classes(tmp_path / name) == wanted
        return
    with pytest.raises(FileError, match="at least 2 different names"):
        read_classes(tmp_path / name)


@pytest.mark.parametrize(
    "arguments",
    [
        ["my_code:network", "photographs", "--preprocess", "p.json"],
        ["my_code:network", "photographs", "--preprocess", "my_code:prepare"],
        ["my_code:reader", "texts", "--preprocess", "my_code:tokenizer"],
        ["my_code:reader", "mails.csv", "--text", "body", "--target", "label", "--preprocess", "my_code:tokenizer",
         "--classes", "classes.json"],
    ],
)  # fmt: skip
def test_the_command_line_audits_folders_and_texts(pellucid: Any, arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = pellucid("audit", "--model", *arguments, "--fast", "--out", out)
    assert done.returncode in (0, 1), done.stderr
    findings = json.loads(out.with_suffix(".json").read_text())["findings"]
    assert all(finding["verdict"] != "error" for finding in findings), findings
    accuracy = next(finding for finding in findings if finding["code"] == "PEL281")
    assert accuracy["measures"][0]["value"] == 1.0
    assert "The rows are the" in findings[0]["detail"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["photographs"], "say with --preprocess how photographs becomes the network's inputs; nothing is guessed"),
        (["photographs", "--preprocess", "p.json", "--target", "y"], "--target is for tables and arrays"),
        (["photographs", "--preprocess", "p.json", "--sensitive", "y"], "--sensitive is for models of tables"),
        (["photographs", "--preprocess", "my_code:fails"], "ValueError: no such colour"),
        (["photographs", "--preprocess", "my_code:tokenizer"], "the function that prepares pictures failed"),
        (["photographs", "--preprocess", "p.json", "--classes", "classes.json"], "rows are called 'left', 'right'"),
        (["texts", "--preprocess", "p.json"], "the tokenizer must be a fast one of transformers"),
        (["texts/left", "--preprocess", "p.json"], "0 texts in subfolders"),
        (["mails.csv", "--preprocess", "my_code:tokenizer", "--target", "label"], "say with --text which column"),
        (["mails.csv", "--text", "body", "--target", "label"], "module:name of a fast tokenizer"),
        (["mails.csv", "--text", "bdy", "--target", "label", "--preprocess", "my_code:tokenizer"], "'bdy' for --text"),
        (["mails.csv", "--text", "body", "--preprocess", "my_code:tokenizer"], "say with --target where mails.csv"),
        (["mails.csv"], "say with --target which column of mails.csv holds the truth"),
        (["gone.csv", "--text", "body", "--target", "y"], "there is no file gone.csv"),
        (["p.json", "--classes", "classes.json", "--target", "y"], "a folder with a subfolder for each class"),
    ],
)
def test_what_cannot_run_is_said(pellucid: Any, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = pellucid("audit", "--model", "my_code:network", *arguments, "--out", tmp_path / "report.html")
    assert done.returncode == 2
    assert said in done.stderr
    assert "unexpected" not in done.stderr


def test_a_folder_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(PLAIN))
    prepare = read_preparation(tmp_path / "p.json")
    with pytest.raises(FileError, match="there is no folder"):
        load_folder(tmp_path / "gone", prepare)
    for name in "ab":
        (tmp_path / "rows" / name).mkdir(parents=True)
    with pytest.raises(FileError, match="of the class 'a' is empty"):
        load_folder(tmp_path / "rows", prepare)
    rng = np.random.default_rng(0)
    for k, name in enumerate("ab"):
        picture(rng, 10 + k, 12, 0).save(tmp_path / "rows" / name / "1.png")
    with pytest.raises(InputError, match=r"b.1\.png comes out of shape \(3, 11, 12\)"):
        load_folder(tmp_path / "rows", prepare)
    (tmp_path / "rows" / "b" / "1.png").write_bytes(b"damaged")
    with pytest.raises(FileError, match=r"1\.png could not be read as a picture"):
        load_folder(tmp_path / "rows", prepare)
