"""A new server certificate: same authority, same names, in time."""

import datetime

import pytest
from cryptography import x509
from typer.testing import CliRunner

from modalities.core.release.signing import days_left
from server.cli import app
from server.coordinator.folder import init_study
from server.coordinator.renewal import names_in, problem_of_certificate, renew_certificate
from server.network.certificates import SERVER_DAYS

NOW = datetime.datetime.now(datetime.UTC)


def in_days(days):
    return NOW + datetime.timedelta(days=days, hours=1)


@pytest.fixture
def study(tmp_path):
    return init_study(tmp_path / "study", ["fed.example.org", "192.0.2.7"])


def test_it_has_the_names_of_the_old_one_and_another_key_and_the_same_authority_signed_it(study):
    before, key, authority = names_in(study.tls), study.tls.key.read_bytes(), study.tls.authority.read_bytes()
    assert (
        renew_certificate(study, [], in_days(380))
        == before
        == ["fed.example.org", "192.0.2.7", "localhost", "127.0.0.1"]
    )
    assert names_in(study.tls) == before
    assert study.tls.key.read_bytes() != key
    assert study.tls.authority.read_bytes() == authority
    assert days_left(study.tls.certificate, in_days(380)) >= SERVER_DAYS - 1  # to the second
    certificate = x509.load_pem_x509_certificate(study.tls.certificate.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))


def test_other_names_keep_those_of_this_machine_and_must_hold_the_sites_address(study):
    assert renew_certificate(study, ["fed.example.org", "new.example.org"], NOW)[1:] == [
        "new.example.org",
        "localhost",
        "127.0.0.1",
    ]
    with pytest.raises(
        ValueError,
        match=r"sites connect to fed.example.org \(coordinator.yaml\), which must be among the names: --san fed",
    ):
        renew_certificate(study, ["new.example.org"], NOW)


def test_the_command_issues_it_under_the_names_that_it_is_given_and_else_those_there_were(study):
    names = ["fed.example.org", "new.example.org", "localhost", "127.0.0.1"]
    for options in (["--san", "fed.example.org", "--san", "new.example.org"], []):
        before = study.tls.certificate.read_bytes()
        found = CliRunner().invoke(app, ["renew", str(study.folder), *options], env={"COLUMNS": "300"})
        assert found.exit_code == 0, found.output
        assert names_in(study.tls) == names
        assert study.tls.certificate.read_bytes() != before


def test_without_the_authoritys_key_or_its_time_nothing_is_replaced(study):
    before = study.tls.certificate.read_bytes()
    with pytest.raises(ValueError, match=r"ca.crt ends in \d+ days, before a new certificate would"):
        renew_certificate(study, [], in_days(3500))
    study.tls.authority_key.unlink()
    with pytest.raises(ValueError, match=r"ca.key is not here: bring the authority's key back"):
        renew_certificate(study, [], NOW)
    assert study.tls.certificate.read_bytes() == before


def test_an_end_that_is_near_is_told_of_and_one_that_has_passed_refused(study):
    assert problem_of_certificate(study, in_days(SERVER_DAYS - 40)) == ""
    assert problem_of_certificate(study, in_days(SERVER_DAYS - 31)) == ""  # and an hour: 30 days are left
    assert "ends in 29 days: run `tessera-server renew" in problem_of_certificate(study, in_days(SERVER_DAYS - 30))
    assert "ends in 12 days: run `tessera-server renew" in problem_of_certificate(study, in_days(SERVER_DAYS - 13))
    with pytest.raises(ValueError, match="has ended, and no site would connect: run `tessera-server renew"):
        problem_of_certificate(study, in_days(SERVER_DAYS + 1))
