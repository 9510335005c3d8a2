import numpy as np
import openslide
import pytest

from modalities.core.settings.federation import federation_from
from modalities.core.site.cases import open_site
from modalities.core.site.example import write_example_site
from modalities.slides.synthetic import MPP, Traits, paint, traits_of, write_slide


def test_slide_is_an_aperio_pyramid_with_resolution_and_power(tmp_path):
    write_slide(tmp_path / "a.svs", 2, seed=5)
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert float(slide.properties["openslide.mpp-x"]) == 0.5
        assert slide.properties["openslide.objective-power"] == "20"
        assert slide.level_dimensions == ((640, 640), (160, 160))
    assert (tmp_path / "a.svs").stat().st_size < 150_000


def test_same_seed_same_bytes_and_another_seed_another_slide(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_slide(tmp_path / f"{name}.svs", 1, seed, side=256)
    written = [(tmp_path / f"{name}.svs").read_bytes() for name in "abc"]
    assert written[0] == written[1] != written[2]


def test_traits_of_classes_differ_and_overlap():
    rng = np.random.default_rng(0)
    sizes = [[traits_of(label, rng).nucleus_um for _ in range(400)] for label in (0, 3)]
    assert np.mean(sizes[1]) > 1.1 * np.mean(sizes[0])
    assert np.quantile(sizes[0], 0.9) > np.quantile(sizes[1], 0.1), "no trait tells the classes apart for sure"
    assert traits_of(9, np.random.default_rng(1)) == traits_of(9, np.random.default_rng(1)), "any class has a centre"


@pytest.mark.parametrize(("trait", "low", "high"), [("density", 1500.0, 5000.0), ("nucleus_um", 8.0, 14.0)])
def test_denser_and_larger_nuclei_make_darker_tissue(trait, low, high):
    middle = {"density": 3000.0, "nucleus_um": 10.0, "pleomorphism": 0.2, "stain": 1.0, "stroma": 0.4, "lumens": 9.0}
    painted = [
        paint(Traits(**{**middle, "nest_um": 80.0, trait: value}), np.random.default_rng(3), side=512)
        for value in (low, high)
    ]
    dark = [(image.max(axis=2) < 150).mean() for image in painted]
    assert dark[1] > 1.5 * dark[0]
    assert MPP == 0.5


def test_modalities_that_read_slides_share_one_set_of_a_site(tmp_path):
    federation = federation_from({"modalities": {"wsi_image": {}, "cnv": {}, "wsi_graph": {}}})
    folder = write_example_site(tmp_path, federation, 0, 7, ["wsi_image", "cnv", "wsi_graph"])
    sources = open_site(folder, federation.task).sources
    assert sources["wsi_image"].paths == sources["wsi_graph"].paths == (folder / "slides",)
    assert len(list(folder.rglob("*.svs"))) <= 7
    assert sources["cnv"].paths == (folder / "cnv",)
