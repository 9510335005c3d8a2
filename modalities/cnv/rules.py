"""Rules of copy number by case: units, coding, sign, and whether the tumours have changes at all.

`usual` is the share of cases that break a rule in TCGA-BRCA (718 cases of calls, 650 of log2 ratios by 515 genes, 7 of
segments) and METABRIC (997 of log2 ratios by 614 genes), at the site where most do, and a margin.
"""

from dataclasses import replace

from modalities.core.plausible.rules import Rule

GAINED, LOST = ("1q", "8q", "16p", "20q"), ("16q", "17p", "8p", "13q", "22q")
"""Arms that breast cancers gain, and lose. Source: TCGA 2012, doi:10.1038/nature11412 (figure 3)."""
LARGEST_LOG2, LEAST_COPIES, LEAST_CHANGE = 10.0, 0.8, 0.02
"""A log2 ratio is never beyond +-10. Half of a tumour's ratios are above .8 in no case (.65 the most). A tenth of a
tumour's log2 ratios are beyond +-.02, which is less than noise, but in 3.2 % of cases (TCGA) and 1.2 % (METABRIC)."""
_KEPT = 0.75
"""Of the tumours with changes, the share that has no loss on one of LOST, or no gain on one of GAINED, with a margin:
.38 on 17p, .64 on 8p, .17 on 1q, .35 on 8q."""
_UNKNOWN_PLACE = 0.85

SIGN = Rule(
    ("contrast",),
    lambda cases: cases["contrast"] < 0,
    f"{', '.join(GAINED)} are lower than {', '.join(LOST)}",
    "gains and losses the wrong way round: breast cancers gain the former and lose the latter, in nine of ten cases",
    "check the sign; leave it so if these are no breast cancers",
    usual=0.4,  # .21 at the site where most are, of 5 cases or more
    among=lambda cases: cases["contrast"] != 0,
)
CALLS = (
    Rule(
        ("changed",),
        lambda cases: ~cases["changed"].astype(bool),
        "no gain and no loss",
        "these may be normal samples, or calls that were made with another threshold",
        "check which samples were exported",
        usual=0.15,  # .03 in TCGA
    ),
    SIGN,
)
_NO_LOSS = Rule(
    ("changed", "lost"),
    lambda cases: ~cases["lost"].astype(bool),
    "no loss, but gains,",
    "calls coded 0, 1, 2 (or 1, 2, 3) for loss, normal and gain, or losses left out",
    "write calls as GISTIC does: -2 to 2, 0 for no change",
    among=lambda cases: cases["changed"].astype(bool),
)
_NO_GAIN = Rule(
    ("changed", "gained"),
    lambda cases: ~cases["gained"].astype(bool),
    "no gain, but losses,",
    "gains left out, or calls in another code",
    "write calls as GISTIC does: -2 to 2, 0 for no change",
    among=lambda cases: cases["changed"].astype(bool),
)
LOG2 = (
    Rule(
        ("largest",),
        lambda cases: cases["largest"] > LARGEST_LOG2,
        f"values beyond +-{LARGEST_LOG2:g}",
        "no log2 ratios: another unit (times 1000, percent), another column (numbers of probes), or codes for missing",
        "export log2 ratios, with 0 for two copies",
    ),
    Rule(
        ("lowest", "median"),
        lambda cases: (cases["lowest"] >= 0) & (cases["median"] >= LEAST_COPIES),
        f"no value is below 0, and half are above {LEAST_COPIES:g},",
        "numbers of copies (2 for normal) or ratios (1 for normal), no log2 ratios",
        "write log2(copies / 2), or log2(ratio)",
        usual=0.05,  # none in either
    ),
    Rule(
        ("ninth",),
        lambda cases: cases["ninth"] < LEAST_CHANGE,
        f"nine of ten values are within +-{LEAST_CHANGE:g}",
        "less than noise: another unit (thousandths), or normal samples",
        "export log2 ratios, with 0 for two copies, of tumours",
        usual=0.2,
    ),
    Rule(
        ("whole",),
        lambda cases: cases["whole"].astype(bool),
        "whole numbers from -2 to 2 only",
        "calls, as GISTIC's, no log2 ratios",
        "export the log2 ratios",
    ),
    SIGN,
)


def rules_of(values: str, arms: set[str]) -> tuple[Rule, ...]:
    """The rules of calls or of log2 ratios, where the genes lie on these arms."""
    if values != "calls":
        return LOG2
    return (*CALLS, replace(_NO_LOSS, usual=_without(arms, LOST)), replace(_NO_GAIN, usual=_without(arms, GAINED)))


def _without(arms: set[str], changed: tuple[str, ...]) -> float:
    """Share of tumours without a change on any of these arms: the more of them have genes, the fewer."""
    n_arms = len(arms & set(changed))
    return _KEPT**n_arms if n_arms else _UNKNOWN_PLACE if not arms else 1.0
