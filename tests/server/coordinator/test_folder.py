"""The coordinator's list of sites: one key a site, none twice, and none that was revoked."""

import pytest

from client.node.keys import make_node_key
from server.coordinator.folder import enrol_site, enrolled, init_study, revoke_site


@pytest.fixture
def study(tmp_path):
    for key in ("a", "b"):
        make_node_key(tmp_path / f"{key}.key", tmp_path / f"{key}.pub", key)
    return init_study(tmp_path / "study", ["localhost"])


def test_a_site_has_one_key_and_a_key_one_site(study, tmp_path):
    enrol_site(study, "a", tmp_path / "a.pub")
    with pytest.raises(ValueError, match="a is enrolled already; revoke it first"):
        enrol_site(study, "a", tmp_path / "b.pub")
    with pytest.raises(ValueError, match=r"this is the key of a; every site needs a key of its own"):
        enrol_site(study, "b", tmp_path / "a.pub")
    with pytest.raises(ValueError, match="up to 40 letters"):
        enrol_site(study, "../b", tmp_path / "b.pub")
    assert [path.stem for path in enrolled(study)] == ["a"]


def test_a_study_is_made_in_folders_that_are_not_there_yet(tmp_path):
    assert init_study(tmp_path / "studies" / "2026" / "brca", ["localhost"]).settings_file.is_file()


def test_a_revoked_key_is_never_taken_again_and_a_new_one_is(study, tmp_path):
    enrol_site(study, "a", tmp_path / "a.pub")
    revoke_site(study, "a")
    assert enrolled(study) == []
    for name in ("a", "other"):
        with pytest.raises(ValueError, match="this key was revoked, and opens nothing any more"):
            enrol_site(study, name, tmp_path / "a.pub")
    assert enrol_site(study, "a", tmp_path / "b.pub").startswith("SHA256:")
    with pytest.raises(ValueError, match="nobody is not enrolled; enrolled are: a"):
        revoke_site(study, "nobody")
