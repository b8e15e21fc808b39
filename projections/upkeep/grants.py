"""The rights on a PostgreSQL ledger that each task needs, as SQL for roles of whatever names."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from projections.views.location import POSTGRES_SCHEMA as VIEWS
from replay.errors import UsageError
from replay.schema.versions import (
    ERASURES_DUE,
    LATER_TABLES,
    LEFT_ALIASES,
    LEFT_TABLES,
    RECORD_SEGMENTS,
    STILL_HERE,
)
from replay.store.postgres import CHECKS_SCHEMA, SCHEMA

SERVICE: Final = "levelbook_service"
DELIVERIES: Final = "levelbook_deliveries"
TASKS: Final = ("writer", "reader", "auditor", "follower", "service", "deliverer")
_CHAINS: Final = ("stream_chains", "key_chains")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class Grant(NamedTuple):
    """A statement, in which `{roles}` stands for the roles of the tasks that need it."""

    sql: str
    tasks: tuple[str, ...]


def _on(schema: str, *tables: str) -> str:
    return ", ".join(f"{schema}.{table}" for table in tables)


_READING: Final = ("reader", "auditor", "follower", "service", "deliverer")
_VIEWING: Final = ("reader", "auditor", "service", "deliverer")
GRANTS: Final = (
    # Who makes a schema for another role has to be of it.
    Grant("GRANT {roles} TO CURRENT_USER", ("auditor", "follower", "deliverer")),
    Grant(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {{roles}}", ("writer", *_READING)),
    Grant(f"GRANT SELECT, INSERT ON {_on(SCHEMA, 'records')} TO {{roles}}", ("writer",)),
    Grant(f"GRANT SELECT, INSERT ON {_on(SCHEMA, 'buyers', *LATER_TABLES)} TO {{roles}}", ("writer",)),
    Grant(f"GRANT SELECT, INSERT, UPDATE ON {SCHEMA}.tally TO {{roles}}", ("writer",)),
    Grant(f"GRANT SELECT ON {_on(SCHEMA, 'ledger', ERASURES_DUE)} TO {{roles}}", ("writer",)),
    Grant(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {{roles}}", _READING),
    Grant(f"CREATE SCHEMA {VIEWS} AUTHORIZATION {{roles}}", ("follower",)),
    Grant(f"GRANT INSERT ON {_on(SCHEMA, 'records')} TO {{roles}}", ("follower",)),
    Grant(f"GRANT INSERT ON {_on(SCHEMA, *_CHAINS)} TO {{roles}}", ("follower",)),
    Grant(f"GRANT INSERT, UPDATE ON {SCHEMA}.tally TO {{roles}}", ("follower",)),
    Grant(f"GRANT USAGE ON SCHEMA {VIEWS} TO {{roles}}", _VIEWING),
    Grant(
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {{follower}} IN SCHEMA {VIEWS} GRANT SELECT ON TABLES TO {{roles}}",
        _VIEWING,
    ),
    Grant(f"CREATE SCHEMA {CHECKS_SCHEMA} AUTHORIZATION {{roles}}", ("auditor",)),
    Grant(f"GRANT USAGE ON SCHEMA {SERVICE} TO {{roles}}", ("auditor", "service")),
    Grant(f"GRANT SELECT ON {SERVICE}.accesses TO {{roles}}", ("auditor",)),
    Grant(f"GRANT SELECT ON {SERVICE}.tokens TO {{roles}}", ("service",)),
    Grant(f"GRANT SELECT, INSERT, DELETE ON {SERVICE}.sessions TO {{roles}}", ("service",)),
    Grant(f"GRANT SELECT, INSERT ON {SERVICE}.accesses TO {{roles}}", ("service",)),
    Grant(f"GRANT USAGE ON SEQUENCE {SERVICE}.accesses_number_seq TO {{roles}}", ("service",)),
    Grant(f"CREATE SCHEMA {DELIVERIES} AUTHORIZATION {{roles}}", ("deliverer",)),
)
"""In the order in which they have to be run."""
ONCE_DELIVERED: Final = (
    Grant(f"GRANT USAGE ON SCHEMA {DELIVERIES} TO {{roles}}", ("service",)),
    Grant(f"GRANT SELECT ON {_on(DELIVERIES, 'endpoints', 'progress')} TO {{roles}}", ("service",)),
)
"""Those on tables that the first 'levelbook deliver add' makes; the secrets are not among these."""
ONCE_ARCHIVED: Final = (
    Grant(f"GRANT SELECT ON {_on(SCHEMA, RECORD_SEGMENTS, *LEFT_TABLES, LEFT_ALIASES)} TO {{roles}}", ("writer",)),
    Grant(f"GRANT SELECT, INSERT ON {_on(SCHEMA, STILL_HERE)} TO {{roles}}", ("writer",)),
    Grant(f"GRANT INSERT ON {_on(SCHEMA, STILL_HERE)} TO {{roles}}", ("follower",)),
)
"""Those on the tables which the first 'levelbook archive' makes, and on that of records, to which it gives another
name; roles that may read or append records by then are given them."""


def statements(named: Mapping[str, str]) -> Iterator[str]:
    """The statements for some tasks, each with the name of its role, without a semicolon.

    Raises UsageError for a name that PostgreSQL would read as another one, and where a role for a task is missing.
    """
    for task, name in named.items():
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"--{task} {name!r} is no plain name of a role; give one of small letters, digits and underscores"
            )
    if "follower" not in named and named.keys() & set(_VIEWING):
        raise UsageError(
            "who reads views is given rights by the role that makes them; name that one with --follower, too"
        )
    yield from _with_names(GRANTS, named)


def later_statements(named: Mapping[str, str]) -> Iterator[str]:
    """Those that can be run only once there is an endpoint; none without a role that delivers."""
    if "deliverer" in named:
        yield from _with_names(ONCE_DELIVERED, named)


def archived_statements(named: Mapping[str, str]) -> Iterator[str]:
    """Those that a role needs that is made after records began to leave the store."""
    yield from _with_names(ONCE_ARCHIVED, named)


def _with_names(grants: tuple[Grant, ...], named: Mapping[str, str]) -> Iterator[str]:
    for sql, tasks in grants:
        roles = ", ".join(named[task] for task in tasks if task in named)
        if roles:
            yield sql.format(roles=roles, follower=named.get("follower"))
