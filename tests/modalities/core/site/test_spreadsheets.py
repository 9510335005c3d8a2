"""A site folder gives the same cases whichever way a spreadsheet program has saved its tables."""

import numpy as np
import pytest

from client.check.folder import check_site
from modalities.core.settings.federation import federation_from
from modalities.core.site.cases import open_site
from modalities.slides.reading.manifest import listed_files
from tests.modalities.core.site.spreadsheets import WAYS
from tests.modalities.slides.features.test_reading import write_trident

CASES = ("P-1", "P-2", "P-3", "P-4", "P-5")
RNG = np.random.default_rng(7)
TABLE = RNG.normal(0, 30, (5, 3)).round(4)
LOG2 = RNG.normal(0, 0.4, (4, 5)).round(3)
TILES = {case_id: RNG.normal(size=(n, 4)).astype(np.float32) for n, case_id in enumerate(CASES, start=3)}
FEDERATION = federation_from(
    {
        "task": {"classes": ["LumA", "Basal"]},
        "modalities": {
            "hif": {"kind": "table", "features": ["area", "ratio", "third"]},
            "clinical": {"kind": "clinical"},
            "cnv": {"kind": "cnv", "values": "log2"},
            "wsi_image": {"kind": "wsi_image"},
        },
    }
)
SITE = """\
name: north
cases: {cases}
sources:
  hif: {{paths: [{hif}], columns: {{case_id: Fallnummer, area: Fläche µm²}}}}
  clinical:
    paths: [{clinical}]
    columns: {{case_id: Fallnummer, age: Alter, er: ER-Status, ki67_percent: Ki-67 %, t: pT}}
  cnv: {{paths: [{cnv}]}}
  wsi_image: {{paths: [slides]}}
policy: {{min_cohort: 0}}
"""


def write_site(folder, write):
    """The site's tables, written this way."""
    listed = [["case_id", "label", "split", "Klinik"]]
    listed += [
        [case_id, "LumA" if n % 2 else "Basal", "train", "Müller & Söhne, Köln"] for n, case_id in enumerate(CASES)
    ]
    table = [["Fallnummer", "Fläche µm²", "ratio", "third"]]
    table += [[case_id, *map(float, row)] for case_id, row in zip(CASES, TABLE, strict=True)]
    table[2][2] = None
    clinical = [
        ["Fallnummer", "Alter", "ER-Status", "Ki-67 %", "pT", "Wohnort"],
        ["P-1", 61.5, "positive", 0.5, "pT2", "Köln"],
        ["P-2", 48.25, "neg.", 35.0, None, "Zürich; Oerlikon"],
        ["P-3", None, "positive", 12.5, "pT1c", 'Bad "Tölz", Süd'],
        ["P-4", 70, "negative", None, "pT3", None],
        ["P-5", 55, None, 20.0, "pT4b", "Wien"],
    ]
    cnv = [["Hugo_Symbol", *CASES], *[[f"GENE{n}", *map(float, row)] for n, row in enumerate(LOG2)]]
    slides = [["case_id", "slide", "mpp"], *[[case_id, f"S{n}", 0.25] for n, case_id in enumerate(CASES)]]
    paths = {
        name: write(folder / name, rows).name
        for name, rows in (("cases", listed), ("hif", table), ("clinical", clinical), ("cnv", cnv))
    }
    write(folder / "slides" / "slides", slides)
    for n, case_id in enumerate(CASES):
        places = np.array([[512 * tile, 0] for tile in range(len(TILES[case_id]))])
        write_trident(folder / "slides" / f"S{n}.h5", TILES[case_id], places)
    (folder / "site.yaml").write_text(SITE.format(**paths), encoding="utf-8")
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_gives_the_same_cases(tmp_path, way):
    site = open_site(write_site(tmp_path, WAYS[way]), FEDERATION.task)
    assert list(site.cases.index) == list(CASES)
    assert site.cases["label"].tolist() == [1, 0, 1, 0, 1]
    found = {name: site.read(name, config) for name, config in FEDERATION.modalities.items()}
    table = TABLE.astype(np.float32)
    table[1, 1] = np.nan
    assert np.array_equal(found["hif"].values, table, equal_nan=True)
    assert found["cnv"].case_ids == CASES
    assert np.array_equal(found["cnv"].values, LOG2.T.astype(np.float32))
    clinical = dict(zip(found["clinical"].features, found["clinical"].values.T, strict=True))
    known = {
        "age": [61.5, 48.25, np.nan, 70, 55],
        "ki67_percent": [0.5, 35, 12.5, np.nan, 20],
        "t": [2, np.nan, 1, 3, 4],
    }
    for name, values in known.items():
        assert np.array_equal(clinical[name], np.array(values, np.float32), equal_nan=True)
    assert found["wsi_image"].case_ids == CASES
    assert all(map(np.array_equal, found["wsi_image"].values, TILES.values()))
    assert [entry.mpp for entry in listed_files(site.sources["wsi_image"])] == [0.25] * 5


@pytest.mark.parametrize("way", WAYS)
def test_check_finds_no_error_and_says_what_was_told_by_the_file_alone(tmp_path, way):
    report = check_site(write_site(tmp_path, WAYS[way]), FEDERATION)
    assert report.ok
    said = [str(problem) for problem in report.problems]
    tables = ("cases", "hif", "clinical")
    ansi = {name for name in tables if any(text.startswith(f"{name}.csv: not UTF-8: read as") for text in said)}
    assert ansi == (set(tables) if "1252" in way else set())
    commas = sum("is read as" in text and "decimal commas" in text for text in said)
    assert commas == (4 if "decimal commas" in way else 0)  # table, clinical, copy number, slides
    assert sum("only the first sheet 'Data' is read; others hold something" in text for text in said) == (
        5 if way == "Excel" else 0
    )
