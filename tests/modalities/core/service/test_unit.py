"""A unit is its template with this machine's values, and no path means anything to systemd but itself."""

from pathlib import Path

import pytest

from modalities.core.service.unit import home_protection, owner_of, recorded, refuse_odd, unit_text

TEXT = "[Service]\nUser=@user@\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources\n"


def test_values_take_their_places_and_systemds_own_groups_of_calls_stay(tmp_path):
    (tmp_path / "a.service").write_text(TEXT)
    assert unit_text(tmp_path / "a.service", {"user": "b"}) == TEXT.replace("@user@", "b")
    with pytest.raises(ValueError, match=r"b\.service: no such file; install from a clone"):
        unit_text(tmp_path / "b.service", {})


@pytest.mark.parametrize("path", ["/a b", "/a%h", "/a$x", '/a"', "/a\nExecStart=/bin/sh", "/a\\x20", "/ä", "/a;b"])
def test_a_path_that_would_mean_something_in_a_unit_is_refused(path):
    with pytest.raises(ValueError, match="has other characters; a service takes paths of letters"):
        refuse_odd(Path("/srv/tessera-1.0/st_anna,2=b:c+d"), Path(path))


def test_homes_are_out_of_sight_unless_something_lies_there():
    assert home_protection(Path("/srv/a"), Path("/homes/b")) == "yes"
    assert home_protection(Path("/srv/a"), Path("/home/b/c")) == "read-only"
    assert home_protection(Path("/root/a")) == "read-only"


def test_whose_a_folder_was_is_what_the_installed_unit_says(tmp_path):
    unit = "[Service]\nUser=a\n\n[X-Tessera]\nOwned=/srv/a\nOwner=12:34\n"
    assert recorded(unit) == {"Owned": "/srv/a", "Owner": "12:34"}
    assert recorded("[Service]\nOwner=1:2\n") == {}
    assert owner_of(tmp_path, unit) == "12:34"
    assert owner_of(tmp_path, "") == f"{tmp_path.stat().st_uid}:{tmp_path.stat().st_gid}"
