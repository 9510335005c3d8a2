"""Tables in LaTeX with booktabs, and a document that holds everything, so that it can be looked at."""

from collections.abc import Sequence

from simulations.export.table import PaperTable

_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{MINUS SIGN}": r"$-$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}
_PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{iftex}
\ifPDFTeX\usepackage[utf8]{inputenc}\usepackage[T1]{fontenc}\fi
\usepackage{textcomp,booktabs,longtable,graphicx}
\usepackage[margin=20mm]{geometry}
\begin{document}
"""
MOST_ROWS = 45
"""A longer table goes over pages."""


def escaped(text: str) -> str:
    """The text as LaTeX writes it."""
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


def table_in_latex(table: PaperTable) -> str:
    """A float of booktabs, made no wider than the line; a long one as a longtable."""
    columns = len(table.header) - 1
    layout = "l" + "r" * (columns - 1)
    head = " & ".join(escaped(title) for title in table.header[1:]) + r" \\"
    body = _body(table, columns)
    caption, label = escaped(table.caption), f"tab:{table.name}"
    if len(body) > MOST_ROWS:
        return "\n".join(
            [
                r"{\footnotesize\setlength{\tabcolsep}{4pt}",
                rf"\begin{{longtable}}{{{layout}}}",
                rf"\caption{{{caption}}}\label{{{label}}}\\",
                rf"\toprule {head}\midrule\endfirsthead",
                rf"\toprule {head}\midrule\endhead",
                r"\bottomrule\endfoot",
                *body,
                r"\end{longtable}}",
                "",
            ]
        )
    return "\n".join(
        [
            r"\begin{table}[htbp]\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{caption}}}\label{{{label}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _body(table: PaperTable, columns: int) -> list[str]:
    """The rows, each group's name above them."""
    lines = []
    for place, (group, rows) in enumerate(table.groups):
        if group:
            lines += [r"\addlinespace"] * (place > 0)
            lines.append(rf"\multicolumn{{{columns}}}{{l}}{{\textit{{{escaped(group)}}}}} \\")
        lines += [" & ".join(escaped(cell) for cell in row) + r" \\" for row in rows]
    return lines


def document(methods: str, tables: Sequence[PaperTable], figures: Sequence[tuple[str, str]]) -> str:
    """A LaTeX document of the methods, every table and every figure; figures are (name, caption)."""
    parts = [_PREAMBLE, r"\section*{Methods}", *methods.split("\n"), r"\section*{Tables}"]
    parts += [
        rf"\input{{tables/{table.name}.tex}}" + r"\clearpage" * (place % 3 == 2) for place, table in enumerate(tables)
    ]
    parts += [r"\clearpage\section*{Figures}"]
    for place, (name, caption) in enumerate(figures):
        parts += [
            r"\begin{figure}[htbp]\centering",
            rf"\includegraphics[width=\linewidth,height=.27\textheight,keepaspectratio]{{figures/{name}.pdf}}",
            rf"\caption{{{escaped(caption)}}}",
            r"\end{figure}" + r"\clearpage" * (place % 3 == 2),
        ]
    return "\n".join([*parts, r"\end{document}", ""])
