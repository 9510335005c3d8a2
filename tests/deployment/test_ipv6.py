"""A site that knows the coordinator by an IPv6 address takes part, through either gateway."""

import socket

import pytest

from client.node.home import Home
from client.node.supervisor import state_of
from tests.deployment.machine import NGINX, Machine, wait_until
from tests.support import small_federation

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx")


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("gateway", ["builtin", pytest.param("nginx", marks=needs_nginx)])
def test_a_site_connects_to_an_ipv6_address(tmp_path, gateway):
    machine = Machine(tmp_path)
    machine.set_up(small_federation(), gateway, holdings=(("cnv", "hif"),), n_cases=(29,), sites=1)
    machine.type_in("server", "renew", machine.study.folder, "--san", "::1")
    site = machine.sites / "site_1"
    settings = site / "site.yaml"
    settings.write_text(settings.read_text().replace("localhost:", "[::1]:"))
    try:
        machine.open()
        machine.join("site_1")
        wait_until(lambda: state_of(Home(site)).get("state") == "connected", 200, "it is let in")
        checked = " ".join(machine.run("client", "check", site).stdout.split())
        assert f"[::1]:{machine.ports[0]} is reached: TLSv1.3" in checked
    finally:
        machine.end_all()
