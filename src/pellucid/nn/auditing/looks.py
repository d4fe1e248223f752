"""What the network looks at, in single rows and by how much it can be believed."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.numbers import number_text, percent
from pellucid._base.typing import Array, Float2, Float3, Int1
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.nn._scoring import taken
from pellucid.nn._session import Network
from pellucid.nn.attribution import attribute
from pellucid.nn.auditing.layers import spread_rows
from pellucid.nn.auditing.subject import NetworkSubject, once
from pellucid.nn.faithfulness import Ranking, faithfulness
from pellucid.nn.sensitivity import WHOLE, layers_from_output, parameter_randomisation
from pellucid.quality.measures import measured

PICTURE_METHODS = ("lrp", "deeplift", "layercam", "gradient_x_input")
TEXT_METHODS = ("attnlrp", "integrated_gradients", "gradient_x_input")
ADDING = {"pictures": "deeplift", "texts": "integrated_gradients"}
"""The method of each kind that claims to add up."""
WORDS = {
    "lrp": "LRP",
    "deeplift": "DeepLIFT",
    "layercam": "LayerCAM",
    "gradient_x_input": "gradient × input",
    "attnlrp": "AttnLRP",
    "integrated_gradients": "Integrated Gradients",
    "random": "random order",
}
"""Methods as papers call them."""
JUDGED, CHANGED = 8, 4
"""Rows on which methods are compared; rows explained again without what was learned."""
STEPS = 6
STATES = 6
"""States of a network that is losing what it learned, from the output down, in which rows are explained again."""
NOTHING = 0.001
"""Share of a score below which a gap is only named."""
CELLS = 32
"""Areas along a side of a shown picture, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """Relevance of every pixel, or token, of some rows for the class that the network gives them.

    Parameters
    ----------
    rows : int64 array of shape (rows,)
    values : float64 array of shape (rows, height, width) or (rows, tokens)
    base, gap : float64 arrays of shape (rows,)
        Where the values start, and base plus values less the score.
    adds_up : bool
        Whether the method says that its values add up to the score.
    """

    rows: Int1
    values: Float3 | Float2
    base: Array
    gap: Array
    adds_up: bool


def look(subject: NetworkSubject, rows: Int1, method: str, model: Network | None = None) -> Look:
    """Explain rows, each for the class that the network gives it."""
    said = subject.said[rows]
    parts: list[tuple[Int1, Float3, Array, Array]] = []
    adds_up = True
    for k in np.unique(said):
        inside = np.flatnonzero(said == k)
        found = attribute(
            subject.model if model is None else model,
            taken(subject.inputs, torch.as_tensor(rows[inside])),
            target=int(k),
            method=method,
            random_state=subject.random_state,
        )
        gap = np.zeros(len(inside)) if found.quality.gap is None else found.quality.gap[:, 0]
        adds_up = adds_up and found.quality.bound is not None
        parts.append((inside, _summed(found.shaped[..., 0], subject), found.base_values[:, 0], gap))
    order = np.argsort(np.concatenate([part[0] for part in parts]))
    values, base, gap = (np.concatenate([part[i] for part in parts])[order] for i in (1, 2, 3))
    return Look(rows=rows, values=values, base=base, gap=gap, adds_up=adds_up)


@once
def looked(subject: NetworkSubject, method: str) -> Look:
    """Explain the rows on which methods are compared; asked by several questions, made once."""
    return look(subject, spread_rows(subject, JUDGED), method)


@once
def judged(subject: NetworkSubject) -> Ranking:
    """Compare methods by what happens when what they point at is hidden; asked by several questions, made once."""
    rows = spread_rows(subject, JUDGED)
    inputs, said = taken(subject.inputs, torch.as_tensor(rows)), torch.as_tensor(subject.said[rows])
    values = {name: _as_players(seen.values, subject) for name, seen in _answers(subject).items()}
    ways = _hidden_areas(inputs) if subject.texts is None else _hidden_words(subject, inputs)
    return faithfulness(
        subject.model,
        inputs,
        values,
        target=said,
        n_steps=STEPS,
        batch_size=subject.batch,
        random_state=subject.random_state,
        **ways,
    )


def _answers(subject: NetworkSubject) -> dict[str, Look]:
    """Explanations of every method that can answer: a network without maps has none for LayerCAM."""
    answers = {}
    for name in PICTURE_METHODS if subject.texts is None else TEXT_METHODS:
        with contextlib.suppress(UnsupportedRequestError):
            answers[name] = looked(subject, name)
    if not answers:
        raise NotApplicable("no method of attribution can answer for this network.")
    return answers


