"""Whose segments are whose, where files and rows name samples."""

import pytest

from modalities.cnv import Config
from modalities.cnv.reading import read
from modalities.core.contract import Source

CONFIG = Config(values="arms")
CNS = "chromosome\tstart\tend\tgene\tlog2\tdepth\tprobes\tweight\nchr8\t0\t43200000\t-\t{}\t1\t9\t1\n"


def seg(folder, *samples, name="c.hg38.seg"):
    rows = [f"{sample}\t8\t1\t43200000\t9\t{number / 8}" for number, sample in enumerate(samples, start=1)]
    (folder / name).write_text("\n".join(["ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean", *rows]) + "\n")


def owners(folder, **columns):
    cases = read(Source((folder,), columns=columns, assembly="hg38", units="log2"), CONFIG)
    column = cases.features.index("8p")
    found = dict(zip(cases.case_ids, (8 * cases.values[:, column]).tolist(), strict=True))
    return found, {name: n for name, n in cases.notes.items() if n and name != "arms covered too little"}


def test_a_sample_is_a_case_where_nothing_says_otherwise_and_a_barcode_tells_tumours(tmp_path):
    seg(tmp_path, "p9", "TCGA-AA-0001-01A-11D-A111-01", "TCGA-AA-0001-10A-01D-A111-01")
    assert owners(tmp_path) == (
        {"p9": 1, "TCGA-AA-0001": 2},
        {"aliquots refused, no primary tumour: blood of the patient, which is normal": 1},
    )


def test_cbioportals_list_of_samples_tells_patients_and_leaves_metastases_out(tmp_path):
    seg(tmp_path, "P-1-T01", "P-1-T02", "P-2-T01", "P-3", name="data_cna_hg38.seg")
    (tmp_path / "data_clinical_sample.txt").write_text(
        "#Patient\tSample\tType\n#Patient\tSample\tType\n#STRING\tSTRING\tSTRING\n#1\t1\t1\n"
        "PATIENT_ID\tSAMPLE_ID\tSAMPLE_TYPE\nP-1\tP-1-T01\tMetastasis\nP-1\tP-1-T02\tPrimary\nP-2\tP-2-T01\t\n"
    )
    assert owners(tmp_path) == (
        {"P-1": 2, "P-2": 3, "P-3": 4},
        {"aliquots refused, no primary tumour: metastasis": 1},
    )


def test_of_several_primary_samples_of_a_patient_the_sites_own_list_chooses(tmp_path):
    seg(tmp_path, "P-1-T01", "P-1-T02", name="data_cna_hg38.seg")
    (tmp_path / "data_clinical_sample.txt").write_text(
        "#Patient\tSample\n#Patient\tSample\n#STRING\tSTRING\n#1\t1\nPATIENT_ID\tSAMPLE_ID\nP-1\tP-1-T01\nP-1\tP-1-T02\n"
    )
    with pytest.raises(
        ValueError, match=r"cases listed more than once: P-1; .* CSV with the columns sample and case_id"
    ):
        owners(tmp_path)
    (tmp_path / "samples.csv").write_text("sample,case_id\nP-1-T02,P-1\n")
    assert owners(tmp_path) == ({"P-1": 2}, {"samples that the list of samples does not name": 1})


def test_the_sites_own_list_of_samples_decides_which_are_read(tmp_path):
    seg(tmp_path, "S1", "S2", "S3")
    (tmp_path / "samples.csv").write_text("Probe,Fall\nS3,p1\nS1,p2\n")
    assert owners(tmp_path, sample="Probe", case_id="Fall")[0] == {"p1": 3, "p2": 1}


def test_samples_beside_the_sites_list_are_counted(tmp_path):
    seg(tmp_path, "S1", "S2", "S3")
    (tmp_path / "samples.csv").write_text("sample,case_id\nS2,p1\n")
    assert owners(tmp_path) == ({"p1": 2}, {"samples that the list of samples does not name": 2})


def test_a_file_without_a_sample_is_named_by_itself_up_to_its_first_point_or_by_a_manifest(tmp_path):
    (tmp_path / "p1.sorted.cns").write_text(CNS.format(0.125))
    (tmp_path / "p2.call.cns").write_text(CNS.format(0.25))
    assert owners(tmp_path)[0] == {"p1": 1, "p2": 2}
    (tmp_path / "manifest.csv").write_text("file,case_id\np1.sorted.cns,x\n")
    assert owners(tmp_path)[0] == {"x": 1, "p2": 2}


def test_of_the_files_that_cnvkit_leaves_of_a_sample_the_last_is_read(tmp_path):
    for name, value in (("p1.cns", 0.125), ("p1.call.cns", 0.25), ("p1.bintest.cns", 0.5), ("p2.cns", 0.625)):
        (tmp_path / name).write_text(CNS.format(value))
    found, notes = owners(tmp_path)
    assert found == {"p1": 2, "p2": 5}
    assert notes == {"files of earlier steps, not read": 2}


def test_two_tumours_of_a_case_must_be_chosen_from(tmp_path):
    seg(tmp_path, "TCGA-AA-0001-01A", "TCGA-AA-0001-01B")
    with pytest.raises(ValueError, match=r"^c\.hg38\.seg: cases listed more than once: TCGA-AA-0001; keep one"):
        owners(tmp_path)


def test_a_table_of_normal_samples_only_is_refused_with_the_reasons(tmp_path):
    seg(tmp_path, "TCGA-AA-0001-11A")
    with pytest.raises(ValueError, match=r"no sample of a primary tumour \(1 aliquots refused, .*: normal tissue\)"):
        owners(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample,case_id\nS1,\n", r"samples\.csv: no case in line 2"),
        ("sample,case_id\nS1,p1\nS1,p2\n", r"samples\.csv: samples listed more than once: S1"),
    ],
)
def test_an_unusable_list_of_samples_is_refused(tmp_path, text, said):
    seg(tmp_path, "S1")
    (tmp_path / "samples.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        owners(tmp_path)
