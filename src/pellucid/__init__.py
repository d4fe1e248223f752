"""pellucid: explanations of machine-learning models that carry the measure of their own error.

The doors are `explain`, `explain_text`, `explain_image`, `Explainer`, `interactions`, `pairs`, `importance`, `pdp`,
`ice`, `ale`, `regional_effects`, `h_statistic` and `audit`. Everything here is loaded when it is first used, so
importing pellucid loads none of scikit-learn, scipy, pandas, altair or torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid import compliance, datasets, fairness, glassbox, improvement, nn, plot, quality, testing
    from pellucid._base.errors import (
        AdapterMismatchError,
        AdditivityError,
        ColumnError,
        FileError,
        InputError,
        MissingDependencyError,
        ModelError,
        PellucidError,
        UnsupportedModelError,
        UnsupportedRequestError,
    )
    from pellucid._door import Explainer, explain
    from pellucid._door_inputs import explain_image, explain_text
    from pellucid._door_pairs import interactions, pairs
    from pellucid._measures import (
        ale,
        h_statistic,
        ice,
        importance,
        pdp,
        regional_effect_from_effector,
        regional_effects,
    )
    from pellucid.adapters.files import load_model
    from pellucid.auditing.audit import Audit, audit, audit_data
    from pellucid.auditing.policy import Policy
    from pellucid.compliance.codebook import Codebook
    from pellucid.compliance.log import RecordLog
    from pellucid.compliance.reason_nouns import ReasonCodes
    from pellucid.compliance.reasons import reason_codes
    from pellucid.compliance.records import Record, Recorder
    from pellucid.compliance.shift import Shift, compare
    from pellucid.compliance.verify import Verification, verify
    from pellucid.explainers.counterfactuals import Constraints, counterfactuals, counterfactuals_from_dice
    from pellucid.explainers.exact import Exact
    from pellucid.explainers.lime import Lime
    from pellucid.explainers.lime_masks import MaskedLime
    from pellucid.explainers.linear import Linear
    from pellucid.explainers.owen import Owen
    from pellucid.explainers.permutation import Permutation
    from pellucid.explainers.shapley import Shapley
    from pellucid.explainers.tree import Tree
    from pellucid.explanation import (
        Counterfactuals,
        Effect,
        Explanation,
        Importance,
        Interactions,
        Pairs,
        Provenance,
        Quality,
    )
    from pellucid.games.image import superpixels
    from pellucid.improvement.slices import find_slices
    from pellucid.ir import LinearForm, Model, Space, TreeEnsemble
    from pellucid.report import save_artefact, save_report
    from pellucid.table import Table

__version__ = "0.1.0"

_MODULES = ("compliance", "datasets", "fairness", "glassbox", "improvement", "nn", "plot", "quality", "testing")
_HOMES = {
    "pellucid._base.errors": (
        "AdapterMismatchError",
        "AdditivityError",
        "ColumnError",
        "FileError",
        "InputError",
        "MissingDependencyError",
        "ModelError",
        "PellucidError",
        "UnsupportedModelError",
        "UnsupportedRequestError",
    ),
    "pellucid._door": ("Explainer", "explain"),
    "pellucid._door_inputs": ("explain_image", "explain_text"),
    "pellucid._door_pairs": ("interactions", "pairs"),
    "pellucid._measures": (
        "ale",
        "h_statistic",
        "ice",
        "importance",
        "pdp",
        "regional_effect_from_effector",
        "regional_effects",
    ),
    "pellucid.adapters.files": ("load_model",),
    "pellucid.auditing.audit": ("Audit", "audit", "audit_data"),
    "pellucid.auditing.policy": ("Policy",),
    "pellucid.compliance.codebook": ("Codebook",),
    "pellucid.compliance.log": ("RecordLog",),
    "pellucid.compliance.reason_nouns": ("ReasonCodes",),
    "pellucid.compliance.reasons": ("reason_codes",),
    "pellucid.compliance.records": ("Record", "Recorder"),
    "pellucid.compliance.shift": ("Shift", "compare"),
    "pellucid.compliance.verify": ("Verification", "verify"),
    "pellucid.explainers.counterfactuals": ("Constraints", "counterfactuals", "counterfactuals_from_dice"),
    "pellucid.explainers.exact": ("Exact",),
    "pellucid.explainers.lime": ("Lime",),
    "pellucid.explainers.lime_masks": ("MaskedLime",),
    "pellucid.explainers.linear": ("Linear",),
    "pellucid.explainers.owen": ("Owen",),
    "pellucid.explainers.permutation": ("Permutation",),
    "pellucid.explainers.shapley": ("Shapley",),
    "pellucid.explainers.tree": ("Tree",),
    "pellucid.explanation": (
        "Counterfactuals",
        "Effect",
        "Explanation",
        "Importance",
        "Interactions",
        "Pairs",
        "Provenance",
        "Quality",
    ),
    "pellucid.improvement.slices": ("find_slices",),
    "pellucid.games.image": ("superpixels",),
    "pellucid.ir": ("LinearForm", "Model", "Space", "TreeEnsemble"),
    "pellucid.report": ("save_artefact", "save_report"),
    "pellucid.table": ("Table",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - the names stand in _HOMES and _MODULES, once
    "__version__",
    *_MODULES,
    *_HOME_OF,
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"pellucid.{name}")
    else:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
