"""The policy: which measure becomes which verdict."""

import difflib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from pellucid._base.errors import InputError
from pellucid._base.files import read_toml


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Tolerances of an audit. Checks measure; the policy judges.

    Every field has a default and can be set in a TOML file, under its own name at the top level.

    Parameters
    ----------
    skill_warn : float
        Least share of the baseline's loss that the model must save (lower end of the interval)
        before its performance is worth no warning.
    group_performance_warn : float
        Largest difference of the main performance figure between groups without a warning.
    calibration_warn : float
        Largest average distance between predicted and observed shares without a warning.
    dominance_warn, dominance_fail : float
        Share of all attribution that one feature may carry.
    residual_factor_fail : float
        How many times its rounding bound an exact explanation's residual may be.
    standard_error_warn : float
        Largest standard error of a sampled attribution, as a share of the row's largest attribution.
    stability_warn : float
        Least share of the leading features that must stay under resampling.
    gap_warn : float
        For networks: share of a score that values which claim to add up may leave out, in the median row.
    faithfulness_warn : float
        Least advantage of the explanation over a random ranking.
    agreement_warn : float
        Least overlap of the leading features between Shapley values and LIME.
    leak_auc_warn, leak_auc_fail : float
        How well one column alone may separate the classes, out of sample (lower end of the interval).
    leak_r2_warn, leak_r2_fail : float
        How much of a numeric target one column alone may explain, out of sample.
    leak_purity : float
        Share of one outcome in a level of a column that makes the level suspect.
    leak_odds : float
        Jump of the odds at that level (lower end of the interval) that makes it suspect.
    leak_use_fail : float
        Share of a suspect level's explanations that the column must carry for a failure.
    noise_flips_warn : float
        Share of decisions that may change when inputs move a little.
    noise_change_warn : float
        For regression: mean change of the output under the same noise, as a share of the outputs' mean deviation.
    extrapolation_warn : float
        Share of rows that may lie outside the training range.
    missing_note, missing_warn : float
        Share of missing cells in one column.
    representation_warn : float
        Least share of the rows that a group should have.
    impact_ratio_reference : float
        Line drawn beside impact ratios (four fifths); a rule of thumb, not a verdict of law.
    group_gap_warn : float
        Largest difference of a group rate without a warning.
    proxy_auc_note : float
        How well one feature alone may tell a group (AUC; the interval's end nearer to one half) before it is
        named a proxy.
    price_note : float
        What a readable model may cost in the main figure before the gap is called a price.
    min_group_size : int
        Groups smaller than this are withheld.
    min_evidence : int
        Groups with fewer rows than this get "insufficient evidence" instead of a verdict.

    Examples
    --------
    >>> from pellucid.auditing.policy import Policy
    >>> Policy(dominance_warn=0.4).dominance_warn
    0.4
    """

    skill_warn: float = 0.0
    group_performance_warn: float = 0.1
    calibration_warn: float = 0.05
    dominance_warn: float = 0.5
    dominance_fail: float = 0.9
    residual_factor_fail: float = 1.0
    standard_error_warn: float = 0.1
    stability_warn: float = 0.7
    gap_warn: float = 0.01
    faithfulness_warn: float = 0.0
    agreement_warn: float = 0.5
    leak_auc_warn: float = 0.97
    leak_auc_fail: float = 0.995
    leak_r2_warn: float = 0.97
    leak_r2_fail: float = 0.999
    leak_purity: float = 0.85
    leak_odds: float = 10.0
    leak_use_fail: float = 0.25
    noise_flips_warn: float = 0.05
    noise_change_warn: float = 0.25
    extrapolation_warn: float = 0.05
    missing_note: float = 0.05
    missing_warn: float = 0.3
    representation_warn: float = 0.05
    impact_ratio_reference: float = 0.8
    group_gap_warn: float = 0.1
    proxy_auc_note: float = 0.6
    price_note: float = 0.01
    min_group_size: int = 10
    min_evidence: int = 30

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _check_value(name, value)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a policy from a TOML file.

        Raises
        ------
        FileError
            When the file cannot be read or is not TOML.
        InputError
            When a key is unknown or a value is not a number.
        """
        return cls.of(read_toml(path, "policy"))

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Make a policy of a mapping; what is not named keeps its default."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known
                raise InputError(
                    f"the policy has no key {name!r}. Did you mean one of {', '.join(map(repr, near))}? "
                    "The keys are listed in docs/audit.md."
                )
        return cls(**values)

    def to_dict(self) -> dict[str, float]:
        """Every tolerance by name."""
        return asdict(self)


def read_policy(policy: Any) -> Policy:
    """Return what a caller may pass as `policy`: None, a `Policy`, a mapping or a path."""
    if policy is None:
        return Policy()
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, dict):
        return Policy.of(policy)
    if isinstance(policy, str | Path):
        return Policy.load(policy)
    raise InputError(f"policy must be a path to a TOML file, a dict or a Policy; got {type(policy).__name__}.")


def _check_value(name: str, value: Any) -> None:
    whole = name.startswith("min_")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"the policy's {name} must be a number that is not negative; got {value!r}.")
    if whole and (not isinstance(value, int) or value < 1):
        raise InputError(f"the policy's {name} must be a whole number of rows, at least 1; got {value!r}.")
