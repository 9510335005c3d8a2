"""A made-up site of 60 cases whose data are sound, and ways to spoil its files as hospitals have done."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import modalities.cnv
from client.check.folder import SiteReport, check_site
from modalities.core.settings.federation import Federation, federation_from

N_CASES = 60
_GAINED, _LOST = {"1q": 0.7, "8q": 0.6, "16p": 0.4, "20q": 0.4}, {"16q": 0.55, "17p": 0.5, "8p": 0.4, "13q": 0.4}
_GENES_AN_ARM = 10
_REFERENCE = Path(modalities.cnv.__file__).parent / "reference"
_FIELDS = [
    *("age", "menopause", "t", "n", "nodes_examined", "nodes_positive"),
    *("er", "pr", "er_percent", "pr_percent", "ki67_percent", "her2"),
]


def sound_site(root: Path, n: int = N_CASES, values: str = "calls") -> tuple[Path, Federation]:
    """A site folder with clinical records, copy number (`calls`, `log2`, or `arms` from segments) and a table."""
    rng = np.random.default_rng(14)
    case_ids = [f"case-{number:03d}" for number in range(1, n + 1)]
    folder = root / "site"
    folder.mkdir()
    clinical(case_ids, rng).to_csv(folder / "clinic.csv", index=False)
    arms = arm_levels(n, rng)
    if values == "arms":
        write_segments(folder / "cnv", case_ids, arms, rng)
    else:
        (folder / "cnv").mkdir()
        matrix(case_ids, arms, values, rng).to_csv(folder / "cnv" / _MATRIX[values], sep="\t", index=False)
    table(case_ids, rng).to_csv(folder / "hif.csv", index=False)
    labels = [("LumA", "LumB", "Basal", "Her2")[number % 4] for number in range(n)]
    cases = pd.DataFrame({"case_id": case_ids, "label": labels, "split": "train"})
    cases.loc[::5, "split"] = "test"
    cases.to_csv(folder / "cases.csv", index=False)
    columns = ", ".join(f"{field}: {field}" for field in _FIELDS)
    (folder / "site.yaml").write_text(
        f"name: site\nsources:\n  cnv: {{paths: [cnv]}}\n  clinical: {{paths: [clinic.csv], columns: {{{columns}}}}}\n"
        "  hif: {paths: [hif.csv]}\npolicy: {min_cohort: 0, min_cell: 0}\n"
    )
    sections = {"cnv": {"values": values}, "clinical": {}, "hif": {"kind": "table"}}
    return folder, federation_from({"modalities": sections})


_MATRIX = {"calls": "data_cna.txt", "log2": "data_log2_cna.txt"}


def clinical(case_ids: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Records whose fields go together as they do in TCGA-BRCA."""
    n = len(case_ids)
    age = np.clip(rng.normal(58, 12, n), 30, 88).round().astype(int)
    er = rng.random(n) < 0.75
    pr = np.where(er, rng.random(n) < 0.85, rng.random(n) < 0.05)
    examined = rng.integers(2, 25, n)
    positive = np.minimum(rng.poisson(1.5, n), examined)
    return pd.DataFrame(
        {
            "case_id": case_ids,
            "age": age,
            "menopause": np.where(age > 51, "post", "pre"),
            "t": [f"pT{size}" for size in rng.choice([1, 2, 3], n, p=[0.4, 0.5, 0.1])],
            "n": np.where(positive == 0, "pN0", np.where(positive < 4, "pN1", "pN2")),
            "nodes_examined": examined,
            "nodes_positive": positive,
            "er": np.where(er, "positive", "negative"),
            "pr": np.where(pr, "positive", "negative"),
            "er_percent": np.where(er, rng.choice([40, 70, 90, 95, 100], n, p=[0.1, 0.15, 0.3, 0.25, 0.2]), 0),
            "pr_percent": np.where(pr, rng.choice([5, 20, 60, 90, 95], n), 0),
            "ki67_percent": np.where(er, rng.integers(2, 40, n), rng.integers(20, 90, n)),
            "her2": rng.choice(["positive", "negative"], n, p=[0.15, 0.85]),
        }
    )


