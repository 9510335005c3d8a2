"""Sites with marks in everything that must stay there, and a search for the marks in any bytes."""

import re
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from modalities.core.contract import Source
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.settings.site import Policy, write_site
from tests.modalities.wsi import write_trident
from tests.support import features_of

FOLDER, CASE, SLIDE, ROW = "ward-7b-oncology", "mrn-0417-", "S24-10387-A", "marked-row"
"""Parts of the site folders' path, of every case id, of every slide's name; and a word in cases.csv."""
ONLY_ONE = 48131.77
"""Of a feature that one case of each site has: its sum over the cases would be the value itself."""
NEIGHBOURS = (-1.27341, 7313.131)
"""Of two features side by side in the table of one case of each site."""
RATIO, AGE = -2.70713, 61.73519
NUMBERS = (ONLY_ONE, *NEIGHBOURS, RATIO, AGE)
N_CASES = 24
_NO_DIGIT = rb"(?<!\d)"
"""Flower's headers have the time to the microsecond: 07:42:12.707131 holds no 2.70713."""


def marked_federation() -> Federation:
    """Every kind of row of docs/privacy.md that one short study can have; one round of each branch."""
    rounds = {"federated": {"rounds": 1, "patience": 0}}
    sections = {
        "cnv": {"values": "log2", "features": features_of("cnv")},
        "hif": {"kind": "table", "features": features_of("table")},
        "clinical": {},
        "wsi_image": {},
    }
    return federation_from(
        {
            "seed": 3,
            "fusion": {"folds": 2, "rounds": 1},
            "modalities": {name: {**section, **rounds} for name, section in sections.items()},
        }
    )


def write_marked_site(root: Path, number: int, federation: Federation, held: Iterable[str]) -> Path:
    """site_`number` below the root, with marks in every raw file and in their names."""
    name, rng = f"site_{number}", np.random.default_rng(number)
    folder = root / name
    classes = rng.permutation(np.arange(N_CASES) % federation.n_classes)
    case_ids = [f"{CASE}{number}{case:02d}" for case in range(N_CASES)]
    written = {"cnv": _cnv, "hif": _hif, "clinical": _clinical, "wsi_image": _slides, "wsi_graph": _slides}
    sources = {name: written[name](folder / name, case_ids, classes.tolist(), rng) for name in held}
    labels = [federation.task.classes[label] for label in classes]
    cases = pd.DataFrame({"case_id": case_ids, "label": labels, "split": "train", "comment": ROW})
    write_site(folder, name, cases, sources, Policy(min_cohort=3, min_cell=5, min_holders=2))
    return folder


def marks_in(content: bytes) -> list[str]:
    """The marks that these bytes hold: texts in any case; numbers as text, as float64, and two float32 in a row."""
    lowered = content.lower()
    texts = [text for text in (FOLDER, CASE, SLIDE, ROW) if text.lower().encode() in lowered]
    texts += [text for text in map(_text, NUMBERS) if re.search(_NO_DIGIT + re.escape(text).encode(), content)]
    numbers = [str(number) for number in NUMBERS if any(form in content for form in _as_float64(number))]
    pair = [f"{order}2f" for order in "<>" if struct.pack(f"{order}2f", *NEIGHBOURS) in content]
    return texts + numbers + pair


def marked_values(arrays: Iterable[np.ndarray]) -> list[float]:
    """The marked numbers that stand in these arrays by themselves, in either precision, or squared."""
    held = np.concatenate([np.zeros(0), *(np.abs(array.astype(np.float64)).ravel() for array in arrays)])
    forms = {number: np.abs([number, np.float32(number)]).astype(np.float64) for number in NUMBERS}
    return [
        number
        for number, known in forms.items()
        if any(np.isclose(held, value, rtol=1e-7, atol=0).any() for value in [*known, *np.square(known)])
    ]


def _text(number: float) -> str:
    return str(abs(number))


def _as_float64(number: float) -> list[bytes]:
    return [struct.pack(f"{order}d", value) for order in "<>" for value in (number, float(np.float32(number)))]


def _cnv(folder: Path, case_ids: list[str], classes: list[int], rng: np.random.Generator) -> Source:
    source = plugin("cnv").write_example(folder, case_ids, classes, rng)
    path = folder / "data_log2_cna.txt"
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    lines[1][-1] = str(RATIO)
    path.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    return source


def _hif(folder: Path, case_ids: list[str], classes: list[int], rng: np.random.Generator) -> Source:
    source = plugin("table").write_example(folder, case_ids, classes, rng)
    path = folder / "table.csv"
    frame = pd.read_csv(path)
    frame["feature_12"] = np.nan
    frame.loc[0, ["feature_3", "feature_4", "feature_12"]] = [*NEIGHBOURS, ONLY_ONE]
    frame.to_csv(path, index=False)
    return source


def _clinical(folder: Path, case_ids: list[str], classes: list[int], rng: np.random.Generator) -> Source:
    folder.mkdir(parents=True)
    ages = [AGE, *rng.integers(35, 80, len(case_ids) - 1).tolist()]
    receptors = np.where((np.array(classes) % 2 == 0) ^ (rng.random(len(classes)) < 0.2), "positive", "negative")
    frame = pd.DataFrame({"patient": case_ids, "age_years": ages, "er": receptors})
    frame.to_csv(folder / f"{CASE}clinic.csv", index=False)
    columns = {"case_id": "patient", "age": "age_years", "er": "er"}
    return Source((folder / f"{CASE}clinic.csv",), columns=columns)


def _slides(folder: Path, case_ids: list[str], classes: list[int], rng: np.random.Generator) -> Source:
    names = [f"{SLIDE}{number}" for number, _ in enumerate(case_ids)]
    write_trident(folder, names, classes, rng)
    pd.DataFrame({"case_id": case_ids, "slide": names}).to_csv(folder / "slides.csv", index=False)
    return Source((folder,))
