"""What a SuperNode's log says to the people of a site."""

from client.node.log_reader import LogReader

REFUSED = "not taking part with cnv: none of the 5 agreed features has a value here"
FAILED = "the request query.capabilities failed: site south: cases.csv: labels outside the class list; told no more"


def test_why_a_site_takes_no_part_is_read_once_and_only_as_a_whole_line(tmp_path):
    log = tmp_path / "site.log"
    log.write_text("not taking part with hif: of an earlier life\n")
    reader = LogReader(log)
    with log.open("a") as file:
        file.write(f"INFO :      SuperNode ID: 7\n{REFUSED[:20]}")
        file.flush()
        reader.read()
        assert reader.complaints == []
        file.write(f"{REFUSED[20:]}\nTraceback (most recent call last):\n{FAILED}\n{REFUSED}\n")
        file.flush()
        reader.read()
        assert reader.complaints == [REFUSED, FAILED]
        file.write(f"{FAILED}\n")
    reader.read()
    assert reader.complaints == [REFUSED, FAILED]
