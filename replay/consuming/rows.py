"""JSON rows in messages, by a mapping file."""

from collections.abc import Sequence

from domain.limits import LINE_BYTES_MAX
from replay.consuming.messages import Reading, TopicMessage, too_long
from replay.errors import UsageError
from replay.mapping.language.compiling import Row, compiled
from replay.mapping.language.document import Mapping
from replay.mapping.mapped_rows import MappedRows
from replay.mapping.rows import Batch, Unreadable
from replay.mapping.tables import LINES, json_row
from replay.parsing.lines import Block


def rows_by(mapping: Mapping) -> Reading:
    """Reads messages each of which is a row, as a line of a file is. Raises UsageError for other mappings."""
    if mapping.format != LINES:
        raise UsageError(
            f'{mapping.name} takes rows in the format {mapping.format}; messages hold rows of JSON: format = "{LINES}"'
        )
    events = compiled(mapping, mapping.columns)

    def read(messages: Sequence[TopicMessage]) -> Block:
        found = [_row(mapping, message) for message in messages]
        unreadable = {index: row for index, row in enumerate(found) if isinstance(row, Unreadable)}
        rows = [None if isinstance(row, Unreadable) else row for row in found]
        origin = MappedRows(mapping.columns, mapping.columns, events, Batch(rows, unreadable, 0), 0)
        return Block("", 0, [], 0, origin)

    return read


def _row(mapping: Mapping, message: TopicMessage) -> Row | Unreadable | None:
    """None of a tombstone."""
    if message.value is None:
        return None
    if len(message.value) > LINE_BYTES_MAX:
        return Unreadable(too_long(len(message.value)), b"")
    return json_row(mapping, message.value)
