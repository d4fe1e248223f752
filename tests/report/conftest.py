"""An invented audit of the size and kind of a real one: the report must carry it whatever the numbers are."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pellucid.auditing.audit import Audit
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.policy import Policy
from pellucid.auditing.subject_facts import SubjectFacts

FEATURES = [
    "debt to income",
    "loan to value",
    "insurance",
    "housing expense",
    "credit history",
    "race",
    "self-employed",
]
FEATURES += [
    "unemployment rate in the applicant's industry, in percent of the labour force",
    "single",
    "school",
    "units",
]


def exhibit(kind: str, title: str, table: dict[str, Any], **options: Any) -> Exhibit:
    return Exhibit(kind=kind, title=title, description=f"{title}, as a picture.", table=table, options=options)


def bars(rng: np.random.Generator, title: str) -> Exhibit:
    size = np.sort(rng.exponential(0.06, len(FEATURES)))[::-1]
    table = {"label": FEATURES, "value": size.tolist(), "low": (size * 0.85).tolist(), "high": (size * 1.2).tolist()}
    return exhibit("bars", title, table, x_title="mean size of the contribution (probability)")


def rates(title: str) -> Exhibit:
    table = {"label": ["white", "black"], "value": [0.907, 0.717], "low": [0.894, 0.668], "high": [0.919, 0.765]}
    table["n"] = [2041, 339]
    return exhibit("intervals", title, table, x_title="approval rate", reference=0.8, reference_label="four fifths")


def ladder(rng: np.random.Generator) -> Exhibit:
    rungs = ["the given model", "logistic regression", "scorecard", "shallow tree", "rule list"]
    value = 0.8 + 0.04 * rng.random(10)
    group = ["AUC"] * 5 + ["accuracy"] * 5
    table = {
        "label": rungs * 2,
        "value": value.tolist(),
        "low": (value - 0.02).tolist(),
        "high": (value + 0.02).tolist(),
    }
    return exhibit("intervals", "Readable models beside the given one", {**table, "group": group}, x_title="score")


def one_row(rng: np.random.Generator, number: int) -> tuple[Exhibit, Exhibit]:
    values = rng.normal(0, 0.08, len(FEATURES))
    shown = [f"{x:.2f}" for x in rng.random(len(FEATURES))]
    table = {"feature": FEATURES, "shown": shown, "contribution": values.tolist()}
    both = {
        "feature": FEATURES * 2,
        "method": ["SHAP"] * len(FEATURES) + ["LIME"] * len(FEATURES),
        "contribution": [*values.tolist(), *(values + rng.normal(0, 0.02, len(FEATURES))).tolist()],
    }
    return (
        exhibit("waterfall", f"Row {number}: from the base to the model's output", table, base=0.12,
                prediction=0.12 + float(values.sum()), x_title="probability of denial"),
        exhibit("compare", f"Row {number}: two methods side by side", both, x_title="contribution (probability)"),
    )  # fmt: skip


def calibration() -> Exhibit:
    p = np.linspace(0.05, 0.95, 10)
    seen = [*(p**1.1), *(p**0.8)]
    table = {"predicted": [*p, *p], "observed": seen, "low": [max(x - 0.06, 0) for x in seen]}
    table |= {"high": [min(x + 0.06, 1) for x in seen], "n": [100] * 20, "group": ["white"] * 10 + ["black"] * 10}
    return exhibit("calibration", "Predicted against observed denials", table)


def effect(feature: str, rng: np.random.Generator) -> Exhibit:
    x = np.linspace(0, 3, 20)
    y = 1 / (1 + np.exp(-2 * (x - 1.5))) + rng.normal(0, 0.01, 20)
    table = {"x": x.tolist(), "y": y.tolist(), "low": (y - 0.04).tolist(), "high": (y + 0.04).tolist()}
    return exhibit("effect", f"Denial along {feature}", table, x_title=feature, y_title="probability of denial")


def deletion() -> Exhibit:
    x = list(range(10))
    falling = [float(np.exp(-i / 3)) for i in x]
    table = {
        "x": x * 2,
        "y": falling + [1 - i / 20 for i in x],
        "series": ["by the explanation"] * 10 + ["random"] * 10,
    }
    return exhibit("lines", "What is left when features are taken away", table, x_title="features", y_title="output")


def small_tree() -> Exhibit:
    table = {
        "id": [0, 1, 2, 3, 4, 5, 6],
        "parent": [-1, 0, 0, 1, 1, 2, 2],
        "branch": ["", "yes", "no", "yes", "no", "yes", "no"],
        "text": ["debt to income ≤ 0.41", "insurance denied = no", "loan to value ≤ 0.80", "denied 4 %, n = 1,800",
                 "denied 91 %, n = 40", "denied 20 %, n = 300", "denied 61 %, n = 240"],
    }  # fmt: skip
    return exhibit("tree", "A shallow tree of the same data", table)


def words() -> Exhibit:
    table = {"token": ["the", "late", "<b>", "winner"], "value": [0.0, -0.2, 0.1, 0.7]}
    return exhibit("text", "What the network reads", table, base=0.1, prediction=0.7)


def areas() -> Exhibit:
    rows, columns = np.indices((4, 4)).reshape(2, -1)
    table = {"row": rows.tolist(), "column": columns.tolist(), "value": ((rows - columns) / 10).tolist()}
    seen = np.linspace(0, 255, 24 * 32 * 3).reshape(24, 32, 3).astype(np.uint8)
    return replace(exhibit("image", "Where the network looks", table, base=0.1, prediction=0.1), pixels=seen)


def cells() -> Exhibit:
    table = {
        "column": FEATURES,
        "kind": ["number"] * 11,
        "missing": [0.0, None, *[0.01] * 9],
        "levels": list(range(11)),
    }
    return exhibit("table", "Columns of the data", table)


def share(name: str, value: float, n: int = 2380) -> Measure:
    return Measure(name=name, value=value, low=value - 0.02, high=value + 0.02, n=n, unit="share")


def finding(code: int, section: Section, verdict: Verdict, title: str, statement: str, **more: Any) -> Finding:
    why = "A reader who relies on this model would decide differently if this were otherwise."
    how = "On 2,380 held-out rows, with 95 % intervals from 200 bootstrap resamples of rows."
    return Finding(code=f"PEL{code}", title=title, section=section, verdict=verdict, statement=statement,
                   why=why, **{"how": how, **more})  # fmt: skip


def findings() -> tuple[Finding, ...]:
    rng = np.random.default_rng(7)
    s, v = Section, Verdict
    leak = (
        "‘insurance’ looks like a leak: of the 48 applications where it is ‘denied’, 93.8 % [83.2 %, 97.9 %] were "
        "denied, and it carries 14.2 % of all attribution."
    )
    ratio = "Approval impact ratio of ‘black’ against ‘white’: 0.790 [0.738, 0.846], n = 2,380."
    return (
        finding(101, s.SUBJECT, v.NOTE, "The data", "2,380 rows, 11 features, 12.0 % denied.", exhibits=(cells(),)),
        finding(201, s.PERFORMANCE, v.PASS, "Discrimination", "AUC is 0.842 [0.815, 0.868], n = 714.",
                measures=(share("accuracy", 0.89), Measure(name="AUC", value=0.842, low=0.815, high=0.868, n=714)),
                exhibits=(ladder(rng),)),
        finding(202, s.PERFORMANCE, v.WARN, "Calibration", "Predicted and observed denials differ by 6.1 points.",
                exhibits=(calibration(),), remedy="Recalibrate on held-out data, then measure again."),
        finding(203, s.PERFORMANCE, v.NOTE, "Price of interpretability",
                "The given model buys 0.4 points of AUC [−0.2, 1.0] over logistic regression.",
                exhibits=(ladder(rng), small_tree())),
        finding(301, s.USE, v.NOTE, "Importance", "‘debt to income’ carries 31 % of all attribution.",
                exhibits=(bars(rng, "What the model uses"), bars(rng, "What it loses without each feature"))),
        *(finding(302 + i, s.USE, v.NOTE, f"Effect of {name}", f"Denial rises with ‘{name}’ from 4 % to 71 %.",
                  exhibits=(effect(name, rng),)) for i, name in enumerate(FEATURES[:4])),
        *(finding(401, s.DECISIONS, v.PASS, "Single decisions",
                  f"Row {row} ({reason}): the model gives ‘yes’ 12.3 % and decides ‘no’; true is ‘no’.",
                  exhibits=one_row(rng, row))
          for row, reason in ((17, "typical"), (204, "borderline"), (511, "most wrong"))),
        finding(501, s.TRUST, v.PASS, "Residual", "Explanations add up to the model's output within 4.4×10⁻¹⁶."),
        finding(502, s.TRUST, v.WARN, "Agreement of methods", "SHAP and LIME share 58 % [51 %, 64 %] of reasons.",
                exhibits=(bars(rng, "Disagreement by feature"),), remedy="Read both; prefer the exact values."),
        finding(503, s.TRUST, v.PASS, "Faithfulness", "Taking away leading features moves the output more than chance.",
                exhibits=(deletion(), words(), areas())),
        finding(504, s.TRUST, v.PASS, "Stability", "97 % of leading features stay under resampling."),
        finding(601, s.RELIABILITY, v.FAIL, "Leakage", leak, exhibits=(bars(rng, "One column alone"),),
                remedy="Find out when ‘insurance’ is recorded; drop it if that is after the decision.", weight=2.0),
        finding(602, s.RELIABILITY, v.PASS, "Dominance", "No feature carries more than half of all attribution."),
        finding(603, s.RELIABILITY, v.NOTE, "Unused features", "2 of 11 features are hardly used.",
                exhibits=(bars(rng, "Attribution share"),)),
        finding(604, s.RELIABILITY, v.PASS, "Noise", "1.3 % of decisions change when inputs move a little."),
        finding(605, s.RELIABILITY, v.NOT_APPLICABLE, "Extrapolation", "The training data were not given."),
        finding(701, s.BIAS, v.WARN, "Impact ratio", ratio, exhibits=(rates("Approval by group"),),
                measures=(share("denied, white", 0.093, 2041), share("denied, black", 0.283, 339)),
                remedy="Look at which features carry the gap, below."),
        finding(702, s.BIAS, v.WARN, "What carries the gap", "‘credit history’ carries 41 % of the gap.",
                exhibits=(exhibit("bars", "Parts of the gap", {"label": FEATURES[:5],
                          "value": [0.08, 0.04, 0.03, -0.01, 0.0],
                          "low": [0.05, 0.02, 0.01, -0.03, -0.01], "high": [0.1, 0.06, 0.05, 0.01, 0.01]},
                          x_title="difference of mean contributions"), rates("Approval without the leak"))),
        finding(703, s.BIAS, v.ERROR, "Intersections", "This check stopped: there are too few rows per group."),
    )  # fmt: skip


def subject(**changes: Any) -> SubjectFacts:
    facts: dict[str, Any] = {
        "model": "HistGradientBoostingClassifier in a Pipeline", "task": "binary", "features": tuple(FEATURES),
        "classes": ("no", "yes"), "favorable": "no", "sensitive": ("race",), "n_rows": 714, "n_train": 1666,
        "background": "a sample of 200 training rows", "random_state": 0,
        "hashes": {"X": "ab" * 32, "X_train": "cd" * 32},
        "versions": {"python": "3.11", "pellucid": "0.1.0"},
        "contains": ("Figures over many rows, names of columns and of their categories.",),
        "not_measured": ("PEL605 Extrapolation: the training data were not given.",),
    }  # fmt: skip
    return SubjectFacts(**{**facts, **changes})


def make_audit(found: tuple[Finding, ...] | None = None, **changes: Any) -> Audit:
    found = findings() if found is None else found
    return Audit(subject=subject(**changes), findings=found, policy=Policy(), seconds=31.4)


@pytest.fixture(scope="session")
def audit() -> Audit:
    return make_audit()


@pytest.fixture(scope="session")
def audit_of() -> Any:
    """Make an audit of given findings."""
    return make_audit
