"""A long table of out-of-fold predictions, checked, and looked up by arm and set.

A SET is a modality (its test cases), `fused` (cases with at least one modality) or `fused_complete` (cases with all).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from simulations.scores.metrics import N_DRAWS, Draws, case_weights, metric_draws
from strategies.evaluation.names import COMPLETE, FUSED

ARMS = ("centralised", "federated", "reference", "majority")
LOCAL = "local:"
MASKED = "fused@"
COLUMNS = ("arm", "set", "case_id", "site", "label", "fold")


@dataclass(frozen=True)
class Cases:
    """The test cases of one SET, as rows of `Predictions.people`, with the resamples every arm shares."""

    places: Bool[np.ndarray, " person"]
    labels: Int[np.ndarray, " case"]
    weights: Float[np.ndarray, "draw case"]


@dataclass(frozen=True)
class Scores:
    """One arm's probabilities on the cases it covers (a local site has no model in the folds that held it out)."""

    covered: Bool[np.ndarray, " case"]
    probabilities: Float[np.ndarray, "covered class"]


@dataclass
class Predictions:
    """The long table, checked, and looked up by arm and set.

    Args:
        table: arm, set, case_id, site, label (class index), fold, p_0 to p_{C-1}.
        holds: index case_id, one bool column a modality.
        classes: class names, in the order of the labels.
        n_draws: bootstrap resamples.
        seed: of the resamples.

    Raises:
        ValueError: the table is not what it says it is; every problem is listed.
    """

    table: pd.DataFrame
    holds: pd.DataFrame
    classes: Sequence[str]
    n_draws: int = N_DRAWS
    seed: int = 0
    _cases: dict[str, Cases] = field(default_factory=dict, init=False)
    _draws: dict[tuple[str, str, str, bytes], dict[str, Draws]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Check the table."""
        problems = _problems_of_table(self.table, self.holds, self.classes) or self._problems_of_sets()
        if problems:
            raise ValueError("predictions cannot be compared:\n- " + "\n- ".join(problems))

    @property
    def modalities(self) -> list[str]:
        """In the order of the columns of holds."""
        return [str(name) for name in self.holds.columns]

    @property
    def sets(self) -> list[str]:
        """The SETs."""
        return [*self.modalities, FUSED, COMPLETE]

    @cached_property
    def people(self) -> pd.DataFrame:
        """One row a test case: site, label, fold; sorted by case_id."""
        return self.table.drop_duplicates("case_id").set_index("case_id").sort_index().loc[:, ["site", "label", "fold"]]

    @cached_property
    def held(self) -> Bool[np.ndarray, "case modality"]:
        """Which test case holds what, in the order of people and modalities."""
        return self.holds.loc[self.people.index].to_numpy(bool)

    @cached_property
    def rows(self) -> dict[tuple[str, str], Float[np.ndarray, "person class"]]:
        """Probabilities by (arm, set of the table), one row a test case; NaN where there is no prediction."""
        places = self.people.index.get_indexer(pd.Index(self.table["case_id"]))
        probabilities = self.table[[f"p_{i}" for i in range(len(self.classes))]].to_numpy(float)
        rows: dict[tuple[str, str], np.ndarray] = {}
        pairs = zip(self.table["arm"], self.table["set"], strict=True)
        for pair, place, one in zip(pairs, places, probabilities, strict=True):
            if pair not in rows:
                rows[pair] = np.full((len(self.people), len(self.classes)), np.nan)
            rows[pair][place] = one
        return rows

    @cached_property
    def sites(self) -> list[str]:
        """The sites that were also trained alone."""
        return sorted({arm.removeprefix(LOCAL) for arm, _ in self.rows if arm.startswith(LOCAL)})

    def source(self, arm: str, name: str) -> str | None:
        """The table's set that holds an arm's predictions for a SET; None where the arm has none."""
        options = (COMPLETE, FUSED) if name == COMPLETE else (name,)
        return next((option for option in options if (arm, option) in self.rows), None)

    def cases(self, name: str) -> Cases:
        """The cases of a SET (or of a masked one, `fused@a+b`: the complete cases)."""
        name = COMPLETE if name.startswith(MASKED) else name
        if name not in self._cases:
            columns = dict(zip(self.modalities, self.held.T, strict=True))
            columns |= {FUSED: np.any(self.held, axis=1), COMPLETE: np.all(self.held, axis=1)}
            places = columns[name]
            weights = case_weights(int(places.sum()), self.n_draws, self.seed)
            self._cases[name] = Cases(places, np.asarray(self.people["label"], int)[places], weights)
        return self._cases[name]

    def scores(self, arm: str, source: str, on: str) -> Scores:
        """An arm's predictions from one set of the table, on the cases of a SET."""
        rows = self.rows[arm, source][self.cases(on).places]
        covered = np.asarray(~np.isnan(rows).any(axis=1))
        return Scores(covered, rows[covered])

    def draws(
        self, arm: str, source: str, on: str, within: Bool[np.ndarray, " case"] | None = None
    ) -> dict[str, Draws]:
        """metric_draws of an arm on a SET, or on the part of it that another arm covers."""
        scores, cases = self.scores(arm, source, on), self.cases(on)
        kept = scores.covered if within is None else scores.covered & within
        key = (arm, source, on, kept.tobytes())
        if key not in self._draws:
            probabilities = scores.probabilities[kept[scores.covered]]
            self._draws[key] = metric_draws(probabilities, cases.labels[kept], cases.weights[:, kept])
        return self._draws[key]

    def _problems_of_sets(self) -> list[str]:
        """Rows too few or too many for their set."""
        problems = []
        folds = np.asarray(self.people["fold"])
        for (arm, name), rows in self.rows.items():
            wanted, found = self.cases(name).places, ~np.isnan(rows).any(axis=1)
            if extra := int((found & ~wanted).sum()):
                problems.append(f"{arm}, {name}: {extra} cases that do not belong there (they lack the data)")
            missing = wanted & ~found
            halved = set(folds[missing]) & set(folds[wanted & found])
            if missing.any() and (halved or not arm.startswith(LOCAL)):
                problems.append(f"{arm}, {name}: {missing.sum()} of {wanted.sum()} cases have no prediction")
        return problems


def _problems_of_table(table: pd.DataFrame, holds: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """What is wrong with the table before it is looked at set by set."""
    wanted = [*COLUMNS, *(f"p_{i}" for i in range(len(classes)))]
    if lacking := [name for name in wanted if name not in table.columns]:
        return [f"columns missing: {', '.join(lacking)}"]
    problems = []
    if f"p_{len(classes)}" in table.columns:
        problems.append(f"more probability columns than the {len(classes)} classes")
    if twice := int(table.duplicated(["arm", "set", "case_id"]).sum()):
        problems.append(f"{twice} rows repeat an arm, set and case_id")
    problems += [f"unknown arm {a!r}" for a in table["arm"].unique() if a not in ARMS and not a.startswith(LOCAL)]
    problems += [f"unknown set {name!r}" for name in table["set"].unique() if not _is_set(name, list(holds.columns))]
    for column in ("site", "label", "fold"):
        pairs = table.drop_duplicates(["case_id", column])
        if several := len(pairs) - len(pairs["case_id"].unique()):
            problems.append(f"a case has more than one {column} ({several} times)")
    if not np.isin(table["label"], range(len(classes))).all():
        problems.append(f"labels outside 0 to {len(classes) - 1}")
    if not holds.index.is_unique:
        problems.append("holds has more than one row for a case")
    if unheld := len(pd.Index(table["case_id"].unique()).difference(holds.index)):
        problems.append(f"{unheld} cases are not in holds")
    return problems


def _is_set(name: str, modalities: Sequence[str]) -> bool:
    if name.startswith(MASKED):
        return set(name.removeprefix(MASKED).split("+")) <= set(modalities)
    return name in (*modalities, FUSED, COMPLETE)
