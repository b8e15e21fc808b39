"""Texts in columns."""

from collections.abc import Iterator

from projections.terminal.tables import cells


def table(header: list[str], rows: list[list[str]], tails: list[str], last: str = "") -> Iterator[str]:
    """Columns as wide as what stands in them; figures to the right, and a tail of any width."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(cells, column)) for column in columns]
    for row, tail in zip([header, *rows], [last, *tails], strict=True):
        padded = [_pad(cell, width, index) for index, (cell, width) in enumerate(zip(row, widths, strict=True))]
        yield f"{'  '.join(padded)}  {tail}".rstrip()


def padded(text: str, width: int) -> str:
    """A text with blanks behind it, as wide as a terminal shows it."""
    return text + " " * (width - cells(text))


def _pad(text: str, width: int, index: int) -> str:
    is_figure = index > 0 and text[:1] in "+-0123456789"
    return " " * (width - cells(text)) + text if is_figure else padded(text, width)
