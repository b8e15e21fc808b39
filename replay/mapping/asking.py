"""What a command was asked to read by a mapping: files, or a query; all is checked before anything is read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from replay.errors import UsageError
from replay.mapping.language.document import QUERY, Mapping, read_mapping
from replay.mapping.mapped import blocks_of, blocks_of_query
from replay.mapping.queries import RowQuery, query_table
from replay.mapping.rows import RowTable
from replay.mapping.tables import table_of
from replay.parsing.lines import Block, check_files
from replay.parsing.unpacking import STANDARD_INPUT, files_of


class ToRead(NamedTuple):
    """What to read, and how."""

    mapping: Mapping
    names: tuple[str, ...]
    """Of files, or of the one that holds the query."""
    read: Callable[[str], Iterator[Block]]
    """Makes blocks of one."""
    table: Callable[[str, int, ExitStack], RowTable]
    """The rows of one as they are, in batches of so many."""


def to_read(path: Path, files: Sequence[str], url: str | None, query: str | None, *, proving: bool = False) -> ToRead:
    """What is to be read by the mapping in a file, and with `proving`, proven. Raises UsageError, FaultyMapping."""
    mapping = read_mapping(path)
    if query is None and (url is not None or mapping.format == QUERY):
        raise UsageError(
            f"there is no query; give --query FILE, whose rows {mapping.name} takes if its format is query"
        )
    if query is None:
        if not files:
            raise UsageError(f"no FILE is named; name the files whose rows {mapping.name} takes, or '-'")
        names = files_of(files)
        check_files(names)
        return ToRead(mapping, names, partial(blocks_of, mapping, proving=proving), partial(table_of, mapping))
    if mapping.format != QUERY:
        raise UsageError(f"{mapping.name} takes rows of files in the format {mapping.format}; --query needs: query")
    check_files((query,))
    if query == STANDARD_INPUT or (url is None) == (not files):
        raise UsageError("--query needs either --from URL, or FILEs that are its tables; it cannot come from '-'")
    tables = files_of(files) if files else ()
    check_files(tables)
    asked = RowQuery(query, url, tables)
    return ToRead(
        mapping,
        (query,),
        lambda _: blocks_of_query(mapping, asked, proving=proving),
        lambda _, rows, stack: query_table(mapping, asked, rows, stack),
    )
