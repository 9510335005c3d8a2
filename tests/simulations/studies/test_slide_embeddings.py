"""Sites with nothing but slide embeddings, one of TRIDENT and one of STAMP, train one branch together."""

import numpy as np
import pandas as pd

from modalities.core.contract import Source
from modalities.core.settings.federation import federation_from
from modalities.core.settings.site import Policy, write_site
from modalities.core.site.store import SiteData
from server.state.release import fitted_model
from simulations.arms import scoring
from tests.modalities.wsi import write_stamp_embeddings, write_trident_embeddings
from tests.support import run_small

N_CASES = (45, 51)


def test_embeddings_of_two_tools_train_a_branch_that_predicts_test_cases_of_both(tmp_path):
    settings = {"encoder": "titan", "federated": {"rounds": 12, "patience": 0, "server_lr": 0.05}}
    raw = {"seed": 5, "task": {"classes": ["A", "B"]}, "fusion": {"folds": 2, "rounds": 3}}
    federation = federation_from({**raw, "modalities": {"wsi_slide": settings}})
    for number, (write, n_cases) in enumerate(
        zip((write_trident_embeddings, write_stamp_embeddings), N_CASES, strict=True)
    ):
        rng = np.random.default_rng(number)
        labels = rng.permutation(np.arange(n_cases) % 2)
        case_ids = [f"site-{number}-case-{case:02d}" for case in range(n_cases)]
        source = Source((write(tmp_path / f"site_{number}", case_ids, labels, rng),))
        splits = np.where(np.arange(n_cases) % 3, "train", "test")
        listed = pd.DataFrame(
            {"case_id": case_ids, "label": [federation.task.classes[c] for c in labels], "split": splits}
        )
        policy = Policy(min_cohort=0, min_cell=0)
        write_site(tmp_path / f"site_{number}", f"site_{number}", listed, {"wsi_slide": source}, policy)
    trained = run_small(tmp_path, federation)
    sites = [SiteData(tmp_path / f"site_{number}", trained.federation) for number in range(2)]
    tested = scoring.test_cases(sites, trained.federation)
    table = scoring.score(fitted_model(trained), tested, "federated", subsets=False)
    table["right"] = table.filter(like="p_").to_numpy().argmax(axis=1) == table["label"]
    for (name, site), rows in table.groupby(["set", "site"]):
        assert rows["right"].mean() > 0.65, f"{name} at {site}: chance is a half"
