"""The rows of a view as Arrow tables, read in the order of its keys."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from projections.exporting.columns import FileColumn, arrow_array, arrow_schema, file_columns, order_of

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE: Final = 2_000
"""So few that they stay in the processor's cache between the database and Arrow: more are read half as fast."""
_CURSOR: Final = "levelbook_export"


class ViewReader:
    """Reads `v1_…` views through one connection, and so at one moment."""

    def __init__(self, connection: Connection, schema: str | None) -> None:
        self._driver: Any = connection.connection.driver_connection
        self._schema = schema

    def named(self, view: str) -> str:
        """A view or table as statements name it."""
        return view if self._schema is None else f"{self._schema}.{view}"

    def rows(self, view: str, subjects: tuple[str, str | None] | None = None) -> Iterator["pa.Table"]:
        """The rows of a view in tables of some; of subjects from one up to before another where they are named."""
        columns = file_columns(view)
        where, values = "", []
        if subjects is not None:
            first, before = subjects
            where = f" WHERE subject >= {self.sign}" + ("" if before is None else f" AND subject < {self.sign}")
            values = [first] if before is None else [first, before]
        order = ", ".join(order_of(view))
        named = ", ".join(item.name for item in columns)
        ordered = f" ORDER BY {order}" if order else ""
        yield from self.asked(f"SELECT {named} FROM {self.named(view)}{where}{ordered}", values, columns)

    def asked(self, sql: str, values: Sequence[Any], columns: Sequence[FileColumn]) -> Iterator["pa.Table"]:
        """What a statement gives, in tables of some rows."""
        import pyarrow as pa

        schema = arrow_schema(columns)
        cursor = self._driver.cursor() if self._schema is None else self._driver.cursor(name=_CURSOR)
        try:
            cursor.execute(sql, values)
            while some := cursor.fetchmany(ROWS_AT_ONCE):
                by_column = zip(columns, zip(*some, strict=True), strict=True)
                yield pa.table([arrow_array(item.kind, found) for item, found in by_column], schema=schema)
        finally:
            cursor.close()

    @property
    def sign(self) -> str:
        """What stands for a value in statements."""
        return "?" if self._schema is None else "%s"
