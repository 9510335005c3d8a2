"""What the people of a site are shown of what its tasks say."""

import logging

from client.node.complaints import COMPLAINT, complaints_kept, complaints_of
from client.node.home import Home

LOG = logging.getLogger("tessera.client.data")
REFUSED = "not taking part with cnv: none of the 5 agreed features has a value here"


def home_in(folder):
    home = Home(folder)
    home.folder.mkdir()
    return home


def test_a_complaint_is_kept_once_and_what_is_no_complaint_is_not(tmp_path):
    home = home_in(tmp_path)
    with complaints_kept(home):
        LOG.error("not taking part with %s: none of the %d agreed features has a value here", "cnv", 5, extra=COMPLAINT)
        LOG.error("not taking part with cnv, says a line that is none")
        LOG.error(REFUSED, extra=COMPLAINT)
        LOG.error("the request query.setup failed", extra=COMPLAINT)
    LOG.error("after the task", extra=COMPLAINT)
    assert complaints_of(home) == [REFUSED, "the request query.setup failed"]


def test_a_line_that_is_half_written_waits(tmp_path):
    home = home_in(tmp_path)
    with complaints_kept(home):
        LOG.error(REFUSED, extra=COMPLAINT)
    whole = home.complaints.read_text()
    home.complaints.write_text(whole + whole[:20])
    assert complaints_of(home) == [REFUSED]


def test_no_more_than_a_hundred_are_kept(tmp_path):
    home = home_in(tmp_path)
    with complaints_kept(home):
        for number in range(103):
            LOG.error("not taking part with %d", number, extra=COMPLAINT)
    assert len(complaints_of(home)) == 100


def test_a_simulated_site_keeps_none(tmp_path):
    with complaints_kept(None):
        LOG.error(REFUSED, extra=COMPLAINT)
    assert list(tmp_path.iterdir()) == []


def test_the_log_has_what_is_complained_of_and_what_is_not(tmp_path, capsys):
    with complaints_kept(home_in(tmp_path)):
        LOG.error(REFUSED, extra=COMPLAINT)
        LOG.warning("cases.csv was changed since this study began")
        LOG.info("its own model is trained")  # no reason to worry, and said all the same
    assert capsys.readouterr().err == (
        f"ERROR: {REFUSED}\nWARNING: cases.csv was changed since this study began\nINFO: its own model is trained\n"
    )
