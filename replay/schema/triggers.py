"""The guards that keep records as they are: triggers of the database itself, made with a store and looked at again."""

from collections.abc import Mapping
from typing import Final

from replay.schema.versions import ALIAS_BYTES, RECORD_SEGMENTS


def appended_only(table: str, broken: str, refusal: str) -> dict[str, str]:
    """The guards of a table to which rows are only added, and none of which `broken` is true."""
    what = refusal.partition(":")[0]
    return {
        f"{table}_only_appended": f"""CREATE TRIGGER {table}_only_appended BEFORE INSERT ON {table}
    WHEN {broken}
    BEGIN SELECT RAISE(ABORT, '{refusal}'); END""",
        f"{table}_never_updated": f"""CREATE TRIGGER {table}_never_updated BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{what}: UPDATE is refused'); END""",
        f"{table}_never_deleted": f"""CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, '{what}: DELETE is refused'); END""",
    }


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
    "stream_chains_only_appended": """CREATE TRIGGER stream_chains_only_appended BEFORE INSERT ON stream_chains
    WHEN length(NEW.chains) = 0 OR length(NEW.chains) % 32 <> 0 OR NEW.position <> coalesce(
      (SELECT position + length(chains) / 32 FROM stream_chains ORDER BY position DESC LIMIT 1), 1)
    BEGIN SELECT RAISE(ABORT, 'chains are append only: this row does not follow the last one'); END""",
    "stream_chains_never_updated": """CREATE TRIGGER stream_chains_never_updated BEFORE UPDATE ON stream_chains
    BEGIN SELECT RAISE(ABORT, 'chains are append only: UPDATE is refused'); END""",
    "stream_chains_never_deleted": """CREATE TRIGGER stream_chains_never_deleted BEFORE DELETE ON stream_chains
    BEGIN SELECT RAISE(ABORT, 'chains are append only: DELETE is refused'); END""",
    "key_chains_only_appended": """CREATE TRIGGER key_chains_only_appended BEFORE INSERT ON key_chains
    WHEN NEW.count <> (SELECT coalesce(max(count), 0) + 1 FROM key_chains WHERE key = NEW.key)
    BEGIN SELECT RAISE(ABORT, 'chains are append only: this row does not follow the last one of its key'); END""",
    "key_chains_never_updated": """CREATE TRIGGER key_chains_never_updated BEFORE UPDATE ON key_chains
    BEGIN SELECT RAISE(ABORT, 'chains are append only: UPDATE is refused'); END""",
    "key_chains_never_deleted": """CREATE TRIGGER key_chains_never_deleted BEFORE DELETE ON key_chains
    BEGIN SELECT RAISE(ABORT, 'chains are append only: DELETE is refused'); END""",
    **appended_only(
        "log_tree",
        "NEW.number <> (SELECT coalesce(max(number) + 1, 0) FROM log_tree WHERE level = NEW.level)",
        "hashes of the log tree are append only: this one does not follow the last of its level",
    ),
    **appended_only(
        "heads",
        "NEW.size <= (SELECT max(size) FROM heads WHERE key_hash = NEW.key_hash)",
        "heads are append only: this row does not follow the last one of its key",
    ),
    **appended_only(
        "head_buckets",
        "NEW.size <= (SELECT max(size) FROM head_buckets WHERE bucket = NEW.bucket)",
        "heads are append only: this row does not follow the last one of its bucket",
    ),
    **appended_only(
        "checkpoints",
        "NEW.size <= (SELECT max(size) FROM checkpoints)",
        "checkpoints are append only: this one does not follow the last one",
    ),
    **appended_only(
        "cosignatures",
        "NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = NEW.size)\n"
        "      OR EXISTS (SELECT 1 FROM cosignatures WHERE size = NEW.size AND signer = NEW.signer)",
        "cosignatures are append only: this one is of no checkpoint, or its signer has signed that",
    ),
}
"""By name, the statement that makes the guard, as SQLite keeps it."""

POSTGRES_REFUSAL: Final = " BEGIN RAISE EXCEPTION '% are append only: % is refused', TG_TABLE_NAME, TG_OP; END "
POSTGRES_GUARDS: Final = {
    "records_never_changed": ("records", "UPDATE OR DELETE", "ROW"),
    "records_never_truncated": ("records", "TRUNCATE", "STATEMENT"),
    "ledger_never_changed": ("ledger", "UPDATE OR DELETE", "ROW"),
    "ledger_never_truncated": ("ledger", "TRUNCATE", "STATEMENT"),
    "stream_chains_never_changed": ("stream_chains", "UPDATE OR DELETE", "ROW"),
    "stream_chains_never_truncated": ("stream_chains", "TRUNCATE", "STATEMENT"),
    "key_chains_never_changed": ("key_chains", "UPDATE OR DELETE", "ROW"),
    "key_chains_never_truncated": ("key_chains", "TRUNCATE", "STATEMENT"),
    "log_tree_never_changed": ("log_tree", "UPDATE OR DELETE", "ROW"),
    "log_tree_never_truncated": ("log_tree", "TRUNCATE", "STATEMENT"),
    "heads_never_changed": ("heads", "UPDATE OR DELETE", "ROW"),
    "heads_never_truncated": ("heads", "TRUNCATE", "STATEMENT"),
    "head_buckets_never_changed": ("head_buckets", "UPDATE OR DELETE", "ROW"),
    "head_buckets_never_truncated": ("head_buckets", "TRUNCATE", "STATEMENT"),
    "checkpoints_never_changed": ("checkpoints", "UPDATE OR DELETE", "ROW"),
    "checkpoints_never_truncated": ("checkpoints", "TRUNCATE", "STATEMENT"),
    "cosignatures_never_changed": ("cosignatures", "UPDATE OR DELETE", "ROW"),
    "cosignatures_never_truncated": ("cosignatures", "TRUNCATE", "STATEMENT"),
}
"""By name, the table, what is refused, and whether for each row or statement."""

