"""What is measured, and what was set out to be reached."""

from dataclasses import dataclass

OURS = "pellucid"
KERNELS = ("shap", "fasttreeshap", "woodelf", "shapiq", "shapiq kernel")
XGBOOST = ("XGBoost", *KERNELS)
LIGHTGBM = ("LightGBM", *KERNELS)
BACKGROUND = ("shap", "woodelf", "shapiq")
NOT_LINEAR = ("woodelf", "fasttreeshap", "CatBoost")
"""Peers with a cost that does not depend on the rows: these always get all rows."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One line of the table.

    Parameters
    ----------
    title : str
    model : str
        One of `models.MODELS`.
    work : {"values", "interactions", "load"}
        `load` is building an explainer and explaining one row.
    rows, background : int
        Rows that are explained; rows that stand for a hidden feature, 0 for path-dependent values.
    must, aim : float
        Ratios to the best peer; 0 where none was set.
    peers : tuple of str
        Keys of `peers.PEERS`.
    instructions : str
        Instruction set of our kernels; empty for the processor's best.
    """

    title: str
    model: str
    work: str = "values"
    rows: int = 1000
    background: int = 0
    must: float = 0.0
    aim: float = 0.0
    peers: tuple[str, ...] = XGBOOST
    instructions: str = ""


SCENARIOS = {
    "values d6": Scenario(title="values, XGBoost D6, 500 trees", model="xgb d6", must=40, aim=80),
    "values lgb31": Scenario(
        title="values, LightGBM 31 leaves, 500 trees", model="lgb 31", must=30, aim=60, peers=LIGHTGBM
    ),
    "values lgb255": Scenario(
        title="values, LightGBM 255 leaves, 500 trees", model="lgb 255", must=20, aim=45, peers=LIGHTGBM
    ),
    "values d12": Scenario(title="values, XGBoost D12, 100 trees", model="xgb d12", must=24, aim=49),
    "values forest": Scenario(
        title="values, deep forest, 100 trees", model="forest", rows=256, must=20, aim=40, peers=KERNELS
    ),
    "pairs d6": Scenario(
        title="interactions, XGBoost D6, 100 trees", model="xgb d6 100", work="interactions", must=40, aim=80
    ),
    "pairs d12": Scenario(
        title="interactions, XGBoost D12, 100 trees",
        model="xgb d12",
        work="interactions",
        rows=256,
        must=40,
        aim=80,
    ),
    "pairs lgb31": Scenario(
        title="interactions, LightGBM 31 leaves, 500 trees",
        model="lgb 31",
        work="interactions",
        rows=256,
        must=30,
        aim=60,
        peers=KERNELS,
    ),
    "background 100": Scenario(
        title="interventional, D6, background 100",
        model="xgb d6 100",
        background=100,
        must=60,
        aim=150,
        peers=BACKGROUND,
    ),
    "background 1k": Scenario(
        title="interventional, D6, background 1,000",
        model="xgb d6 100",
        background=1000,
        must=50,
        aim=120,
        peers=BACKGROUND,
    ),
    "background 10k": Scenario(
        title="interventional, D6, background 10,000",
        model="xgb d6 100",
        background=10_000,
        must=25,
        aim=60,
        peers=BACKGROUND,
    ),
    "many rows": Scenario(
        title="interventional, D6, 10,000 rows, background 1,000",
        model="xgb d6 100",
        rows=10_000,
        background=1000,
        must=15,
        aim=30,
        peers=BACKGROUND,
    ),
    "background d12": Scenario(
        title="interventional, D12, background 100",
        model="xgb d12",
        rows=256,
        background=100,
        must=25,
        aim=50,
        peers=BACKGROUND,
    ),
    "background forest": Scenario(
        title="interventional, deep forest, background 100",
        model="forest",
        rows=64,
        background=100,
        must=4,
        aim=10,
        peers=BACKGROUND,
    ),
    "oblivious": Scenario(
        title="values, CatBoost oblivious D6, 500 trees, 10,000 rows",
        model="catboost",
        rows=10_000,
        must=30,
        aim=60,
        peers=("CatBoost", "shapiq", "shapiq kernel", "woodelf"),
    ),
    "one row": Scenario(title="one row (warm), XGBoost D6, 500 trees", model="xgb d6", rows=1, must=8, aim=15),
    "load": Scenario(
        title="model load and one row, XGBoost D6, 500 trees",
        model="xgb d6",
        work="load",
        rows=1,
        must=20,
        aim=50,
        peers=("shap", "fasttreeshap", "shapiq"),
    ),
    "avx2": Scenario(
        title="values, XGBoost D6, 500 trees, AVX2 only", model="xgb d6", must=12, aim=20, instructions="avx2"
    ),
}
"""Every line of the table by a short name."""
