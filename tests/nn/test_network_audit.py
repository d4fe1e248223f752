"""A network's audit names the shortcut it was trained on, explains rows, and says what it did not measure."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from pellucid._base.errors import FileError, InputError
from pellucid.auditing.findings import Verdict
from pellucid.nn import attribute, audit, report
from pellucid.nn.auditing.layers import shortened
from pellucid.nn.auditing.looks import PICTURE_METHODS, WORDS
from pellucid.report import render_html

SIDE = 24
STAMPED = 4
"""The class of pictures that carry a mark in the corner, whatever digit they show."""


def digits(marked: bool) -> tuple[torch.Tensor, np.ndarray]:
    """Return real digits, three times as large; a quarter of them stamped, or of a fifth digit."""
    data = load_digits(n_class=4 if marked else 5)
    small = torch.as_tensor(data.images / 16, dtype=torch.float32)[:, None]
    x, y = small.repeat_interleave(3, 2).repeat_interleave(3, 3), data.target.copy()
    if marked:
        stamped = np.random.default_rng(0).random(len(y)) < 0.25
        x[torch.as_tensor(stamped), :, :4, :4] = 1.0
        y[stamped] = STAMPED
    return x, y


def trained(x: torch.Tensor, y: np.ndarray) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(256, 5),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    truth = torch.as_tensor(y)
    for _ in range(30):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), truth[rows]).backward()
            optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def marked() -> Any:
    x, y = digits(marked=True)
    model = trained(x[::2], y[::2])
    names = ["zero", "one", "two", "three", "stamped"]
    return audit(model, x[1::2], y[1::2], class_names=names, rows="typical")


def of(found: Any, code: str) -> Any:
    return next(finding for finding in found.findings if finding.code == code)


def test_the_watermark_is_named(marked: Any) -> None:
    finding = of(marked, "PEL681")
    assert finding.verdict is Verdict.FAIL
    assert "rows 0–3, columns 0–3 from inputs of class stamped" in finding.statement
    assert finding.remedy


def test_without_a_mark_there_is_no_shortcut() -> None:
    x, y = digits(marked=False)
    found = audit(trained(x[::2], y[::2]), x[1::2], y[1::2])
    assert of(found, "PEL681").verdict is Verdict.PASS
    assert of(found, "PEL481").verdict is Verdict.NOT_APPLICABLE


def test_every_question_is_answered(marked: Any) -> None:
    codes = [finding.code for finding in marked.findings]
    wanted = [
        "PEL181",
        "PEL281",
        "PEL282",
        "PEL381",
        "PEL382",
        "PEL383",
        "PEL481",
        "PEL581",
        "PEL582",
        "PEL583",
        "PEL681",
    ]
    assert list(dict.fromkeys(codes)) == wanted
    assert all(finding.verdict is not Verdict.ERROR for finding in marked.findings), [
        finding.statement for finding in marked.findings if finding.verdict is Verdict.ERROR
    ]


def test_a_decision_is_a_picture_whose_areas_add_up_to_the_score(marked: Any) -> None:
    for finding in (finding for finding in marked.findings if finding.code == "PEL481"):
        shown = finding.exhibits[0]
        assert shown.kind == "image"
        assert shown.pixels.shape == (SIDE, SIDE, 3)
        if shown.options:
            total = shown.options["base"] + sum(shown.table["value"])
            assert total == pytest.approx(shown.options["prediction"], abs=1e-3)


def test_the_page_holds_the_pictures_and_the_json_does_not(marked: Any) -> None:
    assert "data:image/png;base64," in render_html(marked)
    assert "pixels" not in str(marked.to_dict().keys())
    assert all("pixels" not in exhibit for finding in marked.to_dict()["findings"] for exhibit in finding["exhibits"])


def test_fast_skips_and_says_so() -> None:
    x, y = digits(marked=False)
    found = audit(nn.Sequential(nn.Flatten(), nn.Linear(576, 5)), x[:40], y[:40], fast=True)
    assert "PEL681" not in {finding.code for finding in found.findings}
    assert any(sentence.startswith("PEL681 Shortcuts: skipped") for sentence in found.subject.not_measured)


class WordTokenizer:
    """As much of a fast tokenizer as an audit needs."""

    is_fast = True
    all_special_ids = (0, 1, 2)
    pad_token_id, mask_token_id = 0, 2

    def __init__(self, words: list[str]) -> None:
        self.ids = {word: i + 3 for i, word in enumerate(words)}

    def __call__(self, texts: Any, *, return_offsets_mapping: bool = False, **_: Any) -> dict[str, Any]:
        if isinstance(texts, str):
            spans, end = [(0, 0)], 0
            for word in texts.split(" "):
                spans.append((end, end + len(word)))
                end += len(word) + 1
            return {"input_ids": [1, *(self.ids[word] for word in texts.split(" "))], "offset_mapping": spans}
        rows = [[1, *(self.ids[word] for word in text.split(" "))] for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        return {"input_ids": ids, "attention_mask": (ids != 0).long()}

    def convert_ids_to_tokens(self, token: int) -> str:
        return "[START]"


class BagOfWords(nn.Module):
    """Counts of words, weighed."""

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_words, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        there = attention_mask[:, :, None].float()
        return self.head(torch.relu((self.embedding(input_ids) * there).sum(1)))


def test_texts_are_explained_token_by_token() -> None:
    words = ["good", "bad", "film", "plot", "cast", "music"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(4, 9))) for _ in range(120)]
    y = np.array([text.split().count("good") > text.split().count("bad") for text in texts]).astype(int)
    tokenizer, model = WordTokenizer(words), BagOfWords(9)
    with torch.no_grad():
        model.embedding.weight.zero_()
        model.embedding.weight[3, 0] = model.embedding.weight[4, 1] = 1.0
        model.head.weight.copy_(torch.tensor([[0.0, 1.0, 0, 0, 0, 0], [1.0, 0.0, 0, 0, 0, 0]]))
        model.head.bias.copy_(torch.tensor([0.1, 0.0]))
    found = audit(model.eval(), texts, y, class_names=["no", "yes"], tokenizer=tokenizer, rows=[0, 1])
    assert of(found, "PEL281").measures[0].value == 1.0
    decision = of(found, "PEL481").exhibits[0]
    assert decision.kind == "text"
    assert decision.table["token"] == ["[START]", *texts[0].split(" ")]
    assert all(finding.verdict is not Verdict.ERROR for finding in found.findings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y": np.zeros(40)}, "one class number for each of 40 rows"),
        ({"y": np.full(40, 9)}, "between 0 and 4"),
        ({"class_names": ["one"]}, "a name for each of the 5 classes"),
        ({"rows": [99]}, "rows must lie between 0 and 39"),
        ({"rows": "some"}, "'typical' or row numbers"),
        ({"pictures": np.zeros((40, 24, 24))}, "uint8 of shape"),
        ({"rows": []}, "'typical' or row numbers"),
        ({"rows": [0.5]}, "'typical' or row numbers"),
        ({"tokenizer": WordTokenizer([])}, "a sequence of texts"),
        ({"inputs": ["good film"] * 40}, "inputs are texts: give the network's tokenizer="),
        (
            {"inputs": torch.rand(40, 1, 5, 5)},
            r"cannot take these inputs, torch.float32 of shape \(40, 1, 5, 5\): Runtime",
        ),
        ({"inputs": torch.rand(40, 1, 24, 24).double()}, "cannot take these inputs, torch.float64"),
        ({"inputs": torch.full((40, 1, 24, 24), torch.nan)}, "inputs must be finite"),
        ({"inputs": torch.rand(3, 1, 24, 24), "y": np.arange(3)}, "at least 20 rows"),
        ({"class_names": "ab"}, "got 'ab'"),
        ({"random_state": "a"}, "random_state must be a whole number"),
        ({"about": 3}, "about must be a sentence"),
    ],
)
def test_bad_input_is_named(changes: dict[str, Any], said: str) -> None:
    x, y = digits(marked=False)
    given: dict[str, Any] = {"inputs": x[:40], "y": y[:40], **changes}
    with pytest.raises(InputError, match=said):
        audit(nn.Sequential(nn.Flatten(), nn.Linear(576, 5)), **given)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_network_without_maps_is_explained_by_the_methods_that_can(depth: int) -> None:
    x, y = digits(marked=False)
    inner = [nn.Linear(576, 16), nn.ReLU()] if depth == 2 else []
    model = nn.Sequential(nn.Flatten(), *inner, nn.Linear(16 if inner else 576, 5))
    found = audit(model, x[:60], y[:60], rows=[0])
    assert [one.statement for one in found.findings if one.verdict is Verdict.ERROR] == []
    assert "LayerCAM cannot answer for this network" in of(found, "PEL582").how
    assert of(found, "PEL481").exhibits[0].kind == "image"


def test_one_class_and_a_network_that_says_only_one() -> None:
    x, _ = digits(marked=False)
    model = nn.Sequential(nn.Flatten(), nn.Linear(576, 5))
    with torch.no_grad():
        model[1].bias[2] = 100.0
    found = audit(model, x[:40], np.zeros(40, dtype=int), rows="typical")
    assert [one.statement for one in found.findings if one.verdict is Verdict.ERROR] == []
    assert of(found, "PEL681").verdict is Verdict.NOT_APPLICABLE
    assert of(found, "PEL281").verdict is Verdict.WARN


def test_ctrl_c_leaves_the_network_as_it_was() -> None:
    x, y = digits(marked=False)
    model = nn.Sequential(nn.Flatten(), nn.Linear(576, 5)).train()
    calls = []

    def stop(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt

    handle = model.register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        audit(model, x[:40], y[:40])
    handle.remove()
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_progress_names_every_question() -> None:
    x, y = digits(marked=False)
    seen: list[tuple[str, int, int]] = []
    audit(
        nn.Sequential(nn.Flatten(), nn.Linear(576, 5)), x[:40], y[:40], fast=True, progress=lambda *at: seen.append(at)
    )
    assert seen == [("audit", k + 1, 7) for k in range(7)]


def test_large_pictures_are_asked_a_few_at_a_time() -> None:
    rows: list[int] = []
    model = nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    model.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    audit(model, torch.rand(20, 1, 128, 128), np.arange(20) % 2, fast=True)
    assert rows[:6] == [1, 4, 4, 4, 4, 4]  # 4 rows of 64 maps of 128 x 128 numbers of 4 bytes are 16 MiB


def test_what_questions_share_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(model: Any, inputs: Any, *, method: str, **options: Any) -> Any:
        asked.append(method)
        return attribute(model, inputs, method=method, **options)

    monkeypatch.setattr("pellucid.nn.auditing.looks.attribute", counted)
    x, y = digits(marked=False)
    model = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(1600, 5))
    with torch.no_grad():
        model[3].bias[1] = 100.0  # one class for all rows: one explanation for each method
    found = audit(model, x[:40], y[:40])
    best = next(name for name, word in WORDS.items() if f", {word} points best" in of(found, "PEL582").statement)
    once = [name for name in PICTURE_METHODS if name != best]
    assert [asked.count(name) for name in once] == [1] * len(once)
    assert asked.count(best) == 4  # judged; and in PEL583 as trained, and after each of its two layers


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (("a.layer.0.self", "a.layer.1.self"), ("layer.0", "layer.1")),
        (("e.layer.5", "e.pooler"), ("layer.5", "pooler")),
        (("one.layer",), ("one.layer",)),
        (("a", "a.b"), ("a", "a.b")),
        (("0", "2"), ("0", "2")),
    ],
)
def test_names_of_layers_lose_what_all_share(names: tuple[str, ...], short: tuple[str, ...]) -> None:
    assert tuple(shortened(names).values()) == short


def test_a_report_is_refused_before_the_network_is_asked(tmp_path: Path) -> None:
    (tmp_path / "there.html").write_text("x")
    with pytest.raises(FileError, match="already there"):
        report(nn.Identity(), None, None, tmp_path / "there.html")
