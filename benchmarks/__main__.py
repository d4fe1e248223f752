"""`make bench`: ours beside shap and lime on the same models and rows, answers compared first."""

import platform
import sys
import warnings
from importlib.metadata import version

import lime.lime_tabular
import numpy as np
import shap
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor

import pellucid
from benchmarks.timing import interleaved


def tree_rows():
    """Exact tree values: ours against shap's TreeExplainer, both games."""
    X, y = load_breast_cancer(return_X_y=True)
    model = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(X, y)
    Xr, yr = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(100, max_depth=8, random_state=0).fit(Xr, yr)
    for name, fitted, rows in (
        ("HistGradientBoosting, 100 trees", model, X),
        ("random forest, 100 trees, depth 8", forest, Xr),
    ):
        for background in (None, rows[:100]):
            ours = pellucid.Explainer(fitted, background)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                masker = (
                    None if background is None else shap.maskers.Independent(background, max_samples=len(background))
                )
                peer = shap.TreeExplainer(fitted, masker)
                theirs = np.asarray(peer.shap_values(rows, check_additivity=False))
            gap = np.abs(ours(rows).values[:, :, -1] - theirs.reshape(rows.shape)).max()
            timed = interleaved(
                lambda o=ours, r=rows: o(r), lambda p=peer, r=rows: p.shap_values(r, check_additivity=False), 3
            )
            yield (
                f"{name}, {'100 background rows' if background is not None else 'path-dependent'}",
                "shap.TreeExplainer",
                timed,
                gap,
            )


def lime_rows():
    """LIME: ours against lime at its default, one row and a hundred."""
    X, y = load_breast_cancer(return_X_y=True)
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(X, y)
    peer = lime.lime_tabular.LimeTabularExplainer(X, random_state=0)
    ours = pellucid.Explainer(model, X, method="lime", space="probability")
    for count in (1, 50):
        rows = X[:count]
        timed = interleaved(
            lambda r=rows: ours(r), lambda r=rows: [peer.explain_instance(x, model.predict_proba) for x in r], 3
        )
        yield f"LIME, {count} row{'s' * (count > 1)}", "lime", timed, float("nan")


def main():
    print(f"Python {platform.python_version()}, shap {version('shap')}, lime {version('lime')}, {platform.machine()}\n")
    print("| work | peer | ours, s | peer, s | ratio | largest difference |\n|---|---|---|---|---|---|")
    for rows in (tree_rows, lime_rows):
        for name, peer, timed, gap in rows():
            shown = "" if np.isnan(gap) else f"{gap:.1e}"
            print(f"| {name} | {peer} | {timed.ours:.3f} | {timed.peer:.3f} | {timed.ratio:.1f}x | {shown} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
