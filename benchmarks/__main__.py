"""`make bench`: ours beside shap and lime on the same models and rows, answers compared first."""

import platform
import sys
from importlib.metadata import version

import lime.lime_tabular
import numpy as np
import shap
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor

import pellucid
from benchmarks.timing import interleaved


def tree_rows():
    """Exact tree values: ours against shap's TreeExplainer, both games, judged by enumeration of the model itself."""
    X, y = load_diabetes(return_X_y=True)
    models = {
        "HistGradientBoosting, 100 trees": HistGradientBoostingRegressor(max_iter=100, random_state=0).fit(X, y),
        "random forest, 100 trees of depth 8": RandomForestRegressor(100, max_depth=8, random_state=0).fit(X, y),
    }
    background = X[:100]
    for name, model in models.items():
        truth = pellucid.explain(model, X[:10], background=background, method="exact").values[:, :, 0]
        for game, rows in (("path-dependent", None), ("100 background rows", background)):
            ours = pellucid.Explainer(model, rows)
            masker = None if rows is None else shap.maskers.Independent(rows, max_samples=len(rows))
            peer = shap.TreeExplainer(model, masker)
            timed = interleaved(lambda o=ours: o(X), lambda p=peer: p.shap_values(X, check_additivity=False))
            reference = peer.shap_values(X[:10], check_additivity=False) if rows is None else truth
            yield (
                f"{name}, {game}",
                "shap.TreeExplainer",
                timed,
                np.abs(ours(X[:10]).values[:, :, 0] - reference).max(),
                np.nan if rows is None else np.abs(peer.shap_values(X[:10], check_additivity=False) - truth).max(),
            )


def lime_rows():
    """LIME: ours against lime at its default, one row and fifty."""
    X, y = load_breast_cancer(return_X_y=True)
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(X, y)
    peer = lime.lime_tabular.LimeTabularExplainer(X, random_state=0)
    ours = pellucid.Explainer(model, X, method="lime", space="probability")
    for count in (1, 50):
        rows = X[:count]
        timed = interleaved(
            lambda r=rows: ours(r), lambda r=rows: [peer.explain_instance(x, model.predict_proba) for x in r], 3
        )
        yield f"LIME, {count} row{'s' * (count > 1)}", "lime", timed, np.nan, np.nan


def main():
    print(f"Python {platform.python_version()}, shap {version('shap')}, lime {version('lime')}, {platform.machine()}\n")
    print("| work | peer | ours, s | peer, s | ratio | our error | peer's error |\n|---|---|---|---|---|---|---|")
    for rows in (tree_rows, lime_rows):
        for name, peer, timed, *errors in rows():
            shown = " | ".join("" if np.isnan(error) else f"{error:.1e}" for error in errors)
            print(f"| {name} | {peer} | {timed.ours:.3f} | {timed.peer:.3f} | {timed.ratio:.1f}x | {shown} |")
            sys.stdout.flush()
    print("\nErrors against background rows are judged by enumerating all coalitions of the model's own predictions;")
    print("path-dependent values by the peer's, with which they must agree.")


if __name__ == "__main__":
    main()
