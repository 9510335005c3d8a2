"""Remarks reach whoever listens, each once."""

from modalities.core.files.remarks import remark, remarked
from modalities.core.problems import note


def test_everybody_who_listens_hears_each_remark_once():
    remark(note("before"))
    with remarked() as outer:
        remark(note("a"))
        with remarked() as inner:
            remark(note("b"))
            remark(note("b"))
        remark(note("c"))
    remark(note("after"))
    assert [problem.what for problem in outer] == ["a", "b", "c"]
    assert [problem.what for problem in inner] == ["b"]
