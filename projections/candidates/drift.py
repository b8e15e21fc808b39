"""Drift: by day, how many levels a shadow shows otherwise than the live build."""

from sqlalchemy import Connection, insert, select

from domain.calendar import day_of, day_text
from projections.views.candidates import CandidateBuild, counted
from projections.views.database import Build, Views


def note_drift(views: Views, connection: Connection, found: CandidateBuild, live: Build) -> None:
    """Note how many levels differ, once a day: both builds stand at one moment, the first one of it that is seen."""
    day = day_text(day_of(live.as_of))
    if is_noted(views, connection, found.hash, day):
        return
    stood = {"policy_hash": found.hash, "day": day, "position": live.position, "as_of": live.as_of}
    rows = [stood | item._asdict() for item in counted(views, connection, live.build, found.build.build)]
    if rows:
        connection.execute(insert(views.drift), rows)


def is_noted(views: Views, connection: Connection, policy_hash: str, day: str) -> bool:
    drift = views.drift.c
    query = select(drift.day).where(drift.policy_hash == policy_hash, drift.day == day).limit(1)
    return connection.execute(query).first() is not None


def forget_drift(views: Views, connection: Connection, policy_hash: str) -> None:
    connection.execute(views.drift.delete().where(views.drift.c.policy_hash == policy_hash))
