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
from pellucid.nn import audit, report
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
        ({"tokenizer": WordTokenizer([])}, "a sequence of texts"),
    ],
)
def test_bad_input_is_named(changes: dict[str, Any], said: str) -> None:
    x, y = digits(marked=False)
    given: dict[str, Any] = {"y": y[:40], **changes}
    with pytest.raises(InputError, match=said):
        audit(nn.Sequential(nn.Flatten(), nn.Linear(576, 5)), x[:40], **given)


def test_a_report_is_refused_before_the_network_is_asked(tmp_path: Path) -> None:
    (tmp_path / "there.html").write_text("x")
    with pytest.raises(FileError, match="already there"):
        report(nn.Identity(), None, None, tmp_path / "there.html")
