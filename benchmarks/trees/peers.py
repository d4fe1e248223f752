"""Everybody's public call under one signature: float64 rows in, the library's own answer out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.trees.scenarios import OURS, Scenario


@dataclass(eq=False)
class Clock:
    """Seconds that were spent inside a function, apart from the call it is a part of."""

    cpu: float = 0.0
    wall: float = 0.0

    def around(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return the function with its seconds added up here."""

        def clocked(rows: Any) -> Any:
            cpu, wall = time.process_time(), time.perf_counter()
            result = function(rows)
            self.cpu += time.process_time() - cpu
            self.wall += time.perf_counter() - wall
            return result

        return clocked


@dataclass(frozen=True, kw_only=True, eq=False)
class Ready:
    """A built explainer.

    Parameters
    ----------
    call : callable
        Rows to the library's answer: what is timed.
    read : callable
        That answer to values (rows, features[, features]) of the second class, and base values or None.
    predicting : Clock
        Seconds that `call` spent in the model's own predict, where it checks itself against that.
    """

    call: Callable[[Any], Any]
    read: Callable[[Any], tuple[Any, Any]]
    predicting: Clock = field(default_factory=Clock)


def pellucid(model: Any, background: Any, scenario: Scenario, threads: int = 1) -> Ready:
    """Ours; everything is checked against the model's own predict, whose seconds are kept apart."""
    from pellucid import Explainer

    explainer = Explainer(model, background, n_jobs=threads)
    if scenario.instructions:
        _with_instructions(explainer, scenario.instructions)
    clock = Clock()
    explainer.model = replace(explainer.model, raw=clock.around(explainer.model.raw))
    pairs = scenario.work == "interactions"
    return Ready(
        call=explainer.interactions if pairs else explainer,
        read=lambda found: (found.values[..., -1], found.base_values[:, -1]),
        predicting=clock,
    )


def _with_instructions(explainer: Any, instructions: str) -> None:
    """Give a path-dependent explainer the kernels of a smaller instruction set, for which there is no public word."""
    from pellucid._kernels.trees import PathDependent

    bound = explainer._bound
    game = PathDependent(bound.trees, bound.encoding.groups, len(bound.encoding.groups), instructions=instructions)
    explainer._bound = replace(bound, game=game)


def xgboost(model: Any, background: Any, scenario: Scenario) -> Ready:
    """The built-in contributions of XGBoost."""
    from xgboost import DMatrix

    booster = model.get_booster()
    booster.set_param({"nthread": 1})
    if scenario.work == "interactions":
        return Ready(
            call=lambda X: booster.predict(DMatrix(X, nthread=1), pred_interactions=True),
            read=lambda found: (found[:, :-1, :-1], found[:, -1, -1]),
        )
    return Ready(
        call=lambda X: booster.predict(DMatrix(X, nthread=1), pred_contribs=True),
        read=lambda found: (found[:, :-1], found[:, -1]),
    )


def lightgbm(model: Any, background: Any, scenario: Scenario) -> Ready:
    """The built-in contributions of LightGBM."""
    booster = model.booster_
    return Ready(
        call=lambda X: booster.predict(X, pred_contrib=True, num_threads=1),
        read=lambda found: (found[:, :-1], found[:, -1]),
    )


def catboost(model: Any, background: Any, scenario: Scenario) -> Ready:
    """The built-in contributions of CatBoost."""
    from catboost import Pool

    return Ready(
        call=lambda X: model.get_feature_importance(Pool(X, thread_count=1), type="ShapValues", thread_count=1),
        read=lambda found: (found[:, :-1], found[:, -1]),
    )


def shap(model: Any, background: Any, scenario: Scenario) -> Ready:
    """shap's own kernel: where TreeExplainer would hand over to a library's built-in, the trees are asked directly."""
    from shap import TreeExplainer, maskers

    masker = None if background is None else maskers.Independent(background, max_samples=len(background))
    explainer = TreeExplainer(model, masker)
    explainer.model.model_type = "internal"
    base = np.ravel(explainer.expected_value)[-1]
    if scenario.work == "interactions":
        return Ready(call=explainer.shap_interaction_values, read=lambda found: (_second_class(found, 3), base))
    return Ready(
        call=lambda X: explainer.shap_values(X, check_additivity=False),
        read=lambda found: (_second_class(found, 2), base),
    )


