"""What `run` and `status` show."""

from rich.console import Console

from server.coordinator.live_view import view


def lines(status, width=100):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(view(status))
    return [line.strip() for line in captured.get().splitlines()]


def cells(shown):
    rows = [line.replace("┃", "│").strip("│") for line in shown if line[:1] in "│┃"]
    return [[cell.strip() for cell in row.split("│")] for row in rows]


STATUS = {
    "phase": "branches",
    "round": 2,
    "cohorts": {"site_1": {"cnv": 10, "hif": 8}, "site_2": {"cnv": 7}},
    "away": ["site_2"],
    "rounds": {"cnv": {"done": 2, "of": 3, "ended": False}, "hif": {"done": 1, "of": 1, "ended": True}},
    "held_out": {"cnv": 0.51239},
    "bytes": {"cnv": {"up": 15_000_000_000, "down": 23_400_000_000}},
}


def test_tables_say_who_has_what_and_how_far_each_modality_is():
    shown = [line for line in lines(STATUS) if line]
    assert shown[0] == "phase: branches, round 2"
    assert cells(shown) == [
        ["site", "cnv", "hif"],
        ["site_1", "10", "8"],
        ["site_2 (away)", "7", "-"],
        ["modality", "rounds", "held-out loss", "received", "sent"],
        ["cnv", "2 of 3", "0.5124", "15000.00 MB", "23400.00 MB"],
        ["hif", "1 of 1 (ended)", "-", "0.00 MB", "0.00 MB"],
    ]
    assert shown[-1] == "away: site_2"


def test_a_site_that_only_evaluates_stands_with_the_others_and_holds_no_training_case():
    rows = cells(lines({**STATUS, "only_evaluate": ["site_3"]}))
    assert rows[1:4] == [["site_1", "10", "8"], ["site_2 (away)", "7", "-"], ["site_3 (evaluates only)", "-", "-"]]


def test_before_anything_is_known_nothing_is_noted():
    shown = lines({})
    assert shown[0] == "phase: waiting for the sites"
    assert not any(line.startswith(("away", "waiting", "noted", "not here")) for line in shown)


def test_the_last_five_notes_and_all_that_waits_stand_below_the_tables():
    notes = [{"site": "site_1", "part": "cnv", "text": f"note {number}"} for number in range(7)]
    shown = lines({"missing": ["site_4"], "waiting": {"hif": "nobody"}, "notes": notes, "note": "going on"})
    assert shown[-8:] == [
        "not here yet: site_4",
        "waiting: hif: nobody",
        *(f"noted: site_1, cnv: note {number}" for number in range(2, 7)),
        "going on",
    ]


def test_what_concerns_every_site_or_every_modality_names_none():
    notes = [{"site": "*", "part": "cnv", "text": "few"}, {"site": "site_1", "part": "*", "text": "is back"}]
    shown = lines({"waiting": {"*": "no site"}, "notes": notes})
    assert shown[-3:] == ["waiting: no site", "noted: cnv: few", "noted: site_1: is back"]


def test_a_finished_study_says_how_good_its_model_is():
    macro = {"value": 0.91249, "low": 0.88, "high": 0.937, "bound": 0.001, "reason": ""}
    few = {"value": None, "low": None, "high": None, "bound": None, "reason": "too few"}
    gain = {"value": 0.031, "low": 0.004, "high": 0.058, "bound": None, "reason": ""}
    gain |= {"sites": 5, "sites_that_gain": 4, "verdict": "not inferior", "margin": 0.01}
    measured = {"fused": {"n": 60, "federated": macro, "local": few, "gain": gain}, "cnv": {"n": 9, "federated": few}}
    shown = "\n".join(lines({**STATUS, "evaluation": measured}, width=200))
    assert [row for row in cells(shown.splitlines()) if row[0] in ("test cases", "fused", "cnv")][-3:] == [
        ["test cases", "n", "macro-AUROC", "sites' own models", "gain within sites", "verdict", "sites that gain"],
        [
            *("fused", "60", ".912 (.880 to .937)", "n/a: too few", "+.031 (+.004 to +.058)"),
            *("not inferior (margin 0.01)", "4 of 5"),
        ],
        ["cnv", "9", "n/a: too few", "n/a", "n/a", "n/a", "n/a"],
    ]
