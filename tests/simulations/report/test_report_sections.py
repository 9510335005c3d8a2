"""A study's sections: each stands in the page with its reading, its picture and its table, and nothing is markup."""

import pytest

from simulations.report import build, write_study
from strategies.report.look import draw
from strategies.report.section import Picture, Section, Table


def section(results):
    if "made_up" not in results:
        return None

    def paint(figure):
        figure.add_subplot().plot([0, 1], results["made_up"])

    figure = draw(3.0, 2.0, paint)
    table = Table(("site", "macro-AUROC"), (("<north>", "0.913"), ("south", "n/a")), "By site", own=(1,))
    return Section("made-up", "Made up", "Further up is better.", (Picture(figure, "a line"),), (table,), "Two sites.")


@pytest.fixture(autouse=True)
def _one_section(monkeypatch):
    monkeypatch.setattr("simulations.report.sections.SECTIONS", (section,))


def test_a_study_is_a_page_of_its_sections(tmp_path):
    page = write_study({"made_up": [0.5, 0.9]}, "Convergence", "Two <sites>.", tmp_path / "out").read_text("utf-8")
    assert '<a href="#made-up">Made up</a>' in page
    assert '<p class="read">Further up is better.</p>' in page
    assert 'alt="a line"' in page
    assert "Two &lt;sites&gt;." in page
    assert '<tr class="own"><th scope="row">south</th><td class="num">n/a</td></tr>' in page
    assert "&lt;north&gt;" in page
    assert "<north>" not in page


def test_the_contents_escape_a_heading_once(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "simulations.report.sections.SECTIONS", (lambda results: Section("site", "A case's site & <age>", "Read it."),)
    )
    page = write_study({}, "Study", "", tmp_path).read_text("utf-8")
    assert '<a href="#site">A case&#39;s site &amp; &lt;age&gt;</a>' in page
    assert "&amp;#39;" not in page


def test_a_study_that_was_not_made_leaves_its_section_out(tmp_path):
    page = write_study({}, "Nothing", "", tmp_path).read_text("utf-8")
    assert 'id="made-up"' not in page
    assert build.sections_of({}) == []