def fasttreeshap(model: Any, background: Any, scenario: Scenario) -> Ready:
    """FastTreeSHAP, version 2 for values; its interactions know version 1 only."""
    from fasttreeshap_fixed import TreeExplainer

    pairs = scenario.work == "interactions"
    explainer = TreeExplainer(model, algorithm="v1" if pairs else "v2", n_jobs=1, shortcut=False)
    base = np.ravel(explainer.expected_value)[-1]
    if pairs:
        return Ready(call=explainer.shap_interaction_values, read=lambda found: (_second_class(found, 3), base))
    return Ready(
        call=lambda X: explainer.shap_values(X, check_additivity=False),
        read=lambda found: (_second_class(found, 2), base),
    )


def _second_class(found: Any, rank: int) -> Any:
    """Values of the second class, whether classes are the last axis, a list or not there."""
    array = np.stack(found, axis=-1) if isinstance(found, list) else np.asarray(found)
    return array[..., -1] if array.ndim > rank else array


def woodelf(model: Any, background: Any, scenario: Scenario) -> Ready:
    """WOODELF takes frames only."""
    import pandas as pd
    from woodelf.explainer import WoodelfExplainer

    explainer = WoodelfExplainer(model, None if background is None else pd.DataFrame(background))
    work = explainer.shap_interaction_values if scenario.work == "interactions" else explainer.shap_values
    return Ready(
        call=lambda X: work(pd.DataFrame(X), verbose=False),
        read=lambda found: (np.asarray(found, dtype=np.float64), None),
    )


def shapiq(model: Any, background: Any, scenario: Scenario) -> Ready:
    """shapiq's explainer; its own code, not the hand-over to woodelf, which is measured by itself."""
    from shapiq import TreeExplainer

    pairs = scenario.work == "interactions"
    explainer = TreeExplainer(
        model,
        mode="pathdependent" if background is None else "interventional",
        reference_dataset=background,
        backend="shapiq",
        class_index=1,
        index="SII" if pairs else "SV",
        max_order=2 if pairs else 1,
    )

    def read(found: Any) -> tuple[Any, Any]:
        return _matrix(found.values, found.n_instances, found.n_players, pairs), found.baseline_value

    return Ready(call=explainer.explain_X, read=read)


def shapiq_kernel(model: Any, background: Any, scenario: Scenario) -> Ready:
    """shapiq's compiled kernel with all rows in one call, which its explainer makes row by row; not public."""
    from shapiq.tree.quadrature import QuadratureTreeSHAP
    from shapiq.tree.quadrature.cext import layout_to_dict, quadrature_tree_shap

    pairs = scenario.work == "interactions"
    computer = QuadratureTreeSHAP(model, max_order=2 if pairs else 1, index="SII" if pairs else "SV", class_index=1)
    relevant = np.ascontiguousarray(computer._relevant_features, dtype=np.int64)

    def call(X: Any) -> Any:
        if computer._kernel_args is None:
            computer.explain(X[0])
        args = computer._kernel_args
        rows = np.ascontiguousarray(computer._trees[0].cast_input(X)[:, relevant], dtype=np.float64)
        out = np.zeros((len(X), computer._output_size))
        quadrature_tree_shap(*args[:18], rows, out, *args[18:])
        return out

    def read(out: Any) -> tuple[Any, Any]:
        keys, counts = computer._subset_tables
        width = computer._n_features_in_tree
        found = [layout_to_dict(row, keys, counts, width, computer._min_order, relevant, False) for row in out]
        values = {key: np.array([one[key] for one in found]) for key in found[0]}
        return _matrix(values, len(out), len(model.feature_importances_), pairs), computer.empty_prediction

    return Ready(call=call, read=read)


def _matrix(values: Any, n_rows: int, n_features: int, pairs: bool) -> Any:
    """Shapley interaction indices as shap's matrices: half of an index on each side, lines add up to the value."""
    first = np.zeros((n_rows, n_features))
    matrix = np.zeros((n_rows, n_features, n_features))
    for key, column in values.items():
        if len(key) == 1:
            first[:, key[0]] = column
        elif len(key) == 2:
            matrix[:, key[0], key[1]] = matrix[:, key[1], key[0]] = column / 2
    if not pairs:
        return first
    matrix[:, np.arange(n_features), np.arange(n_features)] = first - matrix.sum(axis=2)
    return matrix


PEERS: dict[str, Callable[[Any, Any, Scenario], Ready]] = {
    OURS: pellucid,
    "XGBoost": xgboost,
    "LightGBM": lightgbm,
    "CatBoost": catboost,
    "shap": shap,
    "fasttreeshap": fasttreeshap,
    "woodelf": woodelf,
    "shapiq": shapiq,
    "shapiq kernel": shapiq_kernel,
}
PRECISION = {"XGBoost": 1e-4, "woodelf": 1e-4}
"""How far answers of float32 libraries may be off, as a share of the largest; `USUAL` for the others."""
USUAL = 1e-6
