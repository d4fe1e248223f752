"""`python -m benchmarks.counterfactuals [WORDS]`: ours beside DiCE's random search, the same rows, models and process.

Words, such as "forest", take the tasks whose names have them.

Needs `dice-ml` (0.12 was used). Both are asked for one alternative with another class. The model's own `predict`
judges both; changes are counted cell by cell.
"""

import platform
import sys
import warnings
from importlib.metadata import version

import dice_ml
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

import pellucid
from benchmarks.timing import seconds
from pellucid.datasets import load_hmda

ROWS = 100


def tasks():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    hmda = load_hmda()
    finals = {
        "logistic regression": lambda: LogisticRegression(max_iter=1000),
        "random forest": lambda: RandomForestClassifier(100, random_state=0),
        "HistGradientBoosting": lambda: HistGradientBoostingClassifier(max_iter=50, random_state=0),
    }
    for name, table, target in (("breast cancer", X, y), ("HMDA", hmda.X, (hmda.y == "yes").astype(int))):
        text = [column for column in table if table[column].dtype.kind not in "if"]
        for label, final in finals.items():
            encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            columns = make_column_transformer((encode, text), remainder=StandardScaler())
            yield f"{name}, {label}", make_pipeline(columns, final()).fit(table, target), table, target, text


def quality(model, rows, owners, alternatives):
    """Share of rows answered, share of alternatives that are valid, mean number of changed cells."""
    if not len(alternatives):
        return 0.0, np.nan, np.nan
    before = rows.iloc[owners].reset_index(drop=True)
    after = alternatives[list(rows)].reset_index(drop=True).astype(before.dtypes.to_dict())
    valid = model.predict(after) != model.predict(before)
    return len(set(owners)) / len(rows), valid.mean(), (after != before).to_numpy().sum(axis=1).mean()


def dice(model, table, target, text):
    frame = table.assign(outcome=target)
    numbers = [column for column in table if column not in text]
    data = dice_ml.Data(dataframe=frame, continuous_features=numbers, outcome_name="outcome")
    peer = dice_ml.Dice(data, dice_ml.Model(model=model, backend="sklearn"), method="random")
    options = {"total_CFs": 1, "desired_class": "opposite", "random_seed": 0, "verbose": False}

    def answer(rows):
        import pandas as pd

        found = []
        for i in range(len(rows)):  # all rows in one call raise as soon as one of them has no answer
            try:
                example = peer.generate_counterfactuals(rows.iloc[[i]], **options).cf_examples_list[0]
            except dice_ml.utils.exception.UserConfigValidationException:
                continue
            if example.final_cfs_df is not None and len(example.final_cfs_df):
                found.append((i, example.final_cfs_df))
        owners = [i for i, frame in found for _ in range(len(frame))]
        return owners, pd.concat([frame for _, frame in found]) if found else table.head(0)

    return answer


def main():
    warnings.simplefilter("ignore")  # the peer's
    print(f"Python {platform.python_version()}, dice-ml {version('dice-ml')}, {platform.machine()}, {ROWS} rows")
    print()
    print("| task | | seconds | ratio | rows answered | valid | cells changed |\n|---|---|---|---|---|---|---|")
    for name, model, table, target, text in tasks():
        if not all(word in name for word in sys.argv[1:]):
            continue
        rows = table.iloc[:ROWS].reset_index(drop=True)
        peer = dice(model, table, target, text)
        answers = {}

        def ours(model=model, rows=rows, table=table, answers=answers):
            answers["ours"] = pellucid.counterfactuals(model, rows, background=table)

        def theirs(peer=peer, rows=rows, answers=answers):
            answers["peer"] = peer(rows)

        peer(rows.head(1))
        ours()
        times = [seconds(ours) for _ in range(3)]
        theirs_time = seconds(theirs)
        times += [seconds(ours) for _ in range(2)]
        mine = float(np.median(times))
        found = answers["ours"]
        report = {
            "pellucid": (mine, quality(model, rows, found.row, found.alternatives)),
            "DiCE random": (theirs_time, quality(model, rows, *answers["peer"])),
        }
        for who, (time, (answered, valid, changed)) in report.items():
            ratio = f"{theirs_time / mine:.0f}x" if who == "pellucid" else ""
            print(f"| {name} | {who} | {time:.2f} | {ratio} | {answered:.0%} | {valid:.0%} | {changed:.1f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        main()
