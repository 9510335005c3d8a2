"""A site whose files are wrong: its own log says what to correct, and the others go on without it.

Where the files of one modality are wrong, the site goes on with its other one.
"""

import gzip
import re

import pytest

from tests.support import WatchedGrid, run_small, same_study, small_federation, write_sites

FEDERATION = small_federation(
    fusion__rounds=1, modalities__cnv__federated__rounds=1, modalities__hif__federated__rounds=1
)
HOLDINGS, N_CASES = [("cnv", "hif")] * 3, [23, 19, 17]


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """The study of sites 1 and 3."""
    root = write_sites(tmp_path_factory.mktemp("two"), FEDERATION, HOLDINGS, N_CASES)
    (root / "site_2" / "site.yaml").unlink()
    return run_small(root, FEDERATION)


@pytest.fixture(scope="module")
def only(tmp_path_factory):
    """By modality, the study in which site 2 trains nothing else."""
    found = {}
    for name in ("cnv", "hif"):
        root = write_sites(tmp_path_factory.mktemp(name), FEDERATION, HOLDINGS, N_CASES)
        allowed = f"modalities: [{name}]"
        allow = rewrite("site.yaml", lambda text, allowed=allowed: text.replace("modalities: []", allowed))
        allow(root / "site_2")
        found[name] = run_small(root, FEDERATION)
    return found


def rewrite(name, change):
    def damage(folder):
        path = folder / name
        path.write_text(change(path.read_text()))

    return damage


def twice(text):
    return text + text.splitlines()[-1] + "\n"


def as_gzip_cut_off(folder):
    path = folder / "hif" / "table.csv"
    (folder / "hif" / "table.csv.gz").write_bytes(gzip.compress(path.read_bytes())[:-20])
    rewrite("site.yaml", lambda text: text.replace("table.csv", "table.csv.gz"))(folder)


DAMAGES = {
    "a duplicated case in the list": (
        rewrite("cases.csv", twice),
        r"site site_2: cases\.csv, column case_id: cases listed more than once: site_2-case-019; keep one row a case",
    ),
    "a label outside the class list": (
        rewrite("cases.csv", lambda text: text.replace("LumA", "Luminal A")),
        r"cases\.csv, column label: labels outside the class list: Luminal A \(4\); the task knows LumA, LumB",
    ),
    "a wrong delimiter in the list": (
        rewrite("cases.csv", lambda text: text.replace(",", "^")),
        r"cases\.csv: only one column: line 1 has no tab, comma, semicolon, vertical bar between cells \('case_id\^",
    ),
    "no case": (rewrite("cases.csv", lambda text: text.splitlines()[0]), r"cases\.csv: lists no case"),
    "an unknown split": (
        rewrite("cases.csv", lambda text: text.replace(",train", ",training")),
        r"cases\.csv, column split: split must be train, test or blank, got training",
    ),
    "a source that is not there": (
        rewrite(
            "site.yaml",
            lambda text: text.replace("- hif/table.csv", "- hif/gone.csv").replace("- hif", "- hif/gone.csv"),
        ),
        r"sources\.hif: .*gone\.csv.* does not exist",
    ),
    "an unknown setting": (
        rewrite("site.yaml", lambda text: text.replace("min_cohort", "min_cohrt")),
        r"site\.policy\.min_cohrt: no such setting; did you mean 'min_cohort'\?",
    ),
}
DAMAGES_OF_ONE = {
    "a truncated TSV": (
        rewrite("cnv/data_cna.txt", lambda text: text[: len(text) * 2 // 3].rstrip("\t")),
        r"data_cna\.txt: the header has \d+ fields, but line 4\d has \d+; the file is cut off or damaged",
    ),
    "a truncated gzip": (as_gzip_cut_off, r"table\.csv\.gz: the gzip file is damaged or cut off; copy it again"),
    "a duplicated case in the data": (
        rewrite("hif/table.csv", twice),
        r"table\.csv: cases listed more than once: site_2-case-0\d\d; keep one row a case",
    ),
    "a wrong delimiter in the data": (
        rewrite("cnv/data_cna.txt", lambda text: text.replace("\t", "^")),
        r"data_cna\.txt: only one column: line 1 has no tab, comma, semicolon, vertical bar between cells",
    ),
    "an empty file": (rewrite("hif/table.csv", lambda text: ""), r"table\.csv: the file is empty; export it again"),
    "text among the numbers": (
        rewrite(
            "hif/table.csv", lambda text: text.replace("feature_3", "feature_3", 1) + "site_2-case-999" + ",high" * 12
        ),
        r"table\.csv: 12 cells are no finite number \(line \d+, column 'feature_1': 'high'",
    ),
    "none of the agreed features": (
        rewrite("hif/table.csv", lambda text: text.replace("feature_", "Feature-")),
        r"none of the \d+ agreed features has a value here; compare their spelling with the file's",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_the_others_go_on_and_the_sites_own_log_says_what_to_correct(tmp_path, without, caplog, name):
    damage, said = DAMAGES[name]
    root = write_sites(tmp_path, FEDERATION, HOLDINGS, N_CASES)
    damage(root / "site_2")
    grid = WatchedGrid(root)
    with caplog.at_level("ERROR", logger="tessera.client"):
        study = run_small(root, FEDERATION, grid)
    assert study.refused == [("refused", "node 2", "*", "the site reported a failure; its own log says more")]
    assert same_study(study, without)
    (record,) = [record for record in caplog.records if record.name.startswith("tessera.client")]
    with pytest.raises(ValueError, match=said):
        raise record.exc_info[1]
    replies = [repr(reply.content if reply.has_content() else reply.error) for reply in grid.replies]
    assert not [text for text in replies if str(root) in text or "site_2-case" in text or "csv" in text]


@pytest.mark.parametrize("name", DAMAGES_OF_ONE)
def test_one_bad_modality_does_not_keep_the_site_from_the_other(tmp_path, only, caplog, name):
    """The study is that in which the site trains nothing but the sound modality."""
    damage, said = DAMAGES_OF_ONE[name]
    lost, sound = ("cnv", "hif") if "data_cna" in said else ("hif", "cnv")
    root = write_sites(tmp_path, FEDERATION, HOLDINGS, N_CASES)
    damage(root / "site_2")
    with caplog.at_level("ERROR", logger="tessera.client"):
        grid = WatchedGrid(root)
        study = run_small(root, FEDERATION, grid)
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("tessera.client")]
    assert line.startswith(f"not taking part with {lost}: ")
    assert re.search(said, line)
    assert sorted(study.cohorts["site_2"]) == [sound]
    assert same_study(study, only[sound])
    replies = [repr(reply.content if reply.has_content() else reply.error) for reply in grid.replies]
    assert not [text for text in replies if str(root) in text or "site_2-case" in text or "csv" in text]
