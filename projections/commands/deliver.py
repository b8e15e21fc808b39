"""Commands that send changes of levels to others: their endpoints, and the process that delivers."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.completing import complete_scheme
from projections.commands.asking.options import EXIT_NOT_ALL, command, group, stopping, store_options
from projections.configuration.settings import deliver_options, language_option

if TYPE_CHECKING:
    from projections.delivering.couriers import Happened
    from projections.delivering.deliveries import Deliveries
    from projections.reading.reader import Reading

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
secret_file_option = click.option(
    "--secret-file", type=FILE, metavar="FILE", help="Take the secret from FILE (whsec_…). Default: one is made."
)


@group("deliver", "levelbook deliver add https://receiver.example/levels --scheme merchant-reputation")
def deliver() -> None:
    """Send each change of a level to webhooks and topics of Kafka, at least once and in order."""


@command("add", "levelbook deliver add https://receiver.example/levels", of=deliver)
@click.argument("url", metavar="URL")
@click.option(
    "--scheme",
    "schemes",
    multiple=True,
    metavar="SCHEME",
    shell_complete=complete_scheme,
    help="Only changes of this scheme; may be given several times. Default: of all.",
)
@secret_file_option
@click.option(
    "--from-now", is_flag=True, help="Send what changes from now on. Default: first every level as it stands."
)
@click.option("--allow-private", is_flag=True, help="The receiver may be on this machine or in its network.")
@click.option("--allow-http", is_flag=True, help="The receiver may be without TLS.")
@click.option(
    "--ca-file", type=FILE, metavar="FILE", help="PEM: the authority of its certificate, in place of the machine's."
)
@click.option(
    "--properties",
    type=FILE,
    metavar="FILE",
    help="Of a topic: how to connect, NAME=VALUE a line, as librdkafka names it.",
)
@language_option
@store_options
def add(
    url: str,
    schemes: tuple[str, ...],
    secret_file: Path | None,
    from_now: bool,
    allow_private: bool,
    allow_http: bool,
    ca_file: Path | None,
    properties: Path | None,
    store: str,
    format_: str,
    lang: str,
) -> None:
    """Add an endpoint: a webhook (https://…) or a topic (kafka://BROKER:PORT,…/TOPIC). Print its secret, this once.

    Nothing is sent before 'levelbook deliver run' is.
    """
    from projections.delivering.deliveries import open_deliveries
    from projections.delivering.endpoints import KAFKA, Progress, new_endpoint
    from projections.delivering.signing import new_secret, secret_in_file
    from projections.delivering.topics import check_topic
    from projections.text.outgoing import deliveries as deliveries_text
    from replay.errors import UsageError
    from replay.schemes.registry import scheme_of

    for scheme in schemes:
        scheme_of(scheme)
    with open_at(store) as opened, _reading_of(opened.location) as reading:
        made = new_endpoint(
            url,
            tuple(dict.fromkeys(schemes)),
            allow_private=allow_private,
            allow_http=allow_http,
            ca_file=None if ca_file is None else str(ca_file.absolute()),
            properties=None if properties is None else str(properties.absolute()),
            made_at=opened.now(),
        )
        if made.kind == KAFKA:
            if secret_file is not None:
                raise UsageError("--secret-file is of webhooks: records of a topic are not signed; leave it out")
            check_topic(made)
        own = None if made.kind == KAFKA or secret_file is not None else new_secret()
        secret = own if secret_file is None else secret_in_file(secret_file)
        progress = Progress(made.id)
        if from_now:
            with reading.snapshot() as at:
                progress = progress._replace(feed=at.feed, number=at.standing.number)
        with open_deliveries(opened) as deliveries:
            deliveries.add(made, progress, secret)
    deliveries_text.print_added(made, own, lang, as_json=format_ == "json")


@command("list", "levelbook deliver list", of=deliver)
@language_option
@store_options
def list_(store: str, format_: str, lang: str) -> None:
    """List the endpoints with their URLs; never their secrets."""
    from projections.delivering.deliveries import find_deliveries
    from projections.text.outgoing import deliveries as deliveries_text

    with open_at(store) as opened, find_deliveries(opened) or nullcontext() as deliveries:
        found = [] if deliveries is None else [item.endpoint for item in deliveries.all()]
    deliveries_text.print_endpoints(found, lang, as_json=format_ == "json")


@command("status", "levelbook deliver status", of=deliver)
@language_option
@store_options
def status(store: str, format_: str, lang: str) -> None:
    """Show how far each endpoint is, which fail and why, and when they are tried again.

    Exit status 1 when one fails or is disabled.
    """
    from projections.delivering.status import deliveries_status
    from projections.text.outgoing import deliveries as deliveries_text

    with _reading_of(store) as reading:
        found = deliveries_status(reading) or []
    deliveries_text.print_status(found, lang, as_json=format_ == "json")
    if any(item["state"] != "delivering" for item in found):
        sys.exit(EXIT_NOT_ALL)


@command("remove", "levelbook deliver remove 3fa9c1d2", of=deliver)
@click.argument("endpoint", metavar="ID")
@language_option
@store_options
def remove(endpoint: str, store: str, format_: str, lang: str) -> None:
    """Forget endpoint ID with its secrets, and how far it was."""
    from projections.text.outgoing import deliveries as deliveries_text

    with _kept(store, endpoint) as deliveries:
        found = deliveries.remove(endpoint)
    deliveries_text.print_done("removed", found, lang, as_json=format_ == "json")


@command("enable", "levelbook deliver enable 3fa9c1d2", of=deliver)
@click.argument("endpoint", metavar="ID")
@language_option
@store_options
def enable(endpoint: str, store: str, format_: str, lang: str) -> None:
    """Try endpoint ID again at once, where it fails or was disabled; it goes on from where it was."""
    from projections.text.outgoing import deliveries as deliveries_text

    with _kept(store, endpoint) as deliveries:
        found = deliveries.enable(endpoint)
    deliveries_text.print_done("enabled", found.endpoint, lang, as_json=format_ == "json")


@command("rotate", "levelbook deliver rotate 3fa9c1d2 --keep-hours 48", of=deliver)
@click.argument("endpoint", metavar="ID")
@secret_file_option
@click.option(
    "--keep-hours",
    type=click.IntRange(0, 720),
    default=24,
    show_default=True,
    help="So long requests are signed with the secret before, too.",
)
@language_option
@store_options
def rotate(endpoint: str, secret_file: Path | None, keep_hours: int, store: str, format_: str, lang: str) -> None:
    """Give endpoint ID another secret, and print it, this once."""
    from domain.limits import HOUR_MICROS
    from projections.delivering.signing import new_secret, secret_in_file
    from projections.text.outgoing import deliveries as deliveries_text

    own = new_secret() if secret_file is None else None
    secret = own or secret_in_file(secret_file)  # type: ignore[arg-type]  # one of both is there
    with open_at(store) as opened, _kept(store, endpoint) as deliveries:
        deliveries.rotate(endpoint, secret, opened.now() + keep_hours * HOUR_MICROS)
        found = deliveries.named(endpoint).endpoint
    deliveries_text.print_rotated(found, own, keep_hours, lang, as_json=format_ == "json")


@command("test", "levelbook deliver test 3fa9c1d2", of=deliver)
@click.argument("endpoint", metavar="ID")
@language_option
@store_options
def test(endpoint: str, store: str, format_: str, lang: str) -> None:
    """Send endpoint ID a signed message of no level; of a topic, see whether it is there. Exit status 1 if not.

    Where the endpoint stands, and whether it is disabled, stays as it was.
    """
    from projections.delivering.couriers import sender_of
    from projections.delivering.messages import trial_of
    from projections.text.outgoing import deliveries as deliveries_text

    with open_at(store) as opened, _kept(store, endpoint) as deliveries:
        found, now = deliveries.named(endpoint), opened.now()
        sender = sender_of(found.endpoint)
        try:
            message = trial_of(found, now, f"urn:levelbook:{opened.identity.id}")
            sent = sender.tried(message, deliveries.secrets(endpoint, now), now)
        finally:
            sender.close()
    deliveries_text.print_tried(found.endpoint, sent.problem, lang, as_json=format_ == "json")
    if sent.problem is not None:
        sys.exit(EXIT_NOT_ALL)


@command("run", "levelbook deliver run --once", of=deliver)
@click.option("--once", is_flag=True, help="Stop when each endpoint has had its turn. Default: stay up until stopped.")
@deliver_options
@language_option
@store_options
def run(once: bool, give_up_days: int, store: str, format_: str, lang: str) -> None:
    """Deliver what changes to every endpoint. One such process is at work on a ledger at a time.

    Stopped at any moment, also by kill -9, it loses nothing: what may not have arrived is sent again under the same id.
    Exit status 1 with --once when an endpoint has not got everything.
    """
    from projections.delivering.couriers import CourierTurn
    from projections.delivering.deliveries import open_deliveries
    from projections.delivering.running import Deliverer
    from projections.text.outgoing import deliveries as deliveries_text

    def told(what: "Happened") -> None:
        deliveries_text.print_told(what, lang, as_json=format_ == "json")

    with open_at(store) as opened, open_deliveries(opened) as deliveries, _reading_of(store) as reading:
        running = Deliverer(deliveries, reading, once=once, give_up_days=give_up_days, told=told)
        with stopping() as stopped:
            turns = running.run(stopped)
    if once:
        deliveries_text.print_turns(turns, lang, as_json=format_ == "json")
        if any(turn is not CourierTurn.CAUGHT_UP for turn in turns.values()):
            sys.exit(EXIT_NOT_ALL)


@contextmanager
def _kept(store: str, endpoint: str) -> "Iterator[Deliveries]":
    """What is kept of deliveries, to be changed. Raises UsageError where there is no endpoint at all."""
    from projections.delivering.deliveries import HOME, no_endpoint, open_deliveries
    from projections.http.own_tables import is_made

    with open_at(store) as opened:
        if not is_made(HOME, opened):
            raise no_endpoint(endpoint)
        with open_deliveries(opened) as deliveries:
            yield deliveries


@contextmanager
def _reading_of(store: str) -> "Iterator[Reading]":
    """The ledger and its views, read as the service reads them; what it answers there is an error here."""
    from projections.http.problems import Problem
    from projections.reading.reader import Reading
    from replay.errors import UsageError

    reading = Reading(store)
    try:
        yield reading
    except Problem as problem:
        raise UsageError(problem.detail) from None
    finally:
        reading.close()
