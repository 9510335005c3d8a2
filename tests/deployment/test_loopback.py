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

    machine.log("run").write_text(machine.call("server", "run", study.folder, timeout=STUDY_S))
    release = study.run / "release"
    machine.log("verify").write_text(machine.type_in("server", "verify", release, "--key", study.release_public_key))
    machine.log("status").write_text(machine.type_in("server", "status", study.folder))
    assert_as_inline(machine, release)

    machine.type_in("server", "revoke", study.folder, "site_3")
    wait_until(lambda: bool(meaning(machine.sites / "site_3")), 120, "the revoked site is shut out")
    assert meaning(machine.sites / "site_3").startswith("the coordinator does not take this site's key")
    machine.log("leave").write_text(machine.type_in("client", "leave", machine.sites / "site_1"))
    assert not state_of(Home(machine.sites / "site_1"))["alive"]


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
