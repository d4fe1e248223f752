"""The public surface: what it is, and what importing it must not load."""

import subprocess
import sys

import pellucid

PUBLIC = {
    "AdapterMismatchError", "AdditivityError", "Audit", "Codebook", "ColumnError", "Constraints",
    "Counterfactuals", "Effect", "Exact", "Explainer", "Explanation", "FileError", "Importance", "InputError",
    "Interactions", "Lime", "Linear", "LinearForm", "MaskedLime", "MissingDependencyError", "Model",
    "ModelError", "Owen", "Pairs", "PellucidError", "Permutation", "Policy", "Provenance", "Quality",
    "ReasonCodes", "Record", "RecordLog", "Recorder", "Shapley", "Shift", "Space", "Table", "Tree",
    "TreeEnsemble", "UnsupportedModelError", "UnsupportedRequestError", "Verification", "__version__", "ale",
    "audit", "audit_data", "compare", "compliance", "counterfactuals", "counterfactuals_from_dice", "datasets",
    "explain", "explain_image", "explain_text", "fairness", "find_slices", "glassbox", "h_statistic", "ice",
    "importance", "improvement", "interactions", "load_model", "nn", "pairs", "pdp", "plot", "quality",
    "reason_codes", "regional_effect_from_effector", "regional_effects", "save_artefact", "save_report",
    "superpixels", "testing", "verify",
}  # fmt: skip
HEAVY = ("sklearn", "scipy", "pandas", "altair", "torch")


def fresh(code):
    """Run code in a new interpreter and return what it prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_public_names_are_pinned():
    assert set(pellucid.__all__) == PUBLIC


def test_every_public_name_can_be_had():
    for name in PUBLIC:
        assert getattr(pellucid, name) is not None


def test_unknown_name_is_an_attribute_error():
    assert not hasattr(pellucid, "no_such_name")


def test_import_loads_nothing_heavy():
    loaded = fresh(f"import sys, pellucid; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded == "[]"


def test_doors_survive_the_import_of_every_room():
    code = (
        "import pellucid, pellucid.auditing.audit, pellucid.explainers.importance, pellucid._door\n"
        "print(all(callable(getattr(pellucid, n)) for n in ('audit', 'explain', 'importance', 'pdp', 'ale')))"
    )
    assert fresh(code) == "True"
