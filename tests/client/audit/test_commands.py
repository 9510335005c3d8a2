"""`tessera-client audit`, as it is typed."""

import json
import re
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from client.audit.log import SENT, append
from client.cli import app
from strategies.audit.statements import Receipt, canonical
from tests.client.audit.logs import CODE, KEY, N_ENTRIES, ROSTER, STUDY, site

__all__ = ["site"]


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    """The site's clock is an hour ahead of UTC."""
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def run(site, *arguments, columns=250):
    typed = ["audit", str(site.home.site), *map(str, arguments)]
    return CliRunner().invoke(app, typed, env={"COLUMNS": str(columns)})


def keep(site, receipts):
    site.home.receipts.write_bytes(b"".join(canonical(each.to_dict()) + b"\n" for each in receipts))


def test_a_whole_log_is_said_to_be_with_how_much_is_countersigned(site):
    keep(site, site.receipts())
    typed = run(site, "verify")
    assert typed.exit_code == 0
    assert "7 entries as written, the first 6 as the coordinator countersigned" in typed.output


def test_what_is_wrong_ends_with_exit_code_1_and_one_sentence(site):
    keep(site, site.receipts())
    site.write(site.lines[:3] + site.lines[4:])
    typed = run(site, "verify")
    assert typed.exit_code == 1
    assert typed.output == "error: audit.jsonl: entry 4 was deleted: entry 5 follows entry 3\n"
    told = json.loads(run(site, "verify", "--json").output)
    assert (told["ok"], told["entries"]) == (False, N_ENTRIES - 1)
    assert [problem["what"] for problem in told["problems"]] == ["entry 4 was deleted: entry 5 follows entry 3"]


def test_a_log_and_its_receipts_put_back_together_show_in_what_the_coordinator_exported(site, tmp_path):
    """The receipts at the site are older, too: only the coordinator's, or another site's, tell."""
    exported, witnessed = tmp_path / "receipts.json", tmp_path / "witnessed.jsonl"
    receipts = site.receipts()
    other = Receipt("stolp", 9, "ab" * 32, receipts[0].time, "AAAA").countersigned(KEY)
    exported.write_text(json.dumps({"receipts": [each.to_dict() for each in (other, receipts[-1])]}))
    witnessed.write_bytes(b"".join(canonical(each.to_dict()) + b"\n" for each in (other, receipts[-1])))
    site.write(site.lines[:3])
    keep(site, receipts[:1])
    assert run(site, "verify").exit_code == 0
    for file in (exported, witnessed):
        typed = run(site, "verify", "--receipt", file)
        assert typed.exit_code == 1
        assert "entries 4 to 6 are missing: the coordinator countersigned 6 on" in typed.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "no receipts: a receipt holds size, site"),
        ("no JSON", "no receipts: Expecting value"),
        ('{"receipts": 5}', "no receipts: "),
        ('{"receipts": []}', "no receipt for st_anna; ask the coordinator"),
        ("\x00", "no receipts: "),
    ],
)
def test_a_file_without_receipts_of_this_site_is_refused_by_name(site, tmp_path, content, said):
    file = tmp_path / "receipts.json"
    file.write_text(content)
    typed = run(site, "verify", "--receipt", file)
    assert typed.exit_code == 1
    assert f"{file}: {said}" in typed.output
    typed = run(site, "verify", "--receipt", tmp_path / "none.json")
    said = "none.json: cannot be read: No such file or directory; name the file that `tessera-server audit` wrote"
    assert said in typed.output


def test_receipts_that_coordinator_or_site_did_not_sign_are_left_out_and_said(site):
    forged = Receipt("st_anna", 6, "ab" * 32, "2026-11-28T15:00:00+00:00", "AAAA", "AAAA")
    invented = [Receipt("st_anna", 900 + n, "ab" * 32, forged.time, "AAAA").countersigned(KEY) for n in range(2)]
    keep(site, [*site.receipts(), forged, *invented])
    typed = run(site, "verify")
    assert typed.exit_code == 0
    said = "receipts are not signed with the private half of this key and were left out"
    assert f"release.pub: 1 {said}" in typed.output
    assert f"node.pub: 2 {said}" in typed.output  # what a coordinator made up to blame the site
    (site.home.site / "release.pub").unlink()
    assert "release.pub: not here, so none of 6 receipts can be checked" in run(site, "verify").output


def test_a_site_without_a_log_or_key_is_told_so(site):
    site.home.public_key.rename(site.home.public_key.with_suffix(".away"))
    assert "node.pub: no such file; it is what the entries" in run(site, "verify").output
    site.home.audit.unlink()
    assert "audit.jsonl: no such file; a site's audit log begins with its first message" in run(site, "verify").output


def test_the_messages_names_are_whole_in_a_narrow_terminal(site):
    [section] = json.loads(run(site, "show", "--json").output)
    messages = {row["message"] for row in section["rows"]}
    assert messages <= set(run(site, "show", columns=80).output.split())


