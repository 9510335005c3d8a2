"""Rules between the fields of the dictionary, and of how their values lie: what sound records keep.

`usual` is the share of cases that break a rule in TCGA-BRCA (827 patients, 35 sites) and METABRIC (2,509, 9 cohorts),
at the site where most do, and a margin.
"""

import pandas as pd

from modalities.core.plausible.rules import Rule

YOUNGEST, OLDEST = 18.0, 110.0
PLAUSIBLE = {"age": (YOUNGEST, OLDEST), "nodes_examined": (0.0, 60.0), "nodes_positive": (0.0, 45.0)}
"""Between which a number is plausible, where that is less than what the dictionary permits; for pictures."""
_PERCENT = {"er": "ER", "pr": "PR"}
_COMPARE = "compare a few of these cases with their pathology reports"
_COLUMNS = "compare sources.clinical.columns in site.yaml with the file"
_HIGHEST_SCORE = 12.0
_MISSING = "leave the cell empty, or map it to missing under values.{} in site.yaml"
_HIGH_KI67, _MOST_STAINED, _TEN_PERCENT = 80.0, 50.0, 10.0


def _is_negative(cases: pd.DataFrame, short: str) -> pd.Series:
    """Where less than 1 % is what the status says."""
    return cases.get(short, pd.Series(None, index=cases.index)) == "negative"


def _of_a_receptor(short: str, name: str) -> tuple[Rule, ...]:
    """Status against percentage. 1 % is positive since 2010, and 10 % was before (doi:10.1200/JCO.2009.25.6529)."""
    percent = f"{short}_percent"
    return (
        Rule(
            (percent,),
            lambda cases: (cases[percent] > 0) & (cases[percent] < 1),
            f"{name} % is above 0 and below 1",
            "fractions (0.9 for 90), all or some of them",
            "write percentages from 0 to 100",
            usual=0.02,
            among=lambda cases: ~_is_negative(cases, short),
        ),
        Rule(
            (short, percent),
            lambda cases: (cases[short] == "negative") & (cases[percent] >= _TEN_PERCENT),
            f"{name} is negative, and 10 % or more of the nuclei are stained",
            "status and percentage contradict each other, or come from different samples or columns",
            _COMPARE,
        ),
        Rule(
            (short, percent),
            lambda cases: (cases[short] == "positive") & (cases[percent] < 1),
            f"{name} is positive, and less than 1 % of the nuclei are stained",
            "the percentage may be a fraction (0.9 for 90), or status and percentage contradict each other",
            "write percentages from 0 to 100",
        ),
        Rule(
            (short, percent),
            lambda cases: cases[percent] < _MOST_STAINED,
            f"{name} is positive, and less than half of the nuclei are stained",
            f"{name} % may be another column, such as Ki-67 %",
            _COLUMNS,
            usual=0.6,
            among=lambda cases: cases[short] == "positive",
        ),
        Rule(
            (percent,),
            lambda cases: cases[percent] <= _HIGHEST_SCORE,
            f"{name} % is {_HIGHEST_SCORE:g} or less where any nuclei are stained",
            "a score (IRS to 12, Allred to 8) or a code: most tumours that stain at all do so in most nuclei",
            "map the column of the percentage, or leave the field out",
            usual=0.6,
            among=lambda cases: (cases[percent] > 0) & ~_is_negative(cases, short),
        ),
        Rule(
            ("age", percent),
            lambda cases: cases["age"] == cases[percent],
            f"{name} % is the age",
            "one column was mapped to both, or copied",
            _COLUMNS,
            usual=0.1,
        ),
        Rule(
            (percent,),
            lambda cases: cases[percent].between(20, 80),
            f"{name} % is between 20 and 80",
            "most tumours stain hardly at all or nearly all over; this may be another column, such as the age",
            _COLUMNS,
            usual=0.6,
        ),
    )


def _ki67(cases: pd.DataFrame) -> pd.Series:
    return cases["ki67_percent"] >= _HIGH_KI67


