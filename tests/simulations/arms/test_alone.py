"""Which of many sites are also trained alone."""

from modalities.core.site.store import SiteData
from simulations.arms.alone import MOST_ALONE, sites_alone
from strategies.settings import federation_from


def sites_of(root, n_sites):
    """Site k lists k cases."""
    federation = federation_from({"modalities": {"hif": {"kind": "table"}}})
    for number in range(1, n_sites + 1):
        folder = root / f"s{number:03d}"
        folder.mkdir()
        (folder / "site.yaml").write_text(f"name: s{number:03d}\n")
        rows = "".join(f"c{row},LumA\n" for row in range(number))
        (folder / "cases.csv").write_text(f"case_id,label\n{rows}")
    return [SiteData(folder, federation) for folder in sorted(root.iterdir())]


def test_every_site_is_trained_alone_where_they_are_few(tmp_path):
    assert len(sites_alone(sites_of(tmp_path, MOST_ALONE))) == MOST_ALONE


def test_of_many_sites_the_smallest_the_largest_and_evenly_between_are(tmp_path):
    """59 sites, of which every second is the 30th part of the way from 1 case to 59."""
    found = sites_alone(sites_of(tmp_path, 2 * MOST_ALONE - 1))
    assert found == {f"s{number:03d}" for number in range(1, 2 * MOST_ALONE, 2)}
