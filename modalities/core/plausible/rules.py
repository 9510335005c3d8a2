"""Rules that sound data keep: judged case by case, and told where more cases break one than chance would have it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.special import bdtrc  # scipy.stats takes a second to import

from modalities.core.problems import Problem

CHANCE = 1e-3
"""A rule is told where so many cases would break it by chance less often than this."""

_EXAMPLES = 5


@dataclass(frozen=True)
class Rule:
    """What no case, or only a known share of cases, does in sound data."""

    needs: tuple[str, ...]
    """Columns that must be known of a case for it to be judged."""
    wrong: Callable[[pd.DataFrame], pd.Series]
    """Which cases break the rule."""
    what: str
    """What they look like, before `in 3 of 60 cases`."""
    means: str
    """What that would mean."""
    remedy: str
    usual: float = 0.0
    """Share of the judged cases that break it in sound data, on the safe side; 0: none does, so one is told."""
    among: Callable[[pd.DataFrame], pd.Series] | None = None
    """Which cases are judged; None: all of which the columns are known."""
    level: str = "warning"


def judged(
    rules: Iterable[Rule], cases: pd.DataFrame, where: Callable[[Rule], str] = lambda rule: "", noun: str = "cases"
) -> list[Problem]:
    """The rules that more cases break than `usual` would by chance: `cases` has a row a case, or a slide, by its name.

    A column that breaks a rule by itself is not held against others any more: that would say the same again.

    So many or more of n cases do by chance with the probability of the binomial distribution, which a site of 8 cases
    and one of 800 are measured by alike.
    """
    told, columns = [], set(cases.columns)
    for rule in rules:
        if not set(rule.needs) <= columns:
            continue
        known = cases[list(rule.needs)].notna().all(axis=1)
        chosen = cases[known]
        if rule.among is not None:
            chosen = chosen[rule.among(chosen).astype(bool)]
        wrong = chosen[rule.wrong(chosen).astype(bool)]
        if len(wrong) and bdtrc(len(wrong) - 1, len(chosen), rule.usual) < CHANCE:
            told.append(_problem(rule, list(map(str, wrong.index)), f"{len(chosen)} {noun}", where(rule)))
            columns -= set(rule.needs) if len(rule.needs) == 1 else set()
    return told


def some_of(case_ids: Sequence[str]) -> str:
    """A few, to look at, and how many more there are."""
    more = len(case_ids) - _EXAMPLES
    return ", ".join(case_ids[:_EXAMPLES]) + (f" and {more} more" if more > 0 else "")


def _problem(rule: Rule, case_ids: list[str], judged: str, where: str) -> Problem:
    what = f"{rule.what} in {len(case_ids)} of {judged} ({some_of(case_ids)}): {rule.means}"
    return Problem(what, rule.remedy, where=where, level=rule.level)