_SWAPPED_KI67 = "Ki-67 % may be another column, such as ER %, and that one Ki-67"
RULES = (
    Rule(
        ("age",),
        lambda cases: ~cases["age"].between(YOUNGEST, OLDEST),
        f"the age is below {YOUNGEST:g} or above {OLDEST:g} years",
        "another unit (days, months, thousandths), or another column",
        "write the age at diagnosis in years",
    ),
    Rule(
        ("age",),
        lambda cases: cases["age"] == 99,
        "the age is 99",
        "99 may stand for a value that is not known",
        _MISSING.format("age"),
        usual=0.001,
    ),
    *(rule for short, name in _PERCENT.items() for rule in _of_a_receptor(short, name)),
    Rule(
        ("er", "pr"),
        lambda cases: cases["er"] == "negative",
        "ER and PR differ, and ER is the negative one,",
        "ER and PR may be swapped: where only one of them is positive, it is ER in four of five tumours",
        _COLUMNS,
        usual=0.3,
        among=lambda cases: (
            cases["er"].isin(["positive", "negative"])
            & cases["pr"].isin(["positive", "negative"])
            & (cases["er"] != cases["pr"])
        ),
    ),
    Rule(
        ("ki67_percent",),
        lambda cases: (cases["ki67_percent"] > 0) & (cases["ki67_percent"] < 1),
        "Ki-67 % is above 0 and below 1",
        "fractions (0,15) among percentages (20 %)",
        "write percentages from 0 to 100",
        usual=0.01,
    ),
    Rule(
        ("er", "ki67_percent"),
        _ki67,
        f"ER is positive and Ki-67 {_HIGH_KI67:g} % or more",
        _SWAPPED_KI67,
        _COLUMNS,
        usual=0.05,
        among=lambda cases: cases["er"] == "positive",
    ),
    Rule(
        ("ki67_percent",),
        _ki67,
        f"Ki-67 is {_HIGH_KI67:g} % or more",
        _SWAPPED_KI67,
        _COLUMNS,
        usual=0.3,
        among=lambda cases: cases.get("er", pd.Series(None, index=cases.index)).isna(),
    ),
    Rule(
        ("nodes_examined",),
        lambda cases: cases["nodes_examined"] > PLAUSIBLE["nodes_examined"][1],
        "more than 60 lymph nodes were examined",
        "99 may stand for a value that is not known",
        _MISSING.format("nodes_examined"),
        usual=0.01,
    ),
    Rule(
        ("nodes_positive",),
        lambda cases: cases["nodes_positive"] > PLAUSIBLE["nodes_positive"][1],
        "more than 45 lymph nodes are positive",
        "95 to 99 may be a registry's codes: none examined, or not known",
        _MISSING.format("nodes_positive"),
        usual=0.005,
    ),
    Rule(
        ("nodes_positive", "nodes_examined"),
        lambda cases: cases["nodes_positive"] > cases["nodes_examined"],
        "more lymph nodes are positive than were examined",
        "the two columns may be swapped, or count different operations",
        _COMPARE,
    ),
    Rule(
        ("n", "nodes_positive"),
        lambda cases: (cases["n"] == 0) & (cases["nodes_positive"] > 0),
        "N is 0, and lymph nodes are positive",
        "N may be the clinical one, or the positive nodes another column",
        _COMPARE,
        usual=0.03,
    ),
    Rule(
        ("age", "menopause"),
        lambda cases: (
            ((cases["menopause"] == "post") & (cases["age"] < 35))
            | ((cases["menopause"] == "pre") & (cases["age"] > 65))
        ),
        "menopause does not go with the age (post before 35, pre after 65)",
        "the menopausal states may be swapped, or the age be another column",
        _COLUMNS,
        usual=0.01,
    ),
    Rule(
        ("her2", "her2_ihc_score"),
        lambda cases: cases["her2"] == "negative",
        "HER2 is negative with an IHC score of 3+",
        "status and score contradict each other, or the words for positive and negative are swapped",
        _COMPARE,
        usual=0.2,
        among=lambda cases: cases["her2_ihc_score"] == "3+",
    ),
    Rule(
        ("m", "stage"),
        lambda cases: (cases["m"] == 1) & (cases["stage"] < 4),
        "M is 1, and the stage is below IV",
        "M or stage may be of another time, or the words for M0 and M1 be swapped",
        _COMPARE,
        usual=0.02,
    ),
)
