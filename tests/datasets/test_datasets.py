import dataclasses
import subprocess
import sys

import pytest

from pellucid.datasets import load_hmda, load_nhanes


@pytest.mark.parametrize("load", [load_hmda, load_nhanes])
def test_documentation_covers_exactly_the_columns(load):
    dataset = load()
    assert set(dataset.columns) == set(dataset.frame.columns)
    assert {*dataset.sensitive_features, *dataset.immutable} <= set(dataset.X.columns)
    assert dataset.target not in dataset.X.columns
    assert not set(dataset.excluded) & set(dataset.X.columns)
    assert dataset.favorable in set(dataset.y)
    assert len(dataset.X) == len(dataset.y) == len(dataset.frame)


def test_hmda_is_as_documented():
    hmda = load_hmda()
    frame = hmda.frame
    assert frame.shape == (2380, 14)
    assert not frame.isna().any().any()
    assert frame.duplicated().sum() == 3
    assert frame.groupby("afam")["deny"].agg(lambda y: int((y == "yes").sum())).to_dict() == {"no": 189, "yes": 96}
    assert frame["afam"].value_counts().to_dict() == {"no": 2041, "yes": 339}
    insurance = frame[frame["insurance"] == "yes"]
    assert (len(insurance), int((insurance["deny"] == "yes").sum())) == (48, 44)
    assert frame["pirat"].iloc[0] == 0.2210000038146972


def test_nhanes_is_as_documented():
    nhanes = load_nhanes()
    frame = nhanes.frame
    assert frame.shape == (5018, 14)
    assert frame.duplicated().sum() == 0
    missing = frame.isna().sum()
    assert missing[missing > 0].drop("DoctorToldYouHaveDiabetes").size == 8
    assert missing["RatioOfFamilyIncomeToPoverty"] == 653
    told = frame["DoctorToldYouHaveDiabetes"].astype("object")
    expected = ["yes" if t == "1" or h >= 6.5 else "no" for t, h in zip(told, frame["Glycohemoglobin"], strict=True)]
    assert nhanes.y.tolist() == expected
    told_no = frame[told == "0"]
    high = (told_no["Glycohemoglobin"] >= 6.5).groupby(told_no["RacehispanicOriginWNhAsian"]).mean()
    assert round(high.pop("Non-Hispanic White"), 3) == 0.013
    assert (round(high.min(), 3), round(high.max(), 3)) == (0.044, 0.052)


def test_nhanes_carries_the_notice():
    notice = load_nhanes().licence
    assert "statistical" in notice
    assert "identity" in notice


def test_changing_one_load_does_not_change_the_next():
    first = load_hmda()
    first.frame.loc[0, "deny"] = "changed"
    table = first.X
    table.loc[0, "pirat"] = -1.0
    assert load_hmda().y[0] == "no"
    assert first.frame["pirat"][0] > 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.target = "afam"


def test_importing_the_room_loads_no_pandas():
    code = "import sys, pellucid.datasets; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
