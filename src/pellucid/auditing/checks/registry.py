"""Every check of an audit, in the order they are asked."""

from pellucid.auditing.checks.base import Check
from pellucid.auditing.checks.decisions import SINGLE_DECISIONS
from pellucid.auditing.checks.importance import SHAPLEY_IMPORTANCE, SHUFFLE_IMPORTANCE
from pellucid.auditing.checks.leakage import LEAKAGE, SEEN_ROWS
from pellucid.auditing.checks.performance import GROUP_PERFORMANCE, PERFORMANCE
from pellucid.auditing.checks.residual import RESIDUAL, STANDARD_ERRORS

CHECKS: tuple[Check, ...] = (
    PERFORMANCE,
    GROUP_PERFORMANCE,
    SHAPLEY_IMPORTANCE,
    SHUFFLE_IMPORTANCE,
    SINGLE_DECISIONS,
    RESIDUAL,
    STANDARD_ERRORS,
    LEAKAGE,
    SEEN_ROWS,
)
