"""Whether something small decides by itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.nn._scoring import all_outputs
from pellucid.nn._session import session
from pellucid.nn.auditing.subject import NetworkSubject, read_texts
from pellucid.nn.shortcuts import LEAST_ROWS, Shortcuts, find_shortcuts, find_word_shortcuts

LARGE = 96
"""Pictures with a longer side are asked in larger squares, of fewer receivers: each trial costs a forward pass."""
SHOWN = 12
REMEDY = (
    "Look at what is there. If it has nothing to do with the class, take it out of the training rows and train again."
)


@dataclass(frozen=True, kw_only=True)
class ShortcutsTaken(Question):
    """Marks and words that carry a class by themselves."""

    code: str = "PEL681"
    title: str = "Shortcuts"
    section: Section = Section.RELIABILITY
    why: str = (
        "A network that decides by a watermark or one word is right for the wrong reason, and fails where the mark "
        "is missing or put there on purpose."
    )

    def run(self, subject: NetworkSubject) -> Finding:
        """Move squares, or words, into rows of other classes."""
        said = np.unique(subject.said, return_counts=True)[1]
        if not ((said >= LEAST_ROWS) & (subject.n - said >= LEAST_ROWS)).any():
            raise NotApplicable(f"no class is said of {LEAST_ROWS} rows with as many of other classes; give more rows.")
        result = _moved(subject)
        found = result.found
        verdict = Verdict.FAIL if found else Verdict.PASS
        shown = result.to_frame().head(SHOWN)
        strongest = found[0] if found else result.tried[0]
        return self.finding(
            verdict,
            result.sentence(),
            measures=(
                Measure(name=f"turned into {strongest.outcome} by {strongest.what}", value=strongest.carried,
                        low=strongest.low, high=strongest.high, n=strongest.n, unit="share"),
            ),
            exhibits=(
                Exhibit(kind="table", title="What turns other rows into a class", description="The strongest trials.",
                        table={str(name): shown[name].tolist() for name in shown}),
            ),
            how="Each square (or each word that a class has more often) of rows of a class is put into rows that the "
            "network gives to other classes; Fisher's exact test against the same from other rows, Holm-adjusted; a "
            "shortcut turns at least half of them.",
            remedy=REMEDY if found else "",
            weight=1.0,
        )  # fmt: skip


def _moved(subject: NetworkSubject) -> Shortcuts:
    options: dict[str, Any] = {
        "class_names": subject.class_names,
        "random_state": subject.random_state,
        "progress": subject.progress,
    }
    if subject.texts is not None:

        def predict(texts: list[str]) -> Any:
            with session(subject.model):
                return all_outputs(subject.model, read_texts(subject.tokenizer, texts), subject.batch).cpu().numpy()

        return find_word_shortcuts(predict, subject.texts, max_rows=16, **options)
    if max(subject.inputs.shape[2:]) > LARGE:
        options |= {"parts": 3, "max_rows": 16}
    return find_shortcuts(subject.model, subject.inputs, batch_size=subject.batch, **options)
