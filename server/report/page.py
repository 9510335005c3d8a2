"""`tessera-server page`."""

from modalities.core.console import PagePort, say
from server.coordinator.commands import Folder
from server.coordinator.folder import Study


def page(folder: Folder, port: PagePort = 0) -> None:
    """Show how a study stands, live, to one browser of this machine, until Ctrl-C; it changes nothing."""
    from server.report.live import shown_of
    from strategies.page.serve import serve

    study = Study(folder)
    study.settings()
    serve(shown_of(study), port, say)