def test_the_log_in_the_terminal_has_local_times_and_what_it_went_on_under(site):
    time = json.loads(site.lines[3])["time"]
    hour = (int(time[11:13]) + 1) % 24
    typed = run(site, "show")
    assert typed.exit_code == 0
    under = f"to fed.example.org:9443, settings {STUDY[:12]} (the site's own copy), code {CODE[:12]}"
    assert under in " ".join(typed.output.split())  # however wide the terminal is
    assert f"roster {ROSTER[:12]}" in typed.output
    [line] = [line for line in typed.output.splitlines() if "arrays.cnv@1" in line]
    assert f" {hour:02d}{time[13:19]} " in line
    assert "left" in line
    assert "3 sites" in line
    assert "arrays.cnv@1: w float32[4, 60]" in line
    [section] = json.loads(run(site, "show", "--json").output)
    assert [row["way"] for row in section["rows"]] == ["came", "left", "came", "left", "came", "left", "came"]
    assert (section["smallest_group"], section["epsilon"]) == (3, 0.5)


class Page(HTMLParser):
    """The text of a page, its elements in order, and every attribute that could make a request."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.requests, self.names = "", [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.requests += [value for name, value in attributes if name in ("src", "href", "action", "data", "srcset")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_says_what_left_to_whom_under_what_and_hidden_among_whom_and_requests_nothing(site, tmp_path):
    keep(site, site.receipts())
    assert run(site, "export", "--to", tmp_path / "log.html").exit_code == 0
    written = (tmp_path / "log.html").read_text()
    page = Page(written)
    text = re.sub(r"\s+", " ", page.text)
    assert page.open == []
    assert page.requests == []
    assert not {"script", "link", "img", "iframe", "form"} & set(page.names)
    assert "url(" not in written
    assert "@import" not in written
    assert "Audit log of st_anna" in text
    assert "7 entries, 3 replies that left" in text
    assert "Yes: every entry is signed with this site's key" in text
    assert "The first 6 entries are as the coordinator countersigned them, last on 2026-11-28 15:40:00" in text
    assert "the coordinator at fed.example.org:9443" in text
    assert f"{STUDY}, which this site agreed to" in text
    assert re.search(f"{CODE}, approved on [-0-9: ]+ \\(typed\\)", text)
    assert ROSTER in text
    assert "The smallest group had 3 sites" in text
    assert "epsilon 0.5" in text
    assert "arrays.cnv@n: w float32[4, 60]" in text
    assert "the coordinator: the sum over 3 or more sites" in text
    assert "cnv: berg, nordheim, st_anna" in text
    assert "<script>x</script>" in text  # as text: what others sent is no part of the page
    assert "All 7 entries, both ways" in text


def test_the_page_of_a_broken_log_says_what_is_wrong(site, tmp_path):
    site.write(site.lines[:3] + site.lines[4:])
    assert run(site, "export", "--to", tmp_path / "log.html").exit_code == 1
    text = re.sub(r"\s+", " ", Page((tmp_path / "log.html").read_text()).text)
    assert "No. entry 4 was deleted: entry 5 follows entry 3." in text
    assert "The coordinator has countersigned nothing of it yet" in text


def test_what_cannot_be_read_is_in_the_page_as_such(site, tmp_path):
    append(site.home, SENT, {"message": "train.branches", "error": 2})
    site.write([*site.lines, b"\xff", b'{"holds": 5, "groups": 5, "smallest_group": "x", "time": 7}'])
    run(site, "export", "--to", tmp_path / "log.json")
    exported = json.loads((tmp_path / "log.json").read_text())
    assert not exported["verified"]["ok"]
    rows = [row for section in exported["sections"] for row in section["rows"]]
    assert [row["number"] for row in rows] == list(range(1, 11))
    assert rows[7]["holds"] == ["error 2: that something failed, and nothing else"]
    assert rows[8]["holds"] == ["this line cannot be read"]
    assert run(site, "export", "--to", tmp_path / "log.html").exit_code == 1


@pytest.mark.parametrize("arguments", [("export",), ("export", "--to", "log.pdf")])
def test_an_export_needs_a_file_of_a_kind_that_can_be_written(site, arguments):
    typed = run(site, *arguments)
    assert typed.exit_code == 1
    assert "export needs --to FILE.html or --to FILE.json" in typed.output


def test_leaving_keeps_the_log_and_a_new_key_asks_for_it_to_be_moved_away(site):
    before = site.home.audit.read_bytes()
    assert CliRunner().invoke(app, ["leave", str(site.home.site)]).exit_code == 0
    assert site.home.audit.read_bytes() == before
    for path in (site.home.key, site.home.public_key):
        path.unlink()
    typed = CliRunner().invoke(app, ["init", str(site.home.site), "--name", "st_anna"], env={"COLUMNS": "300"})
    assert typed.exit_code == 1
    assert "another node key signed this log" in typed.output
    assert "move audit.jsonl, audit.tree, receipts.jsonl away" in typed.output
    assert not site.home.key.exists()
