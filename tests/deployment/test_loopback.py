"""A deployment on one machine: SuperLink, gateway and three SuperNodes over TLS, from `init` to a verified release."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from client.app import app
from client.node.home import Home
from client.node.supervisor import state_of
from modalities.core.blocks.branch import build_branch, weights_of
from modalities.core.parts import modality_of
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import load_federation
from server.phases.options import Options
from server.phases.order import run_study
from server.state.release import read_release
from server.state.study import StudyState
from simulations.engines.inline import InlineGrid
from tests.deployment.machine import NGINX, SITES, STUDY_S, Machine, meaning, wait_until
from tests.deployment.pages import FollowedPage, seconds_behind
from tests.support import small_federation

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A study with three enrolled sites, open and reached by all three."""
    here = Machine(tmp_path_factory.mktemp("d"))
    here.set_up(small_federation(fusion={"fit": "tune", "rounds": 3}), "nginx" if NGINX else "builtin")
    try:
        here.open()
        here.join()
        yield here
    finally:
        here.end_all()
    assert not here.left()


@pytest.mark.slow
@pytest.mark.timeout(STUDY_S + 300)
def test_three_hospitals_from_init_to_a_verified_release_of_the_inline_engines_weights(machine):
    study = machine.study
    trusted = ssl.create_default_context(cafile=str(study.tls.authority))
    with httpx.Client(base_url=f"https://localhost:{machine.ports[0]}", verify=trusted, trust_env=False) as client:
        assert client.get("/health").status_code == 404
        assert client.post("/v1/control/list-runs").status_code == 404

    pages = (
        FollowedPage(machine, "study's page", "server", study.folder),
        FollowedPage(machine, "site's page", "client", machine.sites / "site_1"),
    )
    machine.log("run").write_text(machine.call("server", "run", study.folder, timeout=STUDY_S))
    assert_followed(*pages, study.run)
    release = study.run / "release"
    machine.log("verify").write_text(machine.type_in("server", "verify", release, "--key", study.release_public_key))
    machine.log("status").write_text(machine.type_in("server", "status", study.folder))
    assert_as_inline(machine, release)

    machine.type_in("server", "revoke", study.folder, "site_3")
    wait_until(lambda: bool(meaning(machine.sites / "site_3")), 120, "the revoked site is shut out")
    assert meaning(machine.sites / "site_3").startswith("the coordinator does not take this site's key")
    machine.log("leave").write_text(machine.type_in("client", "leave", machine.sites / "site_1"))
    assert not state_of(Home(machine.sites / "site_1"))["alive"]


def assert_followed(of_study: FollowedPage, of_site: FollowedPage, run: Path) -> None:
    """Both pages showed the study as it went, a round within two seconds; on a busy machine at least once so soon."""
    finished = of_study.events.wait_for(lambda change: change["news"] == "phase: finished")[1]
    assert "site_3" in str([change["parts"].get("sites") for _, change in of_study.events.got])
    assert {"now"} <= {*finished["parts"]}
    behind = seconds_behind(of_study, run)
    assert min(behind) < 2, behind
    of_site.events.wait_for(lambda change: "train.branches" in change["parts"].get("latest", ""))
    assert "connected" in {change["news"] for _, change in of_site.events.got}
    for page in (of_study, of_site):
        page.end()


def assert_as_inline(machine: Machine, release: Path) -> None:
    torch.set_num_threads(1)
    federation = load_federation(machine.study.federation)
    inline = run_study(InlineGrid(app, len(SITES), {"site-root": str(machine.sites)}), federation, Options())
    assert_same(release, inline)


def assert_same(release: Path, inline: StudyState) -> None:
    """Every weight within the tolerance, and trained; the head too."""
    federation = inline.federation
    found, _ = read_release(release)
    assert found.weights.keys() == inline.weights.keys() >= {"cnv", "hif"}
    for part, weights in inline.weights.items():
        name = modality_of(part)
        initial = weights_of(
            build_branch(federation.modalities[name], inline.states[name], 4, seed_of(federation.seed, part))
        )
        for key, array in weights.items():
            assert np.abs(found.weights[part][key] - array).max() <= TOLERANCE, (part, key)
        assert any((np.abs(found.weights[part][key] - initial[key]) > 1e-3).any() for key in weights)
    assert found.head.keys() == inline.head.keys()
    for key, array in inline.head.items():
        assert np.abs(found.head[key] - array).max() <= TOLERANCE, key
