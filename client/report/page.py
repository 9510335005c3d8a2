"""`tessera-client page`."""

from client.node.commands import Site
from client.node.home import Home
from modalities.core.console import PagePort, say
from modalities.core.settings.site import SITE_FILE, read_site_config


def page(site: Site, port: PagePort = 0) -> None:
    """Show how this site takes part, live, to one browser of this machine, until Ctrl-C; it changes nothing."""
    from client.report.live import shown_of
    from strategies.page.serve import serve

    serve(shown_of(Home(site), read_site_config(site / SITE_FILE)), port, say)
