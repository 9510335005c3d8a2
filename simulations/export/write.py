"""Everything of a run that a paper needs, in one folder."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from simulations.export.drawn import data_of
from simulations.export.latex import document, escaped, table_in_latex
from simulations.export.methods import methods_of
from simulations.export.table import PaperTable, tables_of_sections
from simulations.export.tables import tables_of
from simulations.report.build import figures
from simulations.report.names import with_site_names
from simulations.report.sections import sections_of
from simulations.scores.named import numbered
from simulations.scores.results import Json
from strategies.report.look import STYLE

PREDICTIONS, RESULTS = "predictions.csv.gz", "results.json"
_CAPTIONS = {
    "forest": "Macro-AUROC with 95 % interval of every arm on every set of cases; small squares: single sites",
    "curves": "Held-out loss by round (federated) and epoch (centralised); thin lines: folds",
    "confusion": "Confusion matrices, shares of each true class",
    "roc": "ROC curves, one class against the rest",
    "recall": "Recall by class with Wilson 95 % intervals",
    "sites": "Each site's own model on all test cases, beside the federated and the centralised one",
    "reliability": "Reliability by bin of confidence",
    "external": "Macro-AUROC with 95 % interval of every arm on the external cases",
    "external_recall": "Recall by class on the external cases with Wilson 95 % intervals",
}


def export_run(run: Path, to: Path) -> list[Path]:
    """Write tables, figures, methods and predictions of a finished run; every path that was written.

    Raises:
        ValueError: there is no finished run, or the folder holds something.
    """
    if not (run / RESULTS).is_file():
        raise ValueError(f"{run}: no {RESULTS} here; give the --out folder of a run that has ended")
    if to.exists() and any(to.iterdir()):
        raise ValueError(f"{to} holds something; name another folder in --to, or empty it")
    results = json.loads((run / RESULTS).read_text(encoding="utf-8"))
    named = with_site_names(results)
    sections = sections_of(named)
    tables = [*(tables_of(named) if "arms" in named else ()), *tables_of_sections(sections)]
    drawn = _drawn(run, named)
    for section in sections:
        for place, picture in enumerate(section.pictures, start=1):
            name = section.id.replace("-", "_") + (f"_{place}" if len(section.pictures) > 1 else "")
            drawn.append((name, picture.alt, picture.figure))
    written = _write_tables(tables, to / "tables") + _write_figures(drawn, to / "figures")
    if (run / PREDICTIONS).is_file():
        shutil.copyfile(run / PREDICTIONS, to / PREDICTIONS)
        written.append(to / PREDICTIONS)
    return written + _write_texts(named, tables, [(name, caption) for name, caption, _ in drawn], to)


def _drawn(run: Path, results: Json) -> list[tuple[str, str, Figure]]:
    """Name, caption and figure of the report's own pictures."""
    if "arms" not in results or not (run / PREDICTIONS).is_file():
        return []
    blanks = {"temperature": [""]}
    table = pd.read_csv(run / PREDICTIONS, keep_default_na=False, na_values=blanks, dtype={"site": str, "case_id": str})
    if "cohort" not in table:
        raise ValueError(f"{run / PREDICTIONS}: of an earlier version, without class names; run the same command again")
    found = figures(results, numbered(table, results["task"]["classes"]))
    return [(name, _CAPTIONS[name], figure) for name, figure in found.items()]


def _write_tables(tables: Sequence[PaperTable], to: Path) -> list[Path]:
    to.mkdir(parents=True)
    written = []
    for table in tables:
        table.numbers.to_csv(to / f"{table.name}.csv", index=False)
        (to / f"{table.name}.tex").write_text(table_in_latex(table), encoding="utf-8")
        written += [to / f"{table.name}.csv", to / f"{table.name}.tex"]
    return written


def _write_figures(drawn: Sequence[tuple[str, str, Figure]], to: Path) -> list[Path]:
    """PDF and SVG with text as text, and what was drawn."""
    to.mkdir(parents=True)
    written = []
    for name, _, figure in drawn:
        with mpl.rc_context({**STYLE, "pdf.fonttype": 42, "svg.fonttype": "none"}):
            for ending, undated in (("pdf", {"CreationDate": None}), ("svg", {"Date": None})):
                figure.savefig(to / f"{name}.{ending}", metadata=undated, facecolor="white")
        data_of(figure).to_csv(to / f"{name}.csv", index=False)
        written += [to / f"{name}.{ending}" for ending in ("pdf", "svg", "csv")]
    return written


def _write_texts(
    results: Json, tables: Sequence[PaperTable], captions: Sequence[tuple[str, str]], to: Path
) -> list[Path]:
    methods = methods_of(results) if "arms" in results else ""
    texts = {"all.tex": document(escaped(methods), tables, captions)}
    texts |= {"methods.txt": methods + "\n", "methods.tex": escaped(methods) + "\n"} if methods else {}
    for name, text in texts.items():
        (to / name).write_text(text, encoding="utf-8")
    return [to / name for name in texts]
