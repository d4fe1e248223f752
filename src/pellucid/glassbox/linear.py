"""Linear and logistic regression on raw features, with intervals for every coefficient."""

from typing import Any

import numpy as np
from scipy.stats import t
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pellucid._base.statistics import LEVEL, normal_quantile
from pellucid._base.typing import Array, Float1, Float2
from pellucid._base.words import counted
from pellucid.glassbox._bins import plain
from pellucid.glassbox.description import Columns, GlassDescription
from pellucid.glassbox.encoder import EncodedColumn, TableEncoder
from pellucid.table import Table


def build_linear(task: str) -> Pipeline:
    """Ridge or logistic regression (penalty 1) on encoded and standardised columns.

    The penalty is one row's worth of doubt: it keeps coefficients finite where columns repeat each
    other or classes are perfectly separated, and hardly moves them elsewhere.
    """
    final = Ridge(alpha=1.0) if task == "regression" else LogisticRegression(C=1.0, max_iter=2000)
    return Pipeline([("encoder", TableEncoder()), ("scaler", StandardScaler()), ("model", final)])


def describe_linear(fitted: Pipeline, X: Table, y: Array, sample_weight: Float1 | None = None) -> GlassDescription:
    """Coefficients per unit of each raw feature, with 95 % intervals from the training rows."""
    columns = fitted.named_steps["encoder"].columns_
    Z = np.asarray(fitted[:-1].transform(X.native))
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    model = fitted.named_steps["model"]
    if isinstance(model, Ridge):
        coefficients = np.append(model.coef_, model.intercept_)[None, :]
        covariance, freedom = _ridge_covariance(model, Z, y, weights)
        quantile, outputs = float(t.ppf(0.975, max(freedom, 1.0))), [""]
    else:
        coefficients = np.column_stack([model.coef_, model.intercept_])
        covariance = _logistic_covariance(model, Z, weights)
        quantile = normal_quantile(LEVEL)
        outputs = [str(c) for c in (model.classes_[1:] if len(model.classes_) == 2 else model.classes_)]
    table = _coefficient_table(
        columns,
        fitted.named_steps["scaler"],
        coefficients,
        covariance=covariance,
        quantile=quantile,
        outputs=outputs,
    )
    return _description(table, columns, outputs, is_logistic=not isinstance(model, Ridge))


def _ridge_covariance(model: Ridge, Z: Float2, y: Array, weights: Float1) -> tuple[Float2, float]:
    """σ²·A⁻¹ with A = Z'WZ + αI, and the residual degrees of freedom n − trace(hat matrix)."""
    D = np.column_stack([Z, np.ones(len(Z))])
    gram = D.T @ (D * weights[:, None])
    inverse = np.linalg.pinv(gram + _ridge(Z.shape[1], model.alpha))
    used = float(np.trace(inverse @ gram))
    residual = np.asarray(y, dtype=float) - model.predict(Z)
    counted = np.count_nonzero(weights)
    freedom = counted - used
    # weights count rows, so the spread is per row of weight one
    scale = weights.sum() / counted
    sigma2 = float((weights * residual**2).sum()) / max(freedom, 1.0) / scale
    return inverse * sigma2 * scale, freedom


def _logistic_covariance(model: LogisticRegression, Z: Float2, weights: Float1) -> Float2:
    """Inverse of the penalised Fisher information, of all classes together."""
    D = np.column_stack([Z, np.ones(len(Z))])
    penalty = _ridge(Z.shape[1], 1.0 / model.C)
    probability = model.predict_proba(Z)
    if probability.shape[1] == 2:
        p = probability[:, 1]
        information = D.T @ (D * (weights * p * (1 - p))[:, None]) + penalty
        return np.linalg.pinv(information)
    k, width = probability.shape[1], D.shape[1]
    information = np.zeros((k * width, k * width))
    for a in range(k):
        for b in range(k):
            # second derivative of the softmax loss: p_a (1[a = b] − p_b)
            curvature = weights * probability[:, a] * ((a == b) - probability[:, b])
            block = D.T @ (D * curvature[:, None]) + (penalty if a == b else 0.0)
            information[a * width : (a + 1) * width, b * width : (b + 1) * width] = block
    return np.linalg.pinv(information, hermitian=True)


def _ridge(width: int, strength: float) -> Float2:
    """Penalty on all coefficients but the intercept, the last."""
    return np.diag(np.append(np.full(width, strength), 0.0))


def _coefficient_table(
    columns: list[EncodedColumn],
    scaler: StandardScaler,
    coefficients: Float2,
    *,
    covariance: Float2,
    quantile: float,
    outputs: list[str],
) -> dict[str, list[Any]]:
    """Turn standardised coefficients into natural units; both are linear in each other."""
    natural = np.diag(np.append(1 / scaler.scale_, 1.0))
    natural[-1, :-1] = -scaler.mean_ / scaler.scale_
    width = len(columns) + 1
    table: dict[str, list[Any]] = {
        name: [] for name in ("output", "feature", "change", "coefficient", "low", "high", "per_sd")
    }
    for k, output in enumerate(outputs):
        block = covariance[k * width : (k + 1) * width, k * width : (k + 1) * width]
        values = natural @ coefficients[k]
        half = quantile * np.sqrt(np.maximum(np.diag(natural @ block @ natural.T), 0.0))
        for j, value in enumerate(values):
            table["output"].append(output)
            table["feature"].append(columns[j].feature if j < len(columns) else "intercept")
            table["change"].append(_change(columns[j]) if j < len(columns) else "")
            table["coefficient"].append(float(value))
            table["low"].append(float(value - half[j]))
            table["high"].append(float(value + half[j]))
            table["per_sd"].append(float(coefficients[k, j]) if j < len(columns) else None)
    return table


def _change(column: EncodedColumn) -> str:
    """Name what a coefficient is the effect of."""
    if column.meaning == "level":
        return f"{column.level} instead of {column.reference}"
    if column.meaning == "flag":
        return "true instead of false"
    return f"missing instead of {plain(column.fill)}" if column.meaning == "missing" else "+1"


def _description(
    table: dict[str, list[Any]], columns: list[EncodedColumn], outputs: list[str], *, is_logistic: bool
) -> GlassDescription:
    n = len(columns) * len(outputs)
    complexity = counted(n, "coefficient")
    interval = "95 % intervals are from {} of the ridge fit (penalty 1 on standardised columns) on the training rows."
    if not is_logistic:
        del table["output"]
        return GlassDescription(
            title="Linear regression",
            sentences=(
                "The prediction is the intercept plus each feature’s value times its coefficient.",
                interval.format("the residual variance and the inverse normal matrix"),
            ),
            complexity=complexity,
            tables={"coefficients": table},
        )
    what = f"the log odds of ‘{outputs[0]}’" if len(outputs) == 1 else "each class’s score (softmax)"
    table["odds_ratio"] = [float(np.exp(np.clip(value, -700, 700))) for value in table["coefficient"]]
    shown: Columns = table
    return GlassDescription(
        title="Logistic regression",
        sentences=(
            f"The intercept plus each feature’s value times its coefficient is {what}; "
            "the odds ratio is what one step multiplies the odds by.",
            interval.format("the inverse Fisher information"),
        ),
        complexity=complexity,
        tables={"coefficients": shown},
    )
