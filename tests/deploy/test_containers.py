"""What the compose files and the image allow a container, and that what they mount is what the programs need.

That containers run so is rehearsed by deploy/containers/rehearsal.sh, which needs an engine.
"""

import re
import shutil
import subprocess

import pytest
import yaml

from client.node.home import Home
from server.coordinator.folder import Study
from strategies.bundle import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "containers"
SERVICES = [
    (file, name)
    for file in ("site.yaml", "coordinator.yaml")
    for name in yaml.safe_load((FOLDER / file).read_text())["services"]
]


def service(file, name):
    return yaml.safe_load((FOLDER / file).read_text())["services"][name]


@pytest.mark.parametrize(("file", "name"), SERVICES)
def test_a_container_is_read_only_has_no_rights_and_bounds_on_all_that_grows(file, name):
    held = service(file, name)
    assert held["read_only"] is True
    assert held["cap_drop"] == ["ALL"]
    assert "cap_add" not in held
    assert "privileged" not in held
    assert held["security_opt"] == ["no-new-privileges:true"]
    assert held["user"].startswith("${TESSERA_USER:?")  # compose refuses to start without; never root by default
    assert held["mem_limit"]
    assert held["pids_limit"] <= 512
    assert held["ulimits"]["core"] == 0
    assert held["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}
    assert all("docker.sock" not in volume for volume in held["volumes"])


def test_of_a_site_only_its_own_folder_can_be_written():
    written = [volume.split(":/", 1)[1] for volume in service("site.yaml", "site")["volumes"]]
    own = Home(FOLDER).folder.relative_to(FOLDER)
    assert written == ["site:ro", f"site/{own}"]


def test_the_gateway_sees_its_configuration_and_certificate_and_nothing_else_of_the_study():
    study = Study(FOLDER)
    seen = {re.sub(r".*:/study/", "", volume) for volume in service("coordinator.yaml", "gateway")["volumes"]}
    own = {path.relative_to(FOLDER) for path in (study.tls.authority, study.tls.certificate, study.tls.key)}
    assert seen == {str(study.nginx.parent.relative_to(FOLDER)), *(f"{path}:ro" for path in own)}
    assert f"/study/{study.nginx.relative_to(FOLDER)} " in service("coordinator.yaml", "gateway")["command"][0]


def test_nothing_but_the_gateways_port_is_published_and_gateway_and_run_share_the_coordinators_loopback():
    services = yaml.safe_load((FOLDER / "coordinator.yaml").read_text())["services"]
    assert {name: held.get("ports") for name, held in services.items() if "ports" in held} == {
        "coordinator": ["${TESSERA_PORT:-9443}:${TESSERA_PORT:-9443}"]
    }
    assert {held["network_mode"] for name, held in services.items() if name != "coordinator"} == {"service:coordinator"}


def test_the_image_ends_as_nobody_and_fetches_nothing():
    lines = (FOLDER / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert [line.split()[1] for line in lines if line.startswith(("FROM", "ADD"))] == [
        "${BASE}",
        "${BASE}",
        "tessera",
        "tessera",
    ]
    assert not [
        line for line in lines if line.startswith("RUN") and re.search(r"\b(apt|apt-get|pip|curl|wget)\b", line)
    ]
    stages = {line.split()[-1]: number for number, line in enumerate(lines) if line.startswith("FROM")}
    assert stages["tessera"] > max(number for number, line in enumerate(lines) if "wheelhouse/install.sh" in line)


def test_the_rehearsal_is_a_script_that_a_shell_takes():
    checked = [["sh", "-n"]] + [["shellcheck"]] * (shutil.which("shellcheck") is not None)
    for command in checked:
        done = subprocess.run([*command, FOLDER / "rehearsal.sh"], capture_output=True, text=True)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
