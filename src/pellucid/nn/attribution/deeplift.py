"""DeepLIFT against a baseline, and DeepSHAP against a background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.words import counted
from pellucid.nn._intercept import Rule
from pellucid.nn._question import Question
from pellucid.nn._rules import References
from pellucid.nn.attribution.base import Answer, collected, rounding


def differences(
    question: Question, parts: Sequence[Tensor], references: Sequence[Tensor], rows: Tensor
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Contributions of each element to the difference from a reference, and the two outputs."""
    pieces, outputs, empty = [], [], []
    noted: dict[str, Tensor] = {}

    def rules(cut: slice) -> Mapping[str, Rule]:
        calls = References()
        with torch.no_grad():
            base, sites = question.forward([reference[cut] for reference in references], rows[cut], calls.noting())
        empty.append(base)
        noted.clear()
        noted.update(sites or dict(zip(question.given.names, [r[cut] for r in references], strict=True)))
        return calls.comparing()

    for passed in question.passes(parts, rows, rules):
        outputs.append(passed.outputs)
        pieces.append({name: passed.gradients[name] * (x - noted[name]) for name, x in passed.values.items()})
    return collected(pieces), torch.cat(outputs), torch.cat(empty)


@dataclass(frozen=True)
class DeepLift:
    """DeepLIFT with the rescale rule (Shrikumar, Greenside and Kundaje, 2017, section 3.5.1), on functions.

    Every operation has an exact rule for the difference from the baseline: slopes between the two values where one
    number becomes one number, the Shapley values of products, and softmax, norms and attention as compositions
    of these. So the values add up to F(x) − F(baseline), whatever the architecture, up to rounding.
    """

    name: ClassVar[str] = "deeplift"
    summary: ClassVar[str] = "differences from a baseline, spread exactly by the rescale rule"

    def answer(self, question: Question) -> Answer:
        """Attribute in two forward passes and one backward pass."""
        values, outputs, base = differences(question, question.parts, question.baseline, question.every_row())
        return Answer(
            values=values,
            outputs=outputs,
            base=base,
            bound=rounding(outputs, base),
            background=question.baseline_in_words,
        )


@dataclass(frozen=True)
class DeepShap:
    """Mean of DeepLIFT over background rows (Lundberg and Lee, 2017, section 4.2): approximate Shapley values."""

    name: ClassVar[str] = "deepshap"
    summary: ClassVar[str] = "DeepLIFT averaged over background rows"

    def answer(self, question: Question) -> Answer:
        """Attribute against every background row."""
        background = background_of(question, self.name)
        b = len(background[0])
        rows = question.every_row().repeat_interleave(b)
        which = torch.arange(b, device=rows.device).repeat(len(question))
        parts = [part[rows] for part in question.parts]
        values, outputs, base = differences(question, parts, [part[which] for part in background], rows)
        grouped = {n: v.view(v.shape[0], len(question), b, *v.shape[2:]) for n, v in values.items()}
        outputs, base = (t.view(len(question), b, -1).mean(1) for t in (outputs, base))
        return Answer(
            values={name: v.mean(2) for name, v in grouped.items()},
            outputs=outputs,
            base=base,
            bound=rounding(outputs, base),
            background=counted(b, "background row"),
        )


def background_of(question: Question, method: str) -> tuple[Tensor, ...]:
    """Return the background, or say that the method needs one.

    Raises
    ------
    InputError
        When there is none.
    """
    if question.background is None:
        raise InputError(
            f"method={method!r} averages over background rows: pass background=, such as 20 rows of training inputs "
            "of the same shape as the inputs."
        )
    return question.background
