"""A table of words, as plain text, as Markdown and as LaTeX."""


def text(head, rows):
    """Columns in line, the first to the left, the others to the right."""
    table = [head, *rows]
    wide = [max(len(row[k]) for row in table) for k in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(n) if k else cell.ljust(n)
            for k, (cell, n) in enumerate(zip(row, wide))
        ).rstrip()
        for row in table
    )


def markdown(head, rows):
    """A table for a README or an issue."""
    under = ["---", *["---:"] * (len(head) - 1)]
    table = [head, under, *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in table) + "\n"


def latex(head, rows):
    """A `tabular` for a paper; it needs the package booktabs."""
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (head, *rows)]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _escaped(word):
    return "".join(rf"\{c}" if c in "%&_#$" else c for c in word)
