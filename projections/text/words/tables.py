"""Texts in columns."""

from collections.abc import Iterator, Sequence

from projections.terminal.tables import cells


def table(header: list[str], rows: list[list[str]], tails: list[str], last: str = "") -> Iterator[str]:
    """Columns as wide as what stands in them; figures to the right, and a tail of any width."""
    columns = [_as_wide(column, index) for index, column in enumerate(zip(header, *rows, strict=True))]
    for row, tail in zip(zip(*columns, strict=True), [last, *tails], strict=True):
        yield f"{'  '.join(row)}  {tail}".rstrip()


def padded(text: str, width: int) -> str:
    """A text with blanks behind it, as wide as a terminal shows it."""
    return text + " " * (width - cells(text))


def _as_wide(column: Sequence[str], index: int) -> list[str]:
    """The texts of a column, each as wide as the widest."""
    taken = [*map(cells, column)]
    width = max(taken)
    blanks = (" " * (width - own) for own in taken)
    return [
        blank + text if index > 0 and text[:1] in "+-0123456789" else text + blank
        for text, blank in zip(column, blanks, strict=True)
    ]
