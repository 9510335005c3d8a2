"""Real tables are told nothing: all of TCGA-BRCA and METABRIC, and each of their sites by itself."""

import pandas as pd
import pytest

from client.check.twins import twins
from client.check.values import plausibility, told
from modalities.core.contract import Source
from modalities.core.files.remarks import remarked
from modalities.core.registry import plugin
from modalities.core.settings.federation import federation_from

TCGA, METABRIC = "tcga-brca", "metabric"
TABLES = {
    "TCGA's clinical records": (TCGA, "clinical", "clinical", {}),
    "TCGA's calls": (TCGA, "cnv/data_cna.txt", "cnv", {}),
    "TCGA's log2 ratios": (TCGA, "cnv/data_log2_cna.txt", "cnv", {"values": "log2"}),
    "TCGA's arms": (TCGA, "cnv/data_log2_cna.txt", "cnv", {"values": "arms"}),
    "TCGA's arms by calls": (TCGA, "cnv/data_cna.txt", "cnv", {"values": "arms", "arms_from": "calls"}),
    "TCGA's segments": (TCGA, "cnv/gdc_masked_segments", "cnv", {"values": "arms"}),
    "TCGA's slide features": (TCGA, "wsi_hif/hif.csv.gz", "table", {}),
    "TCGA's GISTIC peaks": (TCGA, "cnv/gistic_peaks.csv", "table", {"allow": ["copy_number"]}),
    "TCGA's ASCAT summaries": (TCGA, "cnv/ascat_summary.csv", "table", {"allow": ["copy_number"]}),
    "METABRIC's clinical export": (METABRIC, "clinical/brca_metabric_clinical_data.tsv", "clinical", {}),
    "METABRIC's study download": (METABRIC, "study/data_clinical_patient.txt", "clinical", {}),
    "METABRIC's log2 ratios": (METABRIC, "cnv/data_log2_cna.txt", "cnv", {"values": "log2"}),
    "METABRIC's arms": (METABRIC, "cnv/data_log2_cna.txt", "cnv", {"values": "arms"}),
}


def sites_of(folder, case_ids):
    """Site -> its cases, and `all`."""
    listed = pd.read_csv(folder / "labels" / "pam50.csv", keep_default_na=False).set_index("case_id")["site_code"]
    sites = listed.reindex(list(case_ids)).fillna("")
    return {"all": list(case_ids), **{name: list(own.index) for name, own in sites.groupby(sites) if name}}


def warned(sites, source, read, config):
    """What is told of each group of cases, above a note."""
    found = {}
    for site, own in sites.items():
        cases = read.select(own).with_a_known_value()
        if cases.case_ids:
            said = plausibility("file", source if site == "all" else Source(()), cases, config)
            problems = [*said.problems, *twins({"m": told(cases, said)})]
            found[site] = [str(problem) for problem in problems if problem.level != "note"]
    return {site: lines for site, lines in found.items() if lines}


@pytest.mark.parametrize("table", TABLES)
def test_no_real_site_is_told_anything(tcga_data, table):
    folder, file, kind, settings = TABLES[table]
    config = federation_from({"modalities": {"m": {"kind": kind, **settings}}}).modalities["m"]
    path = tcga_data / folder / file
    source = Source(tuple(sorted(path.iterdir())) if kind == "clinical" and path.is_dir() else (path,))
    with remarked() as heard:
        read = plugin(kind).read(source, config)
    assert [str(problem) for problem in heard if problem.level != "note"] == []
    assert warned(sites_of(tcga_data / folder, read.case_ids), source, read, config) == {}


def test_four_heart_centres_are_told_nothing(tcga_data):
    """Not even of va-139 and va-187, who are the same in 18 columns, most of them yes or no: strangers might be."""
    config = federation_from({"modalities": {"heart": {"kind": "table"}}}).modalities["heart"]
    source = Source((tcga_data / "heart-disease" / "heart.csv",))
    read = plugin("table").read(source, config)
    centres = pd.Series([case_id.rsplit("-", 1)[0] for case_id in read.case_ids], index=read.case_ids)
    sites = {name: list(own.index) for name, own in centres.groupby(centres)}
    assert sorted(sites) == ["cleveland", "hungarian", "switzerland", "va"]
    assert warned({**sites, "all": list(read.case_ids)}, source, read, config) == {}


@pytest.mark.parametrize("site", ["A2", "BH", "GM", "AO"])
def test_a_real_site_whose_signs_are_flipped_is_told(tcga_data, site):
    """So that silence above is not deafness: TCGA's log2 ratios, at sites of 16 to 105 cases."""
    config = federation_from({"modalities": {"m": {"kind": "cnv", "values": "log2"}}}).modalities["m"]
    source = Source((tcga_data / TCGA / "cnv" / "data_log2_cna.txt",))
    read = plugin("cnv").read(source, config)
    own = read.select(sites_of(tcga_data / TCGA, read.case_ids)[site])
    (line,) = [
        str(problem)
        for problem in plausibility(
            "f", source, own.__class__(own.case_ids, -own.values, own.features), config
        ).problems
    ]
    assert "gains and losses the wrong way round" in line