def best_method(ranking: Ranking) -> str:
    """The method with the best mean rank; the random order does not count."""
    ranked = sorted(zip(ranking.methods, ranking.rank, strict=True), key=lambda pair: pair[1].value)
    return next(name for name, _ in ranked if name != "random")


@dataclass(frozen=True, kw_only=True)
class Decisions(Question):
    """Pictures of what single decisions rest on."""

    code: str = "PEL481"
    title: str = "What the network looks at"
    section: Section = Section.DECISIONS
    why: str = "A person sees at once whether the network looks at the thing itself or at what surrounds it."

    def run(self, subject: NetworkSubject) -> list[Finding]:
        """Explain each row that was asked for."""
        if subject.rows is None:
            raise NotApplicable("rows may be people, so none are shown unless asked for: rows='typical' or numbers.")
        method = default_method(subject) if subject.fast else best_method(judged(subject))
        seen = look(subject, np.asarray(subject.rows, dtype=np.int64), method)
        return [self._row(subject, method, seen, i) for i in range(len(seen.rows))]

    def _row(self, subject: NetworkSubject, method: str, seen: Look, i: int) -> Finding:
        row = int(seen.rows[i])
        said, true = int(subject.said[row]), int(subject.y[row])
        kind = "right" if said == true else f"wrong: it is {subject.name(true)}"
        verdict = Verdict.PASS if said == true else Verdict.NOTE
        statement = (
            f"Row {row}: {subject.label} says {subject.name(said)} with probability "
            f"{percent(float(subject.probability[row, said]))} ({kind})."
        )
        exhibit = _picture(subject, seen, i) if subject.texts is None else _text(subject, seen, i)
        return self.finding(
            verdict,
            statement,
            detail="" if seen.adds_up else _where_sentence(seen, i, method),
            exhibits=(exhibit, _scores(subject, row)),
            how=f"Relevance by {WORDS[method]} for the score of the class that the network says"
            + ("." if subject.fast else ", the method that did best when what it points at was hidden (PEL582).")
            + " Orange and blue have one scale, whose ends are written below.",
        )


@dataclass(frozen=True, kw_only=True)
class Gap(Question):
    """Whether relevance adds up."""

    code: str = "PEL581"
    title: str = "Do the explanations add up"
    section: Section = Section.TRUST
    why: str = "Relevance that does not add up to the score left something out, or counted it twice."

    def run(self, subject: NetworkSubject) -> Finding:
        """Measure the gap on some rows."""
        method = ADDING["pictures" if subject.texts is None else "texts"]
        seen = looked(subject, method)
        score = np.abs(subject.scores[seen.rows, subject.said[seen.rows]] - seen.base)
        share = np.abs(seen.gap) / np.maximum(score, 1e-12)
        verdict = Verdict.PASS if float(np.median(share)) <= subject.policy.gap_warn else Verdict.WARN
        return self.finding(
            verdict,
            f"{WORDS[method]}, whose values should add up, leaves {_unexplained(share)}.",
            measures=(Measure(name="gap, median", value=float(np.median(share)), n=len(share), unit="share"),),
            how="The values together against the score less the baseline's score, as a share of it. Warned from "
            f"{percent(subject.policy.gap_warn)} on.",
        )


