"""`tessera-client leave`."""

import shutil
from typing import Annotated

import typer

from client.leaving.erasure import erase, kept_until
from client.node.commands import Site
from client.node.home import Home
from client.node.supervisor import stop
from modalities.core.console import say
from modalities.core.problems import unusable
from modalities.core.settings.site import SITE_FILE, read_site_config


def leave(
    site: Site,
    erase_all: Annotated[
        bool, typer.Option("--erase", help="The study is over: erase all that this site keeps of it but its audit log.")
    ] = False,
) -> None:
    """Stop taking part, and clear away what was prepared of the data; what the site sent stays in the study."""
    home = Home(site)
    say("left" if stop(home) else "this site does not take part")
    if erase_all:
        _erase(home)
        return
    for folder in (home.prepared, home.alone, home.answered, home.rolls, home.masks):
        shutil.rmtree(folder, ignore_errors=True)


def _erase(home: Home) -> None:
    config = read_site_config(home.site / SITE_FILE)
    if not home.key.is_file():
        raise unusable("no node key, with which the receipt is signed", "bring it back first", file=str(home.key))
    erased = erase(home, config.policy.retention_days)
    for name, counted in erased.items():
        say(f"erased: {name}: {counted['files']} files, {counted['bytes'] / 1e6:.1f} MB")
    say("entered in the audit log, signed" if erased else "nothing was left to erase")
    until = kept_until(home, config.policy.retention_days)
    if until:
        say(f"audit log and receipts stay until {until:%Y-%m-%d}; type this again then, and they go too")
    cache = home.site / config.slides.cache
    if config.slides.cache and not cache.resolve().is_relative_to(home.folder.resolve()):
        say(f"not erased: {cache}, where site.yaml keeps what is made of slides; other sites' folders may use it")
