"""Tables of artefacts: the adverse-action worksheet, and impact ratios as New York City's Local Law 144 asks."""

from collections.abc import Collection
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.typing import Bool1
from pellucid.compliance.artefacts import Sheet
from pellucid.compliance.reason_nouns import COUNTED, METHOD_WORDS, AdverseDecision, ReasonCodes
from pellucid.fairness.disclosure import withheld_together
from pellucid.fairness.groups import FLOOR, Grouping, read_groupings

RARE = 0.02
"""Categories below this share of the people may be left out of the impact ratio."""


def adverse_action_sheets(codes: ReasonCodes) -> tuple[Sheet, ...]:
    """Return a worksheet of every adverse decision and its principal reasons, and a table of how they were made.

    Parameters
    ----------
    codes : ReasonCodes
    """
    return _how(codes), _decisions(codes), _reasons(codes)


def _how(codes: ReasonCodes) -> Sheet:
    measures = codes.summary()
    rows = {
        "adverse decisions": str(len(codes)),
        "of rows": str(codes.n_rows),
        "cut-off": f"{codes.cutoff:g} ({codes.space})",
        "compared with": f"{METHOD_WORDS[codes.method]}, {codes.n_reference} rows",
        "explained by": codes.provenance.method,
        **{name: f"{value:.3g}" if name == COUNTED else percent(value) for name, value in measures.items()},
        "blocked": str(len(codes.blocked)),
    }
    return Sheet(
        title="How the reasons were made",
        note=" ".join(codes.findings()),
        columns={"what": list(rows), "value": list(rows.values())},
        answers="cutoff",
    )


def _decisions(codes: ReasonCodes) -> Sheet:
    return Sheet(
        title="Adverse decisions",
        note="For the person who prepares notices, not for the applicant. A notice is blocked where a protected or "
        "proxy factor is principal. Coverage: the share that the listed reasons have of all that lowered the score.",
        columns={
            "row": [one.row for one in codes.decisions],
            "state": [_state(one) for one in codes.decisions],
            "score": [one.score for one in codes.decisions],
            "distance to the cut-off": [one.distance for one in codes.decisions],
            "reasons": [len(one.reasons) for one in codes.decisions],
            "coverage": [one.coverage for one in codes.decisions],
        },
    )


def _reasons(codes: ReasonCodes) -> Sheet:
    lines = [(one, rank, reason) for one in codes.decisions for rank, reason in enumerate(one.reasons, 1)]
    return Sheet(
        title="Principal reasons",
        note="Every reason moved the score as claimed when it alone was changed. What would be decided later cannot be "
        "read from it.",
        columns={
            "row": [one.row for one, _, _ in lines],
            "order": [rank for _, rank, _ in lines],
            "reason": [reason.words() for _, _, reason in lines],
            "lowered the score by": [-reason.contribution for _, _, reason in lines],
            "score moves by, alone": [reason.move for _, _, reason in lines],
            "also by the other method": [_yes(reason.in_other) for _, _, reason in lines],
            "stability": [reason.stability for _, _, reason in lines],
        },
        answers="reasons",
    )


def _state(decision: AdverseDecision) -> str:
    if decision.blocked:
        return "blocked: " + ", ".join(f"{reason.name} ({reason.mark})" for reason in decision.blocked)
    return "to be reviewed" if decision.reasons else "no reason found"


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def ll144_sheets(
    sensitive_features: Any,
    *,
    selected: Any = None,
    score: Any = None,
    floor: int = FLOOR,
) -> tuple[Sheet, ...]:
    """Return selection or scoring rates and impact ratios by category, alone and in intersections.

    Parameters
    ----------
    sensitive_features : table, series, array or list
        Columns such as sex and race or ethnicity; an unknown value is a category of its own.
    selected : sequence of bool, optional
        Who was selected, one per row.
    score : sequence of float, optional
        Scores instead; the scoring rate is the share above the median of all rows.
    floor : int
        Categories with fewer people are withheld, and others with them, so that none can be found by solving the
        tables.

    Raises
    ------
    InputError
        When neither or both of `selected` and `score` are given, or they have another length.
    """
    hit, word = _hits(selected, score)
    groupings = read_groupings(sensitive_features, len(hit))
    hidden = withheld_together(groupings, floor)
    total: dict[str, list[Any]] = {"people": [len(hit)], word: [int(hit.sum())], "rate": [float(hit.mean())]}
    return (
        Sheet(title="All people", note="Unknown categories are counted.", columns=total),
        *(_sheet(grouping, hit, word, floor, hidden[grouping.name]) for grouping in groupings),
    )


def _hits(selected: Any, score: Any) -> tuple[Bool1, str]:
    if (selected is None) == (score is None):
        raise InputError("pass either selected= (who was selected) or score= (for scoring rates).")
    values = np.asarray(selected if score is None else score)
    if values.ndim != 1 or not len(values):
        raise InputError(f"one value per person is needed; got shape {values.shape}.")
    if score is None:
        if values.dtype != np.bool_:
            raise InputError(f"selected must be true or false for each person; got values such as {values[0]!r}.")
        return values, "selected"
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"score must be numbers; got values such as {values[0]!r}.") from error
    if not np.isfinite(numbers).all():
        raise InputError("score must be finite for every person.")
    return numbers > np.median(numbers), "above the median"


def _sheet(grouping: Grouping, hit: Bool1, word: str, floor: int, hidden: Collection[str]) -> Sheet:
    sizes = grouping.sizes()
    rate = {label: float(hit[grouping.rows(label)].mean()) for label in grouping.labels if label not in hidden}
    counted = {label: share for label, share in rate.items() if sizes[label] >= RARE * len(hit)}
    highest = max(counted.values(), default=0.0)
    columns: dict[str, list[Any]] = {
        "category": list(grouping.labels),
        "people": [sizes[g] if g in rate else None for g in grouping.labels],
        word: [int(hit[grouping.rows(g)].sum()) if g in rate else None for g in grouping.labels],
        "rate": [rate.get(g) for g in grouping.labels],
        "impact ratio": [rate[g] / highest if g in counted and highest else None for g in grouping.labels],
        "remark": [_remark(g in rate, g in counted, floor) for g in grouping.labels],
    }
    return Sheet(
        title=f"By {grouping.name}",
        note="Impact ratio: a rate over the highest rate of a category that counts. The law has no pass mark.",
        columns=columns,
        answers="impact_ratios",
    )


def _remark(shown: bool, counted: bool, floor: int) -> str:
    if not shown:
        return f"withheld, because it or a category it could be worked out from has fewer than {floor} people"
    return "" if counted else "under 2 % of the people: shown, left out of the ratio"
