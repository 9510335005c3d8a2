"""What is shown of a study in Flower's engine: from its status file, not from a log."""

import json
import time

from rich.console import Console

from simulations.engines import flower

REFUSED = {"level": "refused", "site": "site_2", "part": "cnv", "text": "[w] is not finite"}
NOTED = {"level": "info", "site": "site_1", "part": "*", "text": "came back"}


def test_notes_are_shown_once_and_steps_now_and_then_and_an_older_status_never(tmp_path, capsys, monkeypatch):
    def write(**status):
        (tmp_path / "status.json").write_text(json.dumps({"phase": "branches", "notes": [], **status}))

    write(time=time.time() - 1, notes=[REFUSED])
    steps = flower._Steps(tmp_path, Console(width=80))
    steps.show_new()
    began = time.time() + 1
    write(time=began, round=3, notes=[NOTED, REFUSED])
    steps.show_new()
    steps.show_new()
    assert capsys.readouterr().out == "site_2, cnv: [w] is not finite\n"
    monkeypatch.setattr(flower, "_SHOW_S", 0.0)
    write(time=began + 1, round=4, notes=[NOTED, REFUSED])
    steps.show_new()
    assert capsys.readouterr().out == "branches, round 4\n"
