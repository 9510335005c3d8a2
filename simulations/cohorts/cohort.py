"""The cases of an experiment, at their sites, and the site folders of each outer fold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from modalities.core.contract import Source
from modalities.core.fields import AUTO
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.settings.site import EVALUATE, FULL, TRAIN, Policy, write_site
from modalities.core.settings.structured import plain_of

FEDERATION = "federation.yaml"
EXTERNAL = "external_"
"""How the names of external sites begin."""
NAMES = "site_names.json"
"""What the sites of an experiment are called, for its report."""


@dataclass(frozen=True)
class Cohort:
    """Who is where, and where each site's raw files lie."""

    cases: pd.DataFrame
    """Indexed by case_id: `label` as it is written and `site`."""
    sources: Mapping[str, Mapping[str, Source]]
    """Site -> modality -> raw files."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the sites that have more than a code are called."""

    def usable(self, federation: Federation) -> pd.DataFrame:
        """The cases that have a class, with the class as their label."""
        classes = self.cases["label"].map(federation.task.class_by_label)
        return self.cases.assign(label=classes)[classes.notna()]


def with_features_of_data(federation: Federation, cohort: Cohort, out: Path) -> Federation:
    """Agree on the columns that the data has, where the settings name none; write them and federation.yaml to `out`."""
    raw = federation.to_dict()
    out.mkdir(parents=True, exist_ok=True)
    for name, config in federation.modalities.items():
        if not config.features:
            held = [sources[name] for sources in cohort.sources.values() if name in sources]
            found = [plugin(config.kind).read(source, config).features for source in held]
            raw["modalities"][name]["features"] = list(dict.fromkeys(column for columns in found for column in columns))
    agreed = federation_from(raw)
    for name, section in raw["modalities"].items():
        if section["features"]:
            (out / f"{name}_features.json").write_text(json.dumps(section.pop("features")), encoding="utf-8")
            section["features_file"] = f"{name}_features.json"
    OmegaConf.save({"privacy": plain_of(agreed.privacy), **raw}, out / FEDERATION)  # said, though it is the default
    return agreed


def write_fold(
    cohort: Cohort,
    federation: Federation,
    tested: Sequence[str],
    removed: Mapping[str, Sequence[str]],
    root: Path,
    device: str = AUTO,
) -> Path:
    """Site folders in which the cases of `tested` are test cases; `removed` hides modalities of whole sites.

    A site all of whose labelled cases are test cases only evaluates, as a hospital outside of the study would.
    """
    test, labelled = set(tested), set(cohort.usable(federation).index)
    for site, sources in cohort.sources.items():
        own = cohort.cases[cohort.cases["site"] == site]
        splits = ["test" if case_id in test else "train" for case_id in own.index]
        table = pd.DataFrame({"case_id": own.index, federation.task.label: own["label"].to_numpy(), "split": splits})
        allowed = [name for name in sources if name not in removed.get(site, ())]
        policy = Policy(allowed, min_cohort=0, min_cell=0, evaluation=FULL)
        takes_part = TRAIN if labelled & set(own.index) - test else EVALUATE
        write_site(root / site, site, table, sources, policy, takes_part, device)
    return root


def modalities_to_remove(cohort: Cohort, rate: float, seed: int) -> dict[str, list[str]]:
    """Site -> modalities hidden from training: the share `rate` of all (site, modality) pairs, or as near as can be.

    Every site keeps one modality and every modality one site.
    """
    pairs = [(site, name) for site, sources in sorted(cohort.sources.items()) for name in sorted(sources)]
    order = np.random.default_rng(seed_of(seed, "missing modalities")).permutation(len(pairs))
    removed: dict[str, list[str]] = {}
    left = set(pairs)
    for site, name in (pairs[position] for position in order):
        if len(pairs) - len(left) >= round(rate * len(pairs)):
            break
        rest = left - {(site, name)}
        if any(other == site for other, _ in rest) and any(other == name for _, other in rest):
            left = rest
            removed.setdefault(site, []).append(name)
    return removed
