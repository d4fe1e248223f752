"""Adults of the health survey NHANES, 2017-2018."""

from typing import TYPE_CHECKING

from pellucid.datasets._dataset import Dataset, read_shipped_csv

if TYPE_CHECKING:
    import pandas as pd

TARGET = "Diabetes"
TOLD = "DoctorToldYouHaveDiabetes"
HBA1C = "Glycohemoglobin"
HBA1C_LIMIT = 6.5
"""Percent; the usual diagnostic limit of the American Diabetes Association."""

COLUMNS = {
    "Gender": "Gender as recorded by the survey: Female or Male.",
    "AgeInYearsAtScreening": "Age in years; 80 stands for 80 and older.",
    "RacehispanicOriginWNhAsian": "Race and Hispanic origin as recorded by the survey, in six categories.",
    "BodyMassIndexKgm2": "Body mass index, in kg/m².",
    "WaistCircumferenceCm": "Waist circumference, in cm.",
    "SystolicBloodPres1StRdgMmHg": "Systolic blood pressure, first reading, in mm Hg.",
    "DirectHdlcholesterolMgdl": "HDL cholesterol, in mg/dl.",
    "TotalCholesterolMgdl": "Total cholesterol, in mg/dl.",
    "RatioOfFamilyIncomeToPoverty": "Family income divided by the poverty line; 5 stands for 5 and above.",
    "GeneralHealthCondition": "The person’s own view of their health, with the survey’s truncated labels "
    "('Fair or' is fair, 'Poor?' is poor).",
    "CoveredByHealthInsurance": "1 if covered by any health insurance, 0 if not.",
    HBA1C: "Glycated haemoglobin (HbA1c) in the blood, in percent.",
    TOLD: "Answer to whether a doctor ever told the person that they have diabetes: 0, 1 or Borderline.",
    TARGET: f"Made by this package: yes where a doctor told the person that they have diabetes ({TOLD} is 1) or "
    f"{HBA1C} is {HBA1C_LIMIT} or more; else no.",
}

CAVEATS = (
    f"`{TARGET}` is our definition. The answer to the interview alone misses people whom no doctor tested: of adults "
    "who answered no, 1.3 % of non-Hispanic white and 4.4 to 5.2 % of the other groups have HbA1c of 6.5 or more "
    "(unweighted). HbA1c alone misses people whose treatment works. One high value is not a clinical diagnosis.",
    f"'Borderline' counts as not told (159 rows). Four rows without an answer are decided by {HBA1C} alone.",
    f"{TOLD} and {HBA1C} make up the target and are therefore left out of `X`.",
    "Favourable is yes: being recognised is what a screening programme hands out, and a missed case is the harm.",
    "The survey’s sampling weights are not in this table, so no figure here is a figure about the United States.",
    "Values are missing in nine columns: most in family income (653), systolic pressure (564), general health (322) "
    "and waist (265). They are not missing at random.",
    "Adults of 20 and more who have an HbA1c value; 5,018 rows, 14 columns, no duplicated rows.",
)


def load_nhanes() -> Dataset:
    """Load 5,018 adults of the National Health and Nutrition Examination Survey 2017-2018.

    The task is to recognise diabetes without a blood sugar test: the target ``Diabetes`` is ``yes`` where a doctor said
    so or HbA1c is 6.5 % or more.

    Returns
    -------
    Dataset
        5,018 rows and 14 columns, with missing values.

    References
    ----------
    Centers for Disease Control and Prevention, National Center for Health Statistics (2020), National Health and
    Nutrition Examination Survey Data, 2017-2018.

    Examples
    --------
    >>> from pellucid.datasets import load_nhanes
    >>> nhanes = load_nhanes()
    >>> nhanes.X.shape
    (5018, 11)
    >>> int((nhanes.y == "yes").sum())
    994
    """
    frame = read_shipped_csv("nhanes_2017_2018_adults_subset.csv", dtype={TOLD: "str"})
    frame[TARGET] = _diabetes(frame)
    return Dataset(
        name="nhanes",
        title="Adults in the survey NHANES 2017-2018",
        frame=frame,
        target=TARGET,
        favorable="yes",
        sensitive_features=("RacehispanicOriginWNhAsian",),
        excluded=dict.fromkeys((HBA1C, TOLD), "the target is made of it"),
        immutable=("Gender", "AgeInYearsAtScreening", "RacehispanicOriginWNhAsian"),
        columns=COLUMNS,
        source="Centers for Disease Control and Prevention (CDC), National Center for Health Statistics (NCHS): "
        "National Health and Nutrition Examination Survey, public-use files of 2017-2018; 13 variables of adults.",
        licence="Public-use data of the US government. Notice of the NCHS: the data may be used for statistical "
        "reporting and analysis only; make no attempt to learn the identity of any person or establishment in them, "
        "do not link them with data that identify people, and report an identity discovered by accident to the NCHS.",
        caveats=CAVEATS,
    )


def _diabetes(frame: "pd.DataFrame") -> "pd.Series[str]":
    found = (frame[TOLD] == "1") | (frame[HBA1C] >= HBA1C_LIMIT)
    return found.map({True: "yes", False: "no"})
