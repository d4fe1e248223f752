"""The report as one HTML file: no network, readable without scripts, light and dark."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pellucid.auditing.findings import Finding
from pellucid.report.page import page
from pellucid.report.view import WORDS, Tally, chapters, counts_sentence, entry_of, facts_of, prose

if TYPE_CHECKING:
    from pellucid.auditing.audit import Audit

_APART = ("hashes", "versions", "contains", "not_measured")
"""Facts that stand apart from the others, each under a heading of its own."""


_SAID = {"n_rows": "held-out rows", "n_train": "training rows", "random_state": "seed", "favorable": "favorable class"}


def render_html(audit: "Audit") -> str:
    """Return an audit as one self-contained HTML page.

    The page asks the network for nothing, runs only the two scripts whose hashes its content
    security policy names, and can be read without them.

    Parameters
    ----------
    audit : Audit
    """
    entries = [entry_of(finding, number) for number, finding in enumerate(audit.findings, start=1)]
    facts = asdict(audit.subject)
    return page(
        "report.html.j2",
        figures=[figure for entry in entries for figure in entry.figures],
        title=title_of(audit),
        counts=counts_sentence(audit.findings),
        top=[entries[_position(finding, audit.findings)] for finding in audit.top(3)],
        sections=chapters(audit.findings, entries),
        tallies=tallies(audit.findings),
        facts=facts_of({_SAID.get(name, name): value for name, value in facts.items() if name not in _APART}),
        contains=[prose(sentence) for sentence in audit.subject.contains],
        not_measured=[prose(sentence) for sentence in audit.subject.not_measured],
        hashes=facts_of(audit.subject.hashes),
        versions=facts_of(audit.subject.versions),
        policy=facts_of(audit.policy.to_dict()),
        seconds=f"{audit.seconds:.1f}",
    )


def title_of(audit: "Audit") -> str:
    """Return the subject as a heading."""
    model = prose(audit.subject.model)
    return "Audit of data, before a model" if model == "no model" else f"Audit of {model}"


def tallies(findings: Sequence[Finding]) -> list[Tally]:
    """Return how many findings have each verdict; verdicts without findings are absent."""
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in WORDS}
    return [
        Tally(verdict=str(verdict).replace("_", "-"), word=word, count=counts[verdict])
        for verdict, word in WORDS.items()
        if counts[verdict]
    ]


def _position(wanted: Finding, findings: Sequence[Finding]) -> int:
    return next(i for i, finding in enumerate(findings) if finding is wanted)