@dataclass(frozen=True, kw_only=True)
class Faithful(Question):
    """Whether hiding what is relevant changes the score."""

    code: str = "PEL582"
    title: str = "Do the explanations point at what matters"
    section: Section = Section.TRUST
    why: str = "If hiding what an explanation points at changes no more than hiding anything, it explains nothing."

    def run(self, subject: NetworkSubject) -> Finding:
        """Rank methods by insertion and deletion, beside a random order."""
        ranking = judged(subject)
        frame = ranking.to_frame()
        best = best_method(ranking)
        place = dict(zip(ranking.methods, ranking.rank, strict=True))
        beats = place[best].high < place["random"].low
        table = {
            "label": [WORDS[method] for method in frame["method"]],
            "value": frame["rank"].tolist(),
            "low": frame["low"].tolist(),
            "high": frame["high"].tolist(),
        }
        rows = ranking.values.shape[2]
        return self.finding(
            Verdict.PASS if beats else Verdict.WARN,
            f"Of {len(place) - 1} methods, {WORDS[best]} points best at what matters: its mean rank is {place[best]}, "
            f"where 1 is best. It {'ranks above' if beats else 'cannot be told apart from'} a random order, whose mean "
            f"rank is {place['random']} (n = {rows}).",
            detail=_tied(ranking, best),
            measures=tuple(
                Measure(name=f"mean rank of {WORDS[name]}", value=one.value, low=one.low, high=one.high, n=one.n)
                for name, one in place.items()
            ),
            exhibits=(
                Exhibit(kind="intervals", title="Mean rank of each method, 1 is best",
                        description="Mean ranks over rows and metrics, with 95 % bootstrap intervals over rows.",
                        table=table, options={"x_title": "mean rank, with 95 % interval"}),
            ),
            how=f"On {rows} rows {'areas of the picture' if subject.texts is None else 'tokens'} are hidden in {STEPS} "
            "steps in the order of each explanation, highest first and lowest first, and the areas under the score "
            f"(deletion and insertion) are ranked. {_hidden_in_words(subject)} {_left_out(subject, ranking)}".strip(),
            remedy="" if beats else "Do not show these explanations to anybody.",
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Learned(Question):
    """Whether relevance depends on what was learned."""

    code: str = "PEL583"
    title: str = "Do the explanations depend on what was learned"
    section: Section = Section.TRUST
    why: str = "An explanation that stays the same without anything learned only draws edges of the picture."

    def run(self, subject: NetworkSubject) -> Finding:
        """Randomise the layers from the output down."""
        method = best_method(judged(subject))
        rows = spread_rows(subject, CHANGED)

        def explain(model: Any, _: Any) -> Array:
            return look(subject, rows, method, model).values

        found = parameter_randomisation(
            explain, subject.model, taken(subject.inputs, torch.as_tensor(rows)), n_states=STATES,
            random_state=subject.random_state,
        )  # fmt: skip
        order = [name or WHOLE for name in layers_from_output(subject.model)]
        states = [measured(similarity, subject.random_state) for similarity in found.similarity]
        return self.finding(
            Verdict.WARN if found.last.high > 0.5 else Verdict.PASS,
            f"When nothing learned is left, the explanation by {WORDS[method]} {found.verb()} the trained network's: "
            f"their rank correlation is {found.last} (n = {len(rows)}).",
            detail="This check can only find fault: an explanation that stays the same cannot depend on what was "
            "learned, and one that changes need not be right (Binder et al. 2023).",
            measures=(Measure(name="rank correlation, all random", value=found.last.value, low=found.last.low,
                              high=found.last.high, n=len(rows)),),
            exhibits=(
                Exhibit(kind="intervals", title="Rank correlation with the trained network's explanation, while the "
                        "last layers lose what they learned",
                        description="1 is the same explanation, 0 has nothing in common with it.",
                        table={"label": [f"{order.index(layer) + 1} of {len(order)} layers" for layer in found.layers],
                               "value": [one.value for one in states], "low": [one.low for one in states],
                               "high": [one.high for one in states], "down to": list(found.layers)},
                        options={"x_title": "rank correlation, with 95 % interval", "reference": 0.0}),
            ),
            how="The weights of one layer after another, from the output down, are permuted among their own places on "
            f"a copy of the network, and in {len(states)} states the rows are explained again (Adebayo et al. 2018).",
        )  # fmt: skip


def _tied(ranking: Ranking, best: str) -> str:
    """Which methods cannot be told from the best, and how far the metrics agree."""
    place = dict(zip(ranking.methods, ranking.rank, strict=True))
    beside = [
        WORDS[name] for name, one in place.items() if name not in (best, "random") and one.low <= place[best].high
    ]
    others = f"{', '.join(beside)} cannot be told apart from it" if beside else "All other methods rank below it"
    return (
        f"{others}. The {len(ranking.metrics)} metrics agree to {ranking.agreement}, where 1 is the same order by all "
        "(Kendall's W)."
    )


def default_method(subject: NetworkSubject) -> str:
    """The method that is shown where methods are not compared."""
    return PICTURE_METHODS[0] if subject.texts is None else TEXT_METHODS[0]


def _summed(values: Array, subject: NetworkSubject) -> Array:
    """One value for each pixel, or token: over channels, or over the embedding."""
    if subject.pictures is not None:
        summed = torch.tensor(values if values.ndim == 3 else values.sum(axis=1))
        size = list(subject.pictures.shape[1:3])  # a map of a layer is smaller than the picture
        return functional.interpolate(summed[:, None], size=size, mode="bilinear")[:, 0].numpy()
    return np.asarray(values.sum(axis=-1)) if values.ndim == 3 else values


def _as_players(values: Array, subject: NetworkSubject) -> Array:
    """What is hidden together: a token, or an area of the grid that is shown, in all channels."""
    if subject.texts is not None:
        return values
    down, right = _blocks(values.shape[1:])
    areas = np.array([[values[:, block][:, :, other].mean(axis=(1, 2)) for other in right] for block in down])
    spread = areas[np.ix_(_area_of(down), _area_of(right))]
    return np.moveaxis(spread, 2, 0)[:, None]


def _blocks(shape: Sequence[int]) -> list[list[Int1]]:
    """Pixels of each area's rows, and of each area's columns."""
    return [np.array_split(np.arange(size), min(size, CELLS)) for size in shape]


def _area_of(blocks: Sequence[Int1]) -> Int1:
    """The number of each pixel's area."""
    return np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])