def table(case_ids: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Seven measured features, each on a scale of its own."""
    values = np.exp(rng.normal(np.linspace(-3, 6, 7), 0.6, (len(case_ids), 7))).round(5)
    return pd.DataFrame(values, columns=[f"feature_{number}" for number in range(7)]).assign(case_id=case_ids)


def arm_levels(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """-1, 0 or 1 of each arm by case; one tumour in ten has hardly any change."""
    quiet = rng.random(n) < 0.1
    chances = {arm: (chance, 1) for arm, chance in _GAINED.items()} | {arm: (own, -1) for arm, own in _LOST.items()}
    chances |= {"17q": (0.3, 1), "11q": (0.3, -1), "5q": (0.2, -1), "7p": (0.2, 1), "1p": (0.15, -1), "3q": (0.2, 1)}
    return {arm: np.where(quiet, 0, sign * (rng.random(n) < chance)) for arm, (chance, sign) in chances.items()}


def matrix(case_ids: list[str], arms: dict[str, np.ndarray], values: str, rng: np.random.Generator) -> pd.DataFrame:
    """cBioPortal's layout: ten genes an arm, some of them changed by themselves."""
    names = json.loads((_REFERENCE / "genes.json").read_text())["genes"]
    genes, rows = [], []
    for arm, levels in arms.items():
        for gene in names[arm].split()[: 20 * _GENES_AN_ARM : 20]:
            focal = (rng.random(len(case_ids)) < 0.04) * rng.choice([-1, 1], len(case_ids))
            level = np.clip(levels + focal, -2, 2)
            genes.append(gene)
            rows.append(level if values == "calls" else (level * 0.4 + rng.normal(0, 0.08, len(case_ids))).round(4))
    frame = pd.DataFrame(rows, columns=case_ids)
    frame.insert(0, "Hugo_Symbol", genes)
    return frame


def write_segments(
    folder: Path, case_ids: list[str], arms: dict[str, np.ndarray], rng: np.random.Generator, genome: str = "hg38"
) -> None:
    """The GDC's masked segments, two an arm that end 3 million bases before it does, and a manifest."""
    folder.mkdir(exist_ok=True)
    places = json.loads((_REFERENCE / f"{genome}.json").read_text())["arms"]
    for number, case_id in enumerate(case_ids):
        rows = []
        for arm, (first, last) in places.items():
            level = arms[arm][number] * 0.4 if arm in arms else 0.0
            middle = (first + last) // 2
            for start, end in ((first + 1, middle), (middle + 1, last - 3_000_000)):
                rows.append(
                    (case_id, arm[:-1], start, end, (end - start) // 1600, round(level + rng.normal(0, 0.06), 4))
                )
        header = ["GDC_Aliquot", "Chromosome", "Start", "End", "Num_Probes", "Segment_Mean"]
        frame = pd.DataFrame(rows, columns=pd.Index(header))
        frame.to_csv(folder / f"{case_id}.nocnv_grch38.seg.v2.txt", sep="\t", index=False)
    listed = pd.DataFrame({"file": [f"{one}.nocnv_grch38.seg.v2.txt" for one in case_ids], "case_id": case_ids})
    listed.to_csv(folder / "manifest.csv", index=False)


def change_table(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Read a table of text, change it, write it back; every cell that is not changed stays as it is."""
    delimiter = "," if path.suffix == ".csv" else "\t"
    frame = pd.read_csv(path, sep=delimiter)
    change(frame).to_csv(path, sep=delimiter, index=False)


def told(report: SiteReport) -> list[str]:
    """Errors and warnings as lines."""
    return [str(problem) for problem in report.problems if problem.level != "note"]


def check(folder: Path, federation: Federation) -> list[str]:
    """Errors and warnings of this folder."""
    return told(check_site(folder, federation))
