"""The report of a thousand sites can be read: what they come to is open, each of them is folded up."""

import re

from simulations.report import build, write_report
from tests.simulations.report.made_up import MadeUpStudy, made_up_results

N_SITES = 1000


def of_a_thousand_sites(results):
    """The same results, with tables by site of a thousand; the last site has the most cases and bytes."""
    counts = {f"hospital_{number:04}": {"LumA": number, "Basal": 3} for number in range(1, N_SITES + 1)}
    traffic = {site: {"cnv": {"up": row["LumA"] * 10**6, "down": 5 * 10**6}} for site, row in counts.items()}
    return results | {"site_by_class": counts, "site_by_modality": counts, "bytes": traffic}


def test_of_a_thousand_sites_quantiles_are_open_and_each_site_is_folded_up(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "pictures", lambda results, predictions: {})
    results, predictions = made_up_results(MadeUpStudy(200), n_draws=5)
    few = write_report(results, predictions, tmp_path / "few").read_text(encoding="utf-8")
    many = write_report(of_a_thousand_sites(results), predictions, tmp_path / "many").read_text(encoding="utf-8")
    folded = re.findall(r"<details><summary>All 1000 sites</summary>(.*?)</details>", many, re.DOTALL)
    assert [len(set(re.findall(r"hospital_\d{4}", table))) for table in folded] == [N_SITES] * 3
    opened = re.sub(r"<details>.*?</details>", "", many, flags=re.DOTALL)
    assert "hospital_" not in opened
    assert opened.count("<tr") <= few.count("<tr")  # nine sites are shown one by one there
    row = re.search(r'<th scope="row">up, MB</th>(.*?)</tr>', opened)
    assert row
    assert re.findall(r">([\d.,]+)<", row[1]) == [
        "1,000",
        "1.00",
        "50.95",
        "250.75",
        "500.50",
        "750.25",
        "950.05",
        "1000.00",
    ]
