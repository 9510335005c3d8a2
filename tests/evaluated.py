"""A small study with an evaluation, and its test cases scored in one place by the simulation's code."""

import re
from collections import Counter

import numpy as np
import pandas as pd

from modalities.core.site.store import SiteData
from server.state.evaluation import results_in
from server.state.release import fitted_model
from simulations.arms.scoring import score, test_cases
from tests.support import WatchedGrid, run_small, write_sites

HOLDINGS = (("cnv", "hif"), ("cnv", "hif"), ("cnv",), ("cnv", "hif"))
N_CASES = (61, 43, 37, 53)
COLUMNS = ["p_0", "p_1", "p_2", "p_3"]


def write_evaluated(root, federation, policy="sums", **of_sites):
    """Sites 1 to 4; `site_2="none"` gives one another policy."""
    write_sites(root, federation, HOLDINGS, N_CASES)
    for folder in sorted(root.iterdir()):
        change(folder, "evaluation: sums", f"evaluation: {of_sites.get(folder.name, policy)}")
    return root


def change(folder, old, new):
    """Change site.yaml."""
    text = (folder / "site.yaml").read_text()
    assert old in text
    (folder / "site.yaml").write_text(text.replace(old, new))


def only_evaluates(folder):
    """From now on the site trains on nothing."""
    (folder / "site.yaml").write_text("takes_part: evaluate\n" + (folder / "site.yaml").read_text())


def with_cases(folder, changed):
    """Rewrite cases.csv."""
    table = pd.read_csv(folder / "cases.csv")
    changed(table).to_csv(folder / "cases.csv", index=False)


def evaluated(root, federation, grid=None, **options):
    """The study, its numbers and the messages of its evaluation by kind."""
    grid = grid or WatchedGrid(root, len(list(root.glob("*/site.yaml"))))
    study = run_small(root, federation, grid, **{"evaluates": True, "timeout": 30.0, **options})
    return study, results_in(study), kinds(grid)


def kinds(grid):
    """How often each message was sent."""
    return Counter(message.metadata.message_type for message in grid.asked)


def scored_in_one_place(root, study, sites=None):
    """By SET, labels and probabilities of all sites' test cases, by the study's model."""
    data = [
        SiteData(folder, study.federation) for folder in sorted(root.iterdir()) if not sites or folder.name in sites
    ]
    tested = test_cases(data, study.federation)
    table = score(fitted_model(study), tested, "federated", subsets=False)
    complete = tested.holds.index[tested.holds.all(axis=1)]
    rows = dict(list(table.groupby("set")))
    rows["fused_complete"] = rows["fused"][rows["fused"]["case_id"].isin(complete)]
    return {name: (own["label"].to_numpy(), own[COLUMNS].to_numpy()) for name, own in rows.items()}


def text_of(notes):
    return [re.sub(r"\s+", " ", note.text) for note in notes]


def brier(labels, probabilities):
    return np.square(probabilities - np.eye(probabilities.shape[1])[labels]).sum(axis=1).mean()
