"""Every check of an audit, in the order they are asked."""

from pellucid.auditing.checks.base import Check
from pellucid.auditing.checks.calibration import CALIBRATION, GROUP_CALIBRATION
from pellucid.auditing.checks.carriers import GAP_CARRIERS, PROXIES
from pellucid.auditing.checks.data import COLUMNS, MISSING, REPRESENTATION, ROWS, SUBJECT
from pellucid.auditing.checks.decisions import SINGLE_DECISIONS
from pellucid.auditing.checks.dominance import DOMINANCE, UNUSED
from pellucid.auditing.checks.effects import EFFECTS
from pellucid.auditing.checks.evidence import DRIFT, EVIDENCE, REASONS, RECORDS
from pellucid.auditing.checks.groups import GROUP_ERRORS, GROUP_OUTCOMES, IMPACT_RATIOS
from pellucid.auditing.checks.importance import SHAPLEY_IMPORTANCE, SHUFFLE_IMPORTANCE
from pellucid.auditing.checks.improvement import (
    DATA_TO_COLLECT,
    DIRECTIONS,
    DOUBTFUL_LABELS,
    ERROR_TREE,
    HARMFUL_FEATURES,
    WEAK_SLICES,
)
from pellucid.auditing.checks.ladder import LADDER
from pellucid.auditing.checks.leakage import LEAKAGE, SEEN_ROWS
from pellucid.auditing.checks.merit import EQUAL_MERIT, TURNED_LABELS
from pellucid.auditing.checks.options import OPTIONS
from pellucid.auditing.checks.performance import GROUP_PERFORMANCE, PERFORMANCE
from pellucid.auditing.checks.residual import RESIDUAL, STANDARD_ERRORS
from pellucid.auditing.checks.robustness import EXTRAPOLATION, NOISE
from pellucid.auditing.checks.trust import AGREEMENT, FAITHFULNESS, STABILITY
from pellucid.auditing.checks.without import WITHOUT_SENSITIVE

CHECKS: tuple[Check, ...] = (
    SUBJECT,
    MISSING,
    COLUMNS,
    ROWS,
    REPRESENTATION,
    PERFORMANCE,
    GROUP_PERFORMANCE,
    CALIBRATION,
    GROUP_CALIBRATION,
    LADDER,
    SHAPLEY_IMPORTANCE,
    SHUFFLE_IMPORTANCE,
    EFFECTS,
    SINGLE_DECISIONS,
    RESIDUAL,
    STANDARD_ERRORS,
    STABILITY,
    FAITHFULNESS,
    AGREEMENT,
    LEAKAGE,
    SEEN_ROWS,
    DOMINANCE,
    UNUSED,
    NOISE,
    EXTRAPOLATION,
    GROUP_OUTCOMES,
    IMPACT_RATIOS,
    GROUP_ERRORS,
    GAP_CARRIERS,
    PROXIES,
    WITHOUT_SENSITIVE,
    EQUAL_MERIT,
    TURNED_LABELS,
    OPTIONS,
    WEAK_SLICES,
    ERROR_TREE,
    DOUBTFUL_LABELS,
    HARMFUL_FEATURES,
    DATA_TO_COLLECT,
    DIRECTIONS,
    REASONS,
    RECORDS,
    DRIFT,
    EVIDENCE,
)
