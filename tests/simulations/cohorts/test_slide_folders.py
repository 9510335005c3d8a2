"""Slides and their features are dealt out by links; what is made of them is kept in the data folder."""

import numpy as np
import pytest

from modalities.core.problems import ProblemsError
from modalities.core.registry import plugin
from modalities.core.settings.federation import federation_from
from modalities.core.settings.task import Task
from simulations.cohorts.raw_files import deal
from simulations.cohorts.tcga import group_sites, open_dataset, write_raw_files
from tests.modalities.wsi import write_trident

CASES = ("TCGA-AA-0001", "TCGA-BB-0002", "TCGA-AA-0003")
SITE_OF = {case: case[5:7] for case in CASES}


@pytest.fixture
def folder(tmp_path):
    """Features of a slide a case, and the list of cases."""
    data = tmp_path / "data"
    names = [f"{case}-01Z-00-DX1.0A" for case in CASES]
    write_trident(data / "features", names, [0, 1, 0], np.random.default_rng(1))
    rows = [f"{case},{site},LumA" for case, site in SITE_OF.items()]
    (data / "labels.csv").write_text("\n".join(["case_id,site_code,pam50", *rows]) + "\n")
    (data / "dataset.yaml").write_text("labels: {path: labels.csv}\nsources: {wsi_image: [features]}\n")
    return data


def test_each_site_reads_its_own_cases_through_links(folder, tmp_path):
    task = Task(classes=["LumA", "Basal"])
    dataset = open_dataset(folder, ["wsi_image"], task)
    sources = write_raw_files(dataset, group_sites(dataset, task, min_site=1), tmp_path / "sites")
    config = federation_from({"modalities": {"wsi_image": {}}}).modalities["wsi_image"]
    read = {site: plugin("wsi_image").read(held["wsi_image"], config).case_ids for site, held in sources.items()}
    assert read == {"AA": (CASES[0], CASES[2]), "BB": (CASES[1],)}
    links = list((tmp_path / "sites").rglob("*.h5"))
    assert len(links) == 3
    assert all(link.is_symlink() and link.resolve().parent == folder / "features" for link in links)
    assert sources["AA"]["wsi_image"].slides.cache == str(folder / ".tessera" / "slides")


def test_the_lists_of_a_folder_and_of_its_tissue_count(tmp_path):
    slides = tmp_path / "slides"
    (slides / "deep").mkdir(parents=True)
    for name in ("one.svs", "deep/two.svs", "three.svs"):
        (slides / name).write_bytes(b"x")
    (slides / "slides.csv").write_text(f"case_id,slide,mpp\n{CASES[0]},one,.25\n{CASES[1]},deep/two.svs,\n")
    (slides / "tiles.csv").write_text("slide,x,y,small\none,0,0,3\n")
    copies = deal(slides, SITE_OF, {"AA": tmp_path / "AA", "BB": tmp_path / "BB"})
    assert copies == {"AA": tmp_path / "AA" / "slides", "BB": tmp_path / "BB" / "slides"}
    assert (copies["AA"] / "slides.csv").read_text() == f"case_id,slide,mpp\n{CASES[0]},one.svs,0.25\n"
    assert (copies["BB"] / "slides.csv").read_text() == f"case_id,slide,mpp\n{CASES[1]},deep/two.svs,\n"
    assert not list(tmp_path.glob("??/slides/three.svs"))


def test_normal_tissue_and_cases_of_no_site_go_to_nobody(tmp_path):
    slides = tmp_path / "slides"
    slides.mkdir()
    for name in (f"{CASES[0]}-11A-01-TS1.svs", "TCGA-ZZ-9999-01Z-00-DX1.svs", f"{CASES[0]}-01Z-00-DX1.svs"):
        (slides / name).write_bytes(b"x")
    copies = deal(slides, SITE_OF, {"AA": tmp_path / "AA"})
    assert [path.name for path in copies["AA"].glob("*.svs")] == [f"{CASES[0]}-01Z-00-DX1.svs"]


def test_a_slide_of_several_files_is_refused_and_so_is_a_folder_without_any(tmp_path):
    (tmp_path / "slides").mkdir()
    with pytest.raises(ProblemsError, match=r"no slide .* and no tile features"):
        deal(tmp_path / "slides", SITE_OF, {})
    (tmp_path / "slides" / f"{CASES[0]}-01Z-00-DX1.mrxs").write_bytes(b"x")
    with pytest.raises(ProblemsError, match=r"slides of several files each are not dealt out: .*DX1\.mrxs; extract"):
        deal(tmp_path / "slides", SITE_OF, {"AA": tmp_path / "AA"})
