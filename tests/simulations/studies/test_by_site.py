"""The table of who gains, from the files of runs."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from simulations.scores.by_site import rows_by_site
from simulations.scores.named import named
from simulations.studies.by_site import main, table_by_site
from tests.support import small_federation

N_CASES = {"north": 71, "south": 53, "west": 89}
FEDERATION = small_federation()


def write_run(folder, seed, federated, local=None):
    """A finished run whose arms see the class through noise: the stronger the signal, the better."""
    folder.mkdir()
    rng, tables = np.random.default_rng(seed), []
    for site, n in N_CASES.items():
        labels = np.arange(n) % 4
        for arm, signal in (("federated", federated), (f"local:{site}", local)):
            if signal is not None:
                logits = signal * np.eye(4)[labels] + rng.normal(size=(n, 4))
                p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
                about = {"arm": arm, "set": "fused", "case_id": [f"{site}-{i}" for i in range(n)], "site": site}
                probabilities = {f"p_{index}": p[:, index] for index in range(4)}
                tables.append(pd.DataFrame({**about, "label": labels, "fold": 1, **probabilities}))
    (folder / "federation.yaml").write_text(json.dumps(FEDERATION.to_dict()), encoding="utf-8")
    (folder / "site_names.json").write_text(json.dumps({"south": "South Hospital"}), encoding="utf-8")
    predictions = pd.concat(tables)
    named(predictions, FEDERATION.task.classes).to_csv(folder / "predictions.csv.gz", index=False)
    return predictions


def macro(predictions, arm, site):
    own = predictions[(predictions["arm"] == arm) & (predictions["site"] == site)]
    return np.mean([roc_auc_score(own["label"] == index, own[f"p_{index}"]) for index in range(4)])


def test_a_run_says_who_gains_and_what_a_new_hospital_may_expect(tmp_path, capsys):
    predictions = write_run(tmp_path / "run", 5, 2.0, 0.4)
    main([str(tmp_path / "run")])
    lines = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()]
    south = lines[3]
    values = [macro(predictions, arm, "south") for arm in ("federated", "local:south")]
    assert south[1:3] == ["south, South Hospital", "53"]
    assert [cell.split()[0] for cell in south[3:6]] == [
        f"{values[0]:.3f}",
        f"{values[1]:.3f}",
        f"{values[0] - values[1]:+.3f}",
    ]
    assert [line[6] for line in lines[2:5]] == ["gains", "gains", "gains"]
    assert [line[1] for line in lines[5:]] == ["mean of hospitals", "a new hospital", "all pairs within sites"]
    assert lines[7][2] == "213"
    assert lines[7][6] == "3 of 3 sites higher; superior"


def test_own_models_come_from_another_run_where_whole_sites_are_held_out(tmp_path):
    held_out = write_run(tmp_path / "held_out", 7, 0.3)
    own = write_run(tmp_path / "own", 8, 2.0, 2.5)
    text = table_by_site(tmp_path / "held_out", tmp_path / "own", "fused")
    gap = macro(held_out, "federated", "west") - macro(own, "local:west", "west")
    assert f"{gap:+.3f}" in text.splitlines()[4]
    assert text.splitlines()[4].endswith("| loses |")


def test_runs_of_other_cases_are_refused(tmp_path):
    for name, seed in (("run", 1), ("other", 2)):
        write_run(tmp_path / name, seed, 1.0, 1.0)
    path = tmp_path / "other" / "predictions.csv.gz"
    table = pd.read_csv(path)
    table[table["case_id"] != "north-3"].to_csv(path, index=False)
    with pytest.raises(ValueError, match="not of the same cases: 1 are in one only"):
        table_by_site(tmp_path / "run", tmp_path / "other", "fused")


def test_a_site_without_enough_cases_of_any_class_says_so_instead_of_a_verdict():
    nothing = {"value": None, "low": None, "high": None, "reason": "fewer than 5"}
    on_set = {"fused": {"n": 4, "macro_auroc": nothing}}
    site = {"results": dict.fromkeys(("federated", "local", "gain"), on_set)}
    rows = rows_by_site({"sites": {"north": site, "west": {"results": {"federated": on_set}}}}, "fused")
    assert [(row.site, row.n, row.verdict) for row in rows] == [("north", 4, "fewer than 5")]
