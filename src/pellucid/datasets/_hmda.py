"""Boston mortgage applications of 1990."""

from pellucid.datasets._dataset import Dataset, read_shipped_csv

COLUMNS = {
    "deny": "The lender’s decision: yes means the mortgage was denied. It is not whether anybody defaulted.",
    "pirat": "All monthly debt payments divided by monthly income, as a share (0.33 is 33 %); runs up to 3.0.",
    "hirat": "Monthly housing expense divided by monthly income, as a share; runs up to 3.0.",
    "lvrat": "Amount of the loan divided by the assessed value of the property; runs up to 1.95.",
    "chist": "History of consumer credit, from 1 (no slow payments) to 6 (the worst).",
    "mhist": "History of mortgage payments, from 1 (the best) to 4 (the worst).",
    "phist": "Whether a public record of credit trouble, such as a bankruptcy, exists.",
    "unemp": "Unemployment rate of the applicant’s industry in Massachusetts in 1989, in percent.",
    "selfemp": "Whether the applicant is self-employed.",
    "insurance": "Whether the applicant was denied mortgage insurance. Decided during the application, not before.",
    "condomin": "Whether the property is a condominium.",
    "afam": "Whether the applicant is recorded as Black; the others are recorded as white.",
    "single": "Whether the applicant is unmarried.",
    "hschool": "Whether the applicant has a high-school diploma.",
}

CAVEATS = (
    "The sample was chosen by race: all Black applicants and a random part of the white ones, so the share of Black "
    "applicants is not the share among all applications of the time.",
    "`deny` records what lenders decided. A model that predicts it well repeats those decisions.",
    "`insurance` comes close to giving the answer away: of 48 applicants who were denied mortgage insurance, 44 were "
    "denied the mortgage. A model that is to be used before that decision must not have it.",
    "Only single-family residences in the Boston area in 1990, and 14 of the study’s many variables: a gap that "
    "remains here may be due to a variable that is not here.",
    "The cells are as distributed: pirat, hirat, lvrat and unemp carry the rounding noise of 32-bit floats "
    "(0.2210000038146972 for 0.221). Three rows are exact copies of others; they are kept, because two people can "
    "have the same figures.",
    "`single` is a protected characteristic in lending too; the default comparison is by `afam` alone.",
)


def load_hmda() -> Dataset:
    """Load 2,380 Boston mortgage applications of 1990 with the lenders' decisions.

    Returns
    -------
    Dataset
        2,380 rows and 14 columns, no missing values; the target ``deny`` is ``yes`` or ``no``, and ``no`` is
        favourable.

    References
    ----------
    A. H. Munnell, G. M. B. Tootell, L. E. Browne, J. McEneaney (1996), "Mortgage Lending in Boston: Interpreting
    HMDA Data", American Economic Review 86(1), 25-53.

    Examples
    --------
    >>> from pellucid.datasets import load_hmda
    >>> hmda = load_hmda()
    >>> hmda.X.shape
    (2380, 13)
    >>> int((hmda.y == "yes").sum())
    285
    """
    return Dataset(
        name="hmda",
        title="Boston mortgage applications, 1990",
        frame=read_shipped_csv("hmda_boston_1990_AER.csv"),
        target="deny",
        favorable="no",
        sensitive_features=("afam",),
        excluded={},
        immutable=("afam", "unemp"),
        columns=COLUMNS,
        source="Munnell, Tootell, Browne and McEneaney, 'Mortgage Lending in Boston: Interpreting HMDA Data', American "
        "Economic Review 86(1), 1996, from data of the Federal Reserve Bank of Boston; the subset of 14 variables "
        "used in Stock and Watson’s Introduction to Econometrics.",
        licence="No explicit licence was found for this table of facts. Check before you redistribute it.",
        caveats=CAVEATS,
    )
