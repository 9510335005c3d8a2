"""How a problem names the files of a source: as site.yaml does, and many of one folder by the folder."""

import pytest

from client.check.modality import _files
from modalities.core.contract import Source


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["hif/table.csv"], "hif/table.csv"),
        (["slides/a.svs", "slides/b.svs", "slides/c.svs"], "slides/"),
        (["cnv/a.tsv", "more/b.tsv"], "cnv/a.tsv, more/b.tsv"),
        (["../elsewhere/table.csv"], "table.csv"),  # where else it lies on the machine is nobody's business
    ],
    ids=["one file", "many of a folder", "of two folders", "outside"],
)
def test_a_source_is_named_from_the_site_folder_on(paths, name, tmp_path):
    site = tmp_path / "site"
    assert _files(site, Source(tuple((site / path).resolve() for path in paths))) == name
