"""The guards that keep records as they are: triggers of the database itself, made with a store and looked at again."""

from typing import Final

SQLITE_GUARDS: Final = {
    # INSERT OR REPLACE deletes without firing delete triggers, so the guard stands at the insert.
    "records_only_appended": """CREATE TRIGGER records_only_appended BEFORE INSERT ON records
    WHEN NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM records)
      OR EXISTS (SELECT 1 FROM records WHERE stream = NEW.stream AND version = NEW.version)
      OR EXISTS (SELECT 1 FROM records WHERE source = NEW.source AND event_id = NEW.event_id)
    BEGIN SELECT RAISE(ABORT, 'records are append only: this row does not follow the last one'); END""",
    "records_never_updated": """CREATE TRIGGER records_never_updated BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'records are append only: UPDATE is refused'); END""",
    "records_never_deleted": """CREATE TRIGGER records_never_deleted BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'records are append only: DELETE is refused'); END""",
    "ledger_only_once": """CREATE TRIGGER ledger_only_once BEFORE INSERT ON ledger
    WHEN EXISTS (SELECT 1 FROM ledger)
    BEGIN SELECT RAISE(ABORT, 'a store holds one ledger'); END""",
    "ledger_never_updated": """CREATE TRIGGER ledger_never_updated BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger keeps its identity: UPDATE is refused'); END""",
    "ledger_never_deleted": """CREATE TRIGGER ledger_never_deleted BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger keeps its identity: DELETE is refused'); END""",
}
"""By name, the statement that makes the guard, as SQLite keeps it."""

POSTGRES_REFUSAL: Final = " BEGIN RAISE EXCEPTION '% are append only: % is refused', TG_TABLE_NAME, TG_OP; END "
POSTGRES_GUARDS: Final = {
    "records_never_changed": ("records", "UPDATE OR DELETE", "ROW"),
    "records_never_truncated": ("records", "TRUNCATE", "STATEMENT"),
    "ledger_never_changed": ("ledger", "UPDATE OR DELETE", "ROW"),
    "ledger_never_truncated": ("ledger", "TRUNCATE", "STATEMENT"),
}
"""By name, the table, what is refused, and whether for each row or statement."""

POSTGRES_GUARD_STATEMENTS: Final = (
    f"CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $${POSTGRES_REFUSAL}$$",
    *(
        f"CREATE TRIGGER {name} BEFORE {events} ON {table} FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        for name, (table, events, each) in POSTGRES_GUARDS.items()
    ),
    # ALWAYS: also in sessions that act as a replica, where ordinary triggers sleep.
    *(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for name, (table, _, _) in POSTGRES_GUARDS.items()),
)
