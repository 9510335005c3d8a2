"""Scores test cases: one row a case and SET, as the comparison wants them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from client.alone.pooled import pooled_counts
from modalities.core.contract import Cases
from modalities.core.fusion.outputs import Outputs
from modalities.core.model.calibration import case_temperatures
from modalities.core.model.predict import FittedModel
from modalities.core.settings.federation import Federation
from modalities.core.site.store import SiteData
from simulations.scores.predictions import FUSED, MASKED


@dataclass(frozen=True)
class TestCases:
    """The labelled test cases of all sites, with everything that was measured of them."""

    frame: pd.DataFrame
    """case_id, site, label (class index)."""
    cases: Mapping[str, Cases]
    """Modality -> the test cases that hold it, whether or not their site trains on it."""

    @property
    def holds(self) -> pd.DataFrame:
        """case_id x modality -> bool."""
        index = pd.Index(self.frame["case_id"])
        return pd.DataFrame({name: index.isin(found.case_ids) for name, found in self.cases.items()}, index=index)


def test_cases(sites: Sequence[SiteData], federation: Federation) -> TestCases:
    """Read from the site folders."""
    frames, read = [], {name: [] for name in federation.modalities}
    for site in sites:
        own = site.tested
        frames.append(pd.DataFrame({"case_id": own.index, "site": site.site.name, "label": own.to_numpy()}))
        for name in federation.modalities:
            if name in site.site.sources and name not in site.unusable:
                read[name].append(site.tests(name))
    return TestCases(pd.concat(frames, ignore_index=True), {name: Cases.join(parts) for name, parts in read.items()})


def score(model: FittedModel, tested: TestCases, arm: str, subsets: bool = True) -> pd.DataFrame:
    """Probabilities of each branch, of the fused model, and of the fused model on every subset of modalities.

    The subsets are masked complete cases. What the model cannot score, for want of a branch, gives no rows.
    """
    case_ids = tested.frame["case_id"].tolist()
    outputs = model.outputs(tested.cases, case_ids)
    names = outputs.modalities
    tables = [
        _rows(tested, arm, name, outputs.logits[name].softmax(dim=1).numpy(), outputs.present[name].numpy())
        for name in names
    ]
    everything = tested.holds.all(axis=1).to_numpy()
    tables.append(score_fused(model, outputs, tested, arm))
    for kept in _subsets(tested) if subsets else []:
        if set(kept) & set(names):
            tables.append(_fused(model, outputs.only(kept), tested, arm, MASKED + "+".join(kept), everything))
    return pd.concat(tables, ignore_index=True)


def score_fused(model: FittedModel, outputs: Outputs, tested: TestCases, arm: str) -> pd.DataFrame:
    """Fused probabilities of the cases with at least one branch's output."""
    return _fused(model, outputs, tested, arm, FUSED, (outputs.n_present > 0).numpy())


def _fused(
    model: FittedModel, outputs: Outputs, tested: TestCases, arm: str, name: str, kept: np.ndarray
) -> pd.DataFrame:
    """Fused probabilities, and the temperature that each case's were divided by: the report shows both sides of it."""
    table = _rows(tested, arm, name, model.probabilities(outputs), kept)
    return table.assign(temperature=case_temperatures(model.calibration, outputs).numpy()[kept])


def score_prior(sites: Sequence[SiteData], tested: TestCases, arm: str, subsets: bool = False) -> pd.DataFrame:
    """The classes' shares among the sites' training cases, for every case of every SET: known without looking at it."""
    counts = pooled_counts(sites)
    return score_same(counts / counts.sum(), tested, arm, subsets)


def score_same(prior: np.ndarray, tested: TestCases, arm: str, subsets: bool = False) -> pd.DataFrame:
    """The same probabilities for every case of every SET."""
    holds = tested.holds
    sets = {**{name: holds[name].to_numpy() for name in holds}, FUSED: holds.any(axis=1).to_numpy()}
    if subsets:
        sets |= {MASKED + "+".join(kept): holds.all(axis=1).to_numpy() for kept in _subsets(tested)}
    repeated = np.tile(prior, (len(holds), 1))
    return pd.concat([_rows(tested, arm, name, repeated, held) for name, held in sets.items()], ignore_index=True)


def fill_with_prior(scored: pd.DataFrame, prior: pd.DataFrame) -> pd.DataFrame:
    """The scored rows, and the prior's for every case and SET that has none."""
    keys = ["set", "case_id"]
    done = pd.MultiIndex.from_frame(scored[keys])
    lacking = prior[~pd.MultiIndex.from_frame(prior[keys]).isin(done)]
    return pd.concat([scored, lacking], ignore_index=True)


def _subsets(tested: TestCases) -> list[tuple[str, ...]]:
    """Every non-empty subset of the modalities, in their order."""
    names = list(tested.cases)
    return [kept for size in range(1, len(names) + 1) for kept in combinations(names, size)]


def _rows(tested: TestCases, arm: str, name: str, probabilities: np.ndarray, kept: np.ndarray) -> pd.DataFrame:
    table = tested.frame[kept].reset_index(drop=True)
    table.insert(0, "arm", arm)
    table.insert(1, "set", name)
    columns = [f"p_{index}" for index in range(probabilities.shape[1])]
    return pd.concat([table, pd.DataFrame(probabilities[kept], columns=pd.Index(columns))], axis=1)