_OTHER_COLUMNS: Final = (
    *("position", "stream", "version", "type", "source", "event_id", "ref"),
    *("occurred_at", "recorded_at", "content_hash", "chain"),
)
_ARCHIVED_UP_TO: Final = f"(SELECT coalesce(max(last), 0) FROM {RECORD_SEGMENTS})"
SQLITE_ALIAS: Final = "json_extract(CAST({} AS TEXT), '$.event.data.buyer')"
"""In SQL, the alias in a payment's record, as text."""
POSTGRES_ALIAS: Final = "convert_from({}, 'UTF8')::json #>> '{{event,data,buyer}}'"
_BYTES_LEAVE: Final = f"length(OLD.record) > {ALIAS_BYTES} AND length(NEW.record) IN (0, {ALIAS_BYTES})"
_STAYS: Final = "(CASE OLD.type WHEN 'order.paid' THEN {alias} ELSE '' END)"
"""What stays of a record, as text: of a payment its alias. In parentheses, as PL/pgSQL's IF ends with a bare THEN."""
# IS: where a record has no alias, the whole is false and not unknown, for which the guard would not stand up.
_BYTES_LEAVE_SQLITE: Final = " AND ".join(
    [
        f"OLD.position <= {_ARCHIVED_UP_TO}",
        _BYTES_LEAVE,
        f"lower(hex(NEW.record)) IS {_STAYS.format(alias=SQLITE_ALIAS.format('OLD.record'))}",
        *(f"NEW.{name} IS OLD.{name}" for name in _OTHER_COLUMNS),
    ]
)
SQLITE_GUARDS_OF_ARCHIVED: Final = {
    "records_never_updated": f"""CREATE TRIGGER records_never_updated BEFORE UPDATE ON records
    WHEN NOT ({_BYTES_LEAVE_SQLITE})
    BEGIN SELECT RAISE(ABORT, 'records are append only: UPDATE is refused'); END""",
    **appended_only(
        RECORD_SEGMENTS,
        f"NEW.first <> {_ARCHIVED_UP_TO} + 1 OR NEW.last < NEW.first\n"
        "      OR NEW.last > (SELECT coalesce(max(position), 0) FROM records)",
        "segments of records are append only: this one does not follow the last one",
    ),
}
"""In a store from which records have left, the guards that are others than SQLITE_GUARDS, and more than these.

Of a record that stands in a segment its bytes may go, once, of a payment all but its alias; nothing else may change.
"""

POSTGRES_GUARDS_OF_ARCHIVED: Final = {
    f"{RECORD_SEGMENTS}_never_changed": (RECORD_SEGMENTS, "UPDATE OR DELETE", "ROW"),
    f"{RECORD_SEGMENTS}_never_truncated": (RECORD_SEGMENTS, "TRUNCATE", "STATEMENT"),
}
GUARD_OF_RECORDS: Final = "records_never_changed"
_BYTES_LEAVE_POSTGRES: Final = " AND ".join(
    [
        f"OLD.position <= {_ARCHIVED_UP_TO.replace(RECORD_SEGMENTS, f'levelbook.{RECORD_SEGMENTS}')}",
        _BYTES_LEAVE,
        f"encode(NEW.record, 'hex') = {_STAYS.format(alias=POSTGRES_ALIAS.format('OLD.record'))}",
        *(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in _OTHER_COLUMNS),
    ]
)
POSTGRES_REFUSAL_BUT_OF_BYTES: Final = (
    f" BEGIN IF TG_OP = 'UPDATE' THEN IF {_BYTES_LEAVE_POSTGRES} THEN RETURN NEW; END IF; END IF;"
    " RAISE EXCEPTION '% are append only: % is refused', TG_TABLE_NAME, TG_OP; END "
)
REFUSE_BUT_OF_BYTES: Final = "refuse_change_but_of_bytes"

POSTGRES_GUARD_FUNCTION: Final = (
    f"CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $${POSTGRES_REFUSAL}$$"
)
_GRANTED_ALIKE: Final = """DO $$ DECLARE given record; BEGIN
  FOR given IN SELECT a.grantee, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
    WHERE c.oid = 'records'::regclass AND a.grantee <> c.relowner AND a.privilege_type IN ('SELECT', 'INSERT')
  LOOP EXECUTE format('GRANT %s ON {table} TO %s', given.privilege_type,
    CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END);
  END LOOP; END $$"""


def postgres_guard_statements(guards: Mapping[str, tuple[str, str, str]], function: str = "refuse_change") -> list[str]:
    """The statements that make guards, which call a function that is there."""
    made = [
        f"CREATE TRIGGER {name} BEFORE {events} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()"
        for name, (table, events, each) in guards.items()
    ]
    # ALWAYS: also in sessions that act as a replica, where ordinary triggers sleep.
    return made + [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for name, (table, _, _) in guards.items()]


def as_records_granted(table: str, *, only_read: bool = False) -> str:
    """A statement that gives the roles which may read or append records the same rights on a table, or that to read."""
    statement = _GRANTED_ALIKE.replace("{table}", table)
    return statement.replace("'SELECT', 'INSERT'", "'SELECT'") if only_read else statement
