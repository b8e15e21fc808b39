"""The command that consumes topics of Kafka."""

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from domain.limits import BATCH_LINES_MAX
from projections.commands.asking.options import (
    EXIT_NOT_ALL,
    clock_option,
    command,
    existing_option,
    extensions_option,
    refusals_option,
    stopping,
    store_options,
    traced,
)
from projections.commands.mapping.options import map_option
from projections.configuration.settings import kafka_options, language_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from projections.text.topics.consuming import Consumed
    from replay.consuming.cluster import Cluster
    from replay.consuming.consume import Consumption
    from replay.consuming.dead_letters import DeadLetters
    from replay.consuming.messages import Reading
    from replay.consuming.topics import TopicReader


@command("consume", "levelbook consume --servers kafka-1:9092,kafka-2:9092 --topic orders")
@click.option("--topic", "topics", multiple=True, required=True, metavar="TOPIC", help="Which topic; may be repeated.")
@kafka_options
@map_option
@click.option(
    "--outbox", metavar="SOURCE", help="Read rows of an outbox, as Debezium sends them; SOURCE is their source."
)
@click.option(
    "--dead-letter-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where refused messages go. Default: dead-letters.jsonl beside the store (PostgreSQL: here).",
)
@click.option("--dead-letter-topic", metavar="TOPIC", help="Send refused messages there, in place of a file.")
@click.option(
    "--batch",
    type=click.IntRange(1, BATCH_LINES_MAX),
    default=1_000,
    show_default=True,
    metavar="N",
    help="How many messages are recorded at a time at most; 16 MB of them are enough.",
)
@click.option("--once", is_flag=True, help="Stop at the end of the topics. Default: stay up until stopped.")
@click.option("--from-beginning", is_flag=True, help="Read all that is there again; what is known changes nothing.")
@extensions_option
@refusals_option
@existing_option
@clock_option
@click.option("--acknowledge", is_flag=True, help="Print TOPIC/PARTITION:OFFSET once all up to it is safe.")
@language_option
@store_options
@traced
def consume(**asked: Any) -> None:
    """Record events from topics of Kafka: CloudEvents, structured, binary, in batches; rows by --map; an --outbox.

    Records a batch, then commits its offsets, never the other way round: killed at any moment it loses nothing, and
    messages that come again change nothing. A refused message stops no other: it is kept, with the reason, before the
    offset passes it. Brokers that are away are waited for. Exit status 1 with --once when messages were refused.
    """
    what = ToConsume(**asked)
    ended, stopped_by = _consumed(what)
    from projections.text.topics.consuming import print_consumed

    print_consumed(ended, what.lang, as_json=what.as_json)
    if stopped_by is not None:
        raise stopped_by
    if what.once and ended.run.dead_letters:
        sys.exit(EXIT_NOT_ALL)


class ToConsume(NamedTuple):
    """What was asked of `consume`: an option each, by its name."""

    topics: tuple[str, ...]
    kafka_servers: str | None
    kafka_group: str | None
    kafka_properties: Path | None
    mapping: Path | None
    outbox: str | None
    dead_letter_file: Path | None
    dead_letter_topic: str | None
    batch: int
    once: bool
    from_beginning: bool
    extensions: str
    refusals_max: int
    existing: bool
    clock_behind: bool
    acknowledge: bool
    store: str
    format_: str
    lang: str

    @property
    def as_json(self) -> bool:
        return self.format_ == "json"


def _consumed(what: ToConsume) -> "tuple[Consumed, BaseException | None]":
    """Consume what was asked: how far it came, and what stopped it, if an error did."""
    from projections.text.topics.consuming import Consumed, ConsumeWatch
    from projections.upkeep.noting import NotedReader
    from replay.consuming.cluster import Cluster, client, read_properties
    from replay.consuming.consume import Consumption
    from replay.consuming.topics import Subscription, TopicReader
    from replay.errors import UsageError
    from replay.intake.targets import target_at
    from replay.parsing.envelope import Undocumented

    client()
    reading = _reading(what)
    if what.kafka_servers is None:
        raise UsageError(
            "nobody says where brokers are; give --servers HOST:PORT,…, or set LEVELBOOK_KAFKA_SERVERS or"
            " kafka.servers in levelbook.toml"
        )
    cluster = Cluster(what.kafka_servers, read_properties(what.kafka_properties))
    watch = ConsumeWatch(what.lang, acknowledge=what.acknowledge, answers_json=what.as_json)
    group = what.kafka_group or _group_of(what.store)
    with (
        stopping() as stopped,
        target_at(what.store, watch.made, dry_run=False, existing=what.existing) as target,
        closing(_letters(what, cluster)) as letters,
        closing(TopicReader(cluster, Subscription(what.topics, group, what.from_beginning), watch)) as reader,
    ):
        noted = NotedReader(reader, group, what.store, watch.not_noted)
        run = Consumption(
            noted,
            reading,
            target,
            letters,
            watch,
            clock_behind=what.clock_behind,
            refusals_max=what.refusals_max,
            undocumented=Undocumented(what.extensions),
        )
        stopped_by = _run_to_its_end(run, reader, stopped, what)
        noted.note()
        ended = Consumed(run, reader.reached(), group, letters.place, watch.head, target.made, target.due)
    return ended, stopped_by


def _run_to_its_end(
    run: "Consumption", reader: "TopicReader", stopped: "Callable[[], bool]", what: ToConsume
) -> BaseException | None:
    """What stopped it is returned, because the counts are printed first."""
    from replay.errors import LevelbookError

    try:
        reader.begin(stopped)
        run.run(stopped, batch=what.batch, once=what.once)
    except (LevelbookError, OSError) as error:
        return error
    return None


def _reading(what: ToConsume) -> "Reading":
    """How messages are read. Raises UsageError, FaultyMapping."""
    from replay.consuming.cloudevents import events_in
    from replay.consuming.messages import reading_by
    from replay.consuming.outbox import outbox_of
    from replay.errors import UsageError

    if what.mapping is not None and what.outbox is not None:
        raise UsageError("--map and --outbox each say what a message holds; give one of them")
    if what.mapping is not None:
        from replay.consuming.rows import rows_by
        from replay.mapping.language.document import read_mapping

        return rows_by(read_mapping(what.mapping))
    return reading_by(events_in if what.outbox is None else outbox_of(what.outbox))


def _letters(what: ToConsume, cluster: "Cluster") -> "DeadLetters":
    from replay.consuming.dead_letters import DeadLetterFile, DeadLetterTopic, letters_beside
    from replay.errors import UsageError

    if what.dead_letter_topic is None:
        return DeadLetterFile(what.dead_letter_file or letters_beside(what.store))
    if what.dead_letter_file is not None:
        raise UsageError("--dead-letter-file and --dead-letter-topic each say where refused messages go; give one")
    if what.dead_letter_topic in what.topics:
        raise UsageError(
            f"the topic {what.dead_letter_topic} is consumed; what is refused of it would come again for ever: name"
            " another for dead letters"
        )
    return DeadLetterTopic(cluster, what.dead_letter_topic)


def _group_of(location: str) -> str:
    """The group that is this ledger's own. Raises UsageError where there is no ledger yet."""
    from replay.errors import NoStoreError, UsageError
    from replay.intake.targets import where_of
    from replay.store.opening import open_store

    try:
        with open_store(location) as store:
            return f"levelbook-{store.identity.id}"
    except NoStoreError:
        raise UsageError(
            f"there is no ledger at {where_of(location)} yet, after whose id the group is called; check --store, or"
            " give --group NAME, always the same for this ledger and for no other"
        ) from None
