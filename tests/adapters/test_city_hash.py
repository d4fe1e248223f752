"""CityHash64 against CatBoost, which numbers the values of its categories by it."""

import json

import numpy as np
import pandas as pd
import pytest

from pellucid.adapters.city_hash import city_hash_64

catboost = pytest.importorskip("catboost")


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 16, 17, 31, 32, 33, 48, 63, 64, 65, 127, 128, 129, 200])
def test_every_branch_by_the_length_of_the_text(length, tmp_path):
    rng = np.random.default_rng(length)
    texts = ["".join(rng.choice(list("abcdefghij"), length)) for _ in range(3)]
    X = pd.DataFrame({"c": np.resize(texts, 60)})
    model = catboost.CatBoostRegressor(
        iterations=6, depth=2, verbose=0, one_hot_max_size=9, thread_count=1, allow_writing_files=False
    )
    model.fit(X, X["c"].map(texts.index).astype(float), cat_features=["c"])
    model.save_model(str(tmp_path / "m.json"), format="json")
    content = json.loads((tmp_path / "m.json").read_text())
    stored = {value % 2**32 for value in content["features_info"]["categorical_features"][0]["values"]}
    assert len(stored) >= 2
    assert stored <= {city_hash_64(text.encode()) % 2**32 for text in texts}
