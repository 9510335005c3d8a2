"""The live pages of a study that runs: each a real command, followed as a browser would."""

import re
import signal
import time
from datetime import datetime
from pathlib import Path

import httpx

from modalities.core.files.journal import entries_of
from server.state.measured import METRICS
from tests.deployment.machine import Machine, wait_until
from tests.strategies.page.test_live import Events


class FollowedPage:
    """`page` of a study or of a site, opened with its token."""

    def __init__(self, machine: Machine, name: str, program: str, folder: Path) -> None:
        self._process = machine.start(name, program, "page", folder)
        wait_until(lambda: "token=" in machine.said(name), 60, f"{name} says its address")
        address = re.search(r"http://\S+", machine.said(name))[0]
        self._browser = httpx.Client(base_url=address.partition("/?")[0], trust_env=False, timeout=60)
        self.text = self._browser.get(address, follow_redirects=True).raise_for_status().text
        self.events = Events(self._browser)

    def end(self) -> None:
        """Ctrl-C: with a page open, and nothing to complain of."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(30) == 0
        self._browser.close()


def seconds_behind(page: FollowedPage, run: Path) -> list[float]:
    """For each round of the branches that the page showed, how long after it was done."""
    to_wall = time.time() - time.monotonic()
    done = {
        f"phase: branches, round {line['round']}": datetime.fromisoformat(line["time"]).timestamp()
        for line in entries_of(run / METRICS, "")
        if line["phase"] == "branches"
    }
    came: dict[str, float] = {}
    for when, change in page.events.got:
        came.setdefault(change["news"].partition(";")[0], when + to_wall)
    return [came[news] - then for news, then in done.items() if news in came]
