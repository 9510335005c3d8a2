"""A table of who gains, from finished runs: `python -m simulations.studies.by_site RUN [OWN] [--of SET]`.

Where RUN holds out whole sites, no site has a model of its own for its cases; OWN is then a run of the same cases with
other folds, whose local models are held against the federated model of RUN, which never saw the site.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from modalities.core.settings.federation import Federation
from simulations.cohorts.cohort import FEDERATION, NAMES
from simulations.evidence.from_sums import results_by_site
from simulations.scores.by_site import rows_by_site
from simulations.scores.named import numbered
from simulations.scores.predictions import FUSED
from simulations.scores.results import Json
from strategies.settings import load_federation

_HEADER = "| site | n | federated | its own model | federated − own | |\n|---|---|---|---|---|---|"


def table_by_site(run: Path, own: Path, name: str) -> str:
    """Markdown: a row a site, then the mean over hospitals and where a new one is expected.

    Raises:
        ValueError: the two runs are not of the same cases.
    """
    federation = load_federation(run / FEDERATION)
    federated, local = (predictions_of(folder, federation) for folder in (run, own))
    if unlike := set(federated["case_id"]) ^ set(local["case_id"]):
        raise ValueError(f"{run} and {own} are not of the same cases: {len(unlike)} are in one only")
    plain = results_by_site(federated, local, federation).to_plain()
    names = json.loads((run / NAMES).read_text(encoding="utf-8"))
    rows = [
        _line(f"{row.site}, {names[row.site]}" if row.site in names else row.site, str(row.n), row, row.verdict)
        for row in rows_by_site(plain, name)
    ]
    return "\n".join([_HEADER, *rows, *_summary(plain, name)])


def predictions_of(folder: Path, federation: Federation) -> pd.DataFrame:
    """A finished run's, classes by index."""
    kept = pd.read_csv(folder / "predictions.csv.gz", dtype={"case_id": str, "site": str}, keep_default_na=False)
    return numbered(kept, list(federation.task.classes))


def _summary(plain: Json, name: str) -> list[str]:
    """The meta-analysis of the sites, and the gain over all pairs within sites."""
    meta = [plain["meta"].get(model, {}).get(name) for model in ("federated", "local", "gain")]
    if not all(own and own["prediction_low"] is not None for own in meta):
        return []
    means = [_text(own["macro_auroc"], sign) for own, sign in zip(meta, _SIGNS, strict=True)]
    new = [
        f"{own['prediction_low']:{sign}.3f} to {own['prediction_high']:{sign}.3f}"
        for own, sign in zip(meta, _SIGNS, strict=True)
    ]
    i2 = ", ".join(f"{own['i2']:.0%}" for own in meta)
    gain = plain["gain"]["test"][name]
    who = f"{gain['sites_that_gain']} of {gain['sites']} sites higher"
    return [
        f"| mean of hospitals | {meta[2]['sites']} sites | {' | '.join(means)} | I² {i2} |",
        f"| a new hospital | | {' | '.join(new)} | |",
        f"| all pairs within sites | {gain['n']} | | | {_text(gain['macro_auroc'], '+')} | {who}; {gain['verdict']} |",
    ]


_SIGNS = ("", "", "+")


def _line(site: str, n: str, row: Any, last: str) -> str:
    cells = [_text(own, sign) for own, sign in zip((row.federated, row.local, row.gain), _SIGNS, strict=True)]
    return f"| {site} | {n} | {' | '.join(cells)} | {last} |"


def _text(estimate: Json, sign: str) -> str:
    if estimate["value"] is None:
        return "n/a"
    low, high = (f"{estimate[end]:{sign}.3f}" for end in ("low", "high"))
    return f"{estimate['value']:{sign}.3f} ({low} to {high})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m simulations.studies.by_site", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished comparison")
    parser.add_argument("own", type=Path, nargs="?", help="another one, whose local models are compared")
    parser.add_argument("--of", default=FUSED, help="a modality, fused or fused_complete")
    given = parser.parse_args(arguments)
    sys.stdout.write(table_by_site(given.run, given.own or given.run, given.of) + "\n")


if __name__ == "__main__":
    main()
