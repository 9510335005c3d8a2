"""What other parts of a site tell the audit log of the message that is being answered."""

from client.audit.facts import gathered, tell


def test_what_is_told_of_the_message_and_of_each_group_becomes_fields_of_its_entry():
    with gathered() as facts:
        tell(study="5" * 64, agreed=True)
        tell(roster="7" * 64)
        tell(group="cnv", members=("nordheim", "st_anna", "berg"), plain_sha256="a" * 64, epsilon=0.25)
        tell(group="hif", members={"nordheim", "st_anna"}, epsilon=0.5)
    assert facts == {
        "study": "5" * 64,
        "agreed": True,
        "roster": "7" * 64,
        "groups": [
            {"group": "cnv", "members": ["berg", "nordheim", "st_anna"], "plain_sha256": "a" * 64},
            {"group": "hif", "members": ["nordheim", "st_anna"]},
        ],
        "smallest_group": 2,
        "epsilon": 0.75,
    }


def test_a_later_message_knows_nothing_of_an_earlier_one_and_outside_of_one_nobody_listens():
    with gathered():
        tell(study="5" * 64)
    tell(study="6" * 64)
    with gathered() as facts:
        tell(plain_sha256="b" * 64)
    assert facts == {"plain_sha256": "b" * 64}


def test_the_approved_code_is_known_from_the_tasks_environment(monkeypatch):
    monkeypatch.setenv("TESSERA_APPROVED_CODE", "c" * 64)
    with gathered() as facts:
        tell(study="5" * 64)
    assert facts == {"code": "c" * 64, "study": "5" * 64}