def _hidden_areas(pictures: Tensor) -> dict[str, Any]:
    """Areas are hidden by zeros, and by the picture blurred: what leads under one of them only is not believed."""
    reach = max(1, min(pictures.shape[2:]) // 16)
    blurred = functional.avg_pool2d(pictures, 2 * reach + 1, 1, reach, count_include_pad=False)
    return {"hide": {"by zeros": 0.0, "by blur": blurred}}


def _hidden_words(subject: NetworkSubject, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Tokens are hidden by the mask token; what is no part of the text stays."""
    ids, there = inputs["input_ids"], inputs["attention_mask"].bool()
    special = torch.isin(ids, torch.as_tensor(subject.tokenizer.all_special_ids))
    hidden = subject.tokenizer.mask_token_id
    return {"hide": subject.tokenizer.pad_token_id if hidden is None else hidden, "players": there & ~special}


def _unexplained(share: Array) -> str:
    """How much of the score is missing in rows; rounding is not nothing."""
    largest = float(share.max())
    if largest < NOTHING:
        return f"less than {percent(NOTHING)} of the score unexplained in every one of {len(share)} rows"
    middle = float(np.median(share))
    half = percent(middle) if middle >= NOTHING else f"less than {percent(NOTHING)}"
    return f"{half} of the score unexplained in the median of {len(share)} rows, and {percent(largest)} at most"


def _where_sentence(seen: Look, i: int, method: str) -> str:
    gap = number_text(abs(float(seen.gap[i])))
    return f"Values of {WORDS[method]} say where, not how much: they need not add up, and miss the score by {gap}."


def _left_out(subject: NetworkSubject, ranking: Ranking) -> str:
    asked = PICTURE_METHODS if subject.texts is None else TEXT_METHODS
    without = [WORDS[name] for name in asked if name not in ranking.methods]
    return f"{', '.join(without)} cannot answer for this network." if without else ""


def _hidden_in_words(subject: NetworkSubject) -> str:
    if subject.texts is None:
        return "What is hidden becomes 0, and in a second round the picture blurred."
    return "What is hidden becomes the mask token, or the padding token where there is none; special tokens stay."


def _picture(subject: NetworkSubject, seen: Look, i: int) -> Exhibit:
    """The heat in areas of a grid, over the picture."""
    row, heat = int(seen.rows[i]), seen.values[i]
    blocks = _blocks(heat.shape)
    areas = np.array([[heat[np.ix_(down, right)].sum() for right in blocks[1]] for down in blocks[0]])
    rows, columns = np.indices(areas.shape).reshape(2, -1)
    table = {"row": rows.tolist(), "column": columns.tolist(), "value": areas.ravel().tolist()}
    return Exhibit(
        kind="image",
        title=f"Row {row}: what speaks for {subject.name(int(subject.said[row]))}",
        description="Orange areas raise the class score, blue striped ones lower it.",
        table=table,
        options=_options(subject, seen, i),
        pixels=None if subject.pictures is None else subject.pictures[row],
    )


def _text(subject: NetworkSubject, seen: Look, i: int) -> Exhibit:
    row = int(seen.rows[i])
    tokens = (subject.tokens or ())[row]
    return Exhibit(
        kind="text",
        title=f"Row {row}: what speaks for {subject.name(int(subject.said[row]))}",
        description="Orange tokens raise the class score, blue dotted ones lower it.",
        table={
            "before": [before for before, _ in tokens],
            "token": [token for _, token in tokens],
            "value": seen.values[i][: len(tokens)].tolist(),
        },
        options=_options(subject, seen, i),
    )


def _options(subject: NetworkSubject, seen: Look, i: int) -> dict[str, float]:
    if not seen.adds_up:
        return {}
    row = int(seen.rows[i])
    return {"base": float(seen.base[i]), "prediction": float(subject.scores[row, subject.said[row]])}


def _scores(subject: NetworkSubject, row: int) -> Exhibit:
    """The likeliest classes of a row."""
    likely = np.argsort(-subject.probability[row], kind="stable")[:5]
    return Exhibit(
        kind="table",
        title=f"Row {row}: the likeliest classes",
        description="Probabilities of the likeliest classes.",
        table={
            "class": [subject.name(int(k)) for k in likely],
            "probability": [percent(float(subject.probability[row, k])) for k in likely],
        },
    )
