"""What keeps a file from being read is told beside the words that site.yaml maps in vain, neither alone."""

import pytest

from client.check.folder import check_site
from modalities.core.settings.federation import federation_from

SITE = """\
name: a
policy: {min_cohort: 0, min_cell: 0}
sources:
  clinical:
    paths: [export.csv]
    columns: {case_id: record_id, er: ER}
    values: {er: {positif: positive}}
"""


@pytest.mark.parametrize(
    ("export", "wrong"),
    [
        ("record_id,ER\nc0,positiv\nc1,negative\n", ["'positiv' is not known", "mapped, but not in the columns of er"]),
        ("record_id,ER,path_complete\nc0,1,2\nc1,0,2\n", ["a REDCap export without its data dictionary"]),
    ],
    ids=["a word misspelled", "no file that can be opened"],
)
def test_both_are_told(tmp_path, export, wrong):
    (tmp_path / "export.csv").write_text(export)
    (tmp_path / "cases.csv").write_text("case_id,label,split\nc0,LumA,train\nc1,LumB,train\n")
    (tmp_path / "site.yaml").write_text(SITE)
    report = check_site(tmp_path, federation_from({"modalities": {"clinical": {}}}))
    told = [one.what for one in report.problems if one.level == "error" and "export.csv" in one.file + one.what]
    told += [one.what for one in report.problems if one.where.startswith("sources.clinical.values")]
    assert len(told) == len(wrong)
    assert all(what.startswith(begin) for what, begin in zip(told, wrong, strict=True)), told
