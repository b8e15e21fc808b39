"""Commands of the service: serve, its tokens, and who asked."""

from contextlib import nullcontext
from typing import Any

import click

from projections.commands.asking.asked import on_evidence, open_at
from projections.commands.asking.completing import complete_subject
from projections.commands.asking.options import (
    USUAL_SEARCH,
    command,
    group,
    listed_options,
    location_option,
    store_options,
)
from projections.configuration.settings import (
    SHEETS,
    candidates_option,
    language_option,
    otel_option,
    segments_option,
    service_options,
)


@command("serve", "levelbook serve --port 8020")
@service_options
@segments_option
@candidates_option
@otel_option
@location_option
@on_evidence()
def serve(store: str, **asked: Any) -> None:
    """Answer over HTTP what the ledger and its views hold: levels, explanations, changes. It only reads.

    Ends with status 0 on SIGTERM or SIGINT. Beyond this machine whoever asks must show a token.
    """
    import gc

    from projections.http.settings import Settings
    from projections.server.serve import serve as run

    gc.set_threshold(*USUAL_SEARCH)  # what answers leave behind goes while they are given
    run(Settings(store, **asked))


@group("token", "levelbook token new --name warehouse --scope levels:read")
def token() -> None:
    """Make, list and revoke the tokens by which others may ask the service."""


@command("new", "levelbook token new --name warehouse --scope levels:read", of=token)
@click.option("--name", required=True, metavar="NAME", help="Whose it is; name no buyer.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["levels:read", "explanations:read", "decisions:read", "evidence:read", "policies:try"]),
    help="What it may read; may be given several times. Default: all.",
)
@click.option(
    "--per-minute", type=click.IntRange(1, 10_000_000), default=6_000, show_default=True, help="Requests a minute."
)
@language_option
@store_options
def token_new(name: str, scopes: tuple[str, ...], per_minute: int, store: str, format_: str, lang: str) -> None:
    """Make a token and print it, this once: only its hash is kept."""
    from projections.http.scopes import SCOPES
    from projections.http.token_store import open_keeping
    from projections.text import tokens as tokens_text

    tokens_text.check_name(name)
    with open_at(store) as opened, open_keeping(opened) as keeping:
        number, secret = keeping.new_token(name, scopes or SCOPES, per_minute, opened.now())
    tokens_text.print_token(number, secret, lang, as_json=format_ == "json")


@command("list", "levelbook token list", of=token)
@language_option
@store_options
def token_list(store: str, format_: str, lang: str) -> None:
    """List the tokens, also those that were revoked; never the tokens themselves."""
    from projections.http.token_store import find_keeping
    from projections.text import tokens as tokens_text

    with open_at(store) as opened, find_keeping(opened) or nullcontext() as keeping:
        found = [] if keeping is None else keeping.tokens()
    tokens_text.print_tokens(found, lang, as_json=format_ == "json")


@command("revoke", "levelbook token revoke 1", of=token)
@click.argument("number", type=int)
@language_option
@store_options
def token_revoke(number: int, store: str, format_: str, lang: str) -> None:
    """Let token NUMBER and every session begun with it end; it holds for a second more at most."""
    from projections.http.token_store import is_kept, no_token, open_keeping
    from projections.text import tokens as tokens_text

    with open_at(store) as opened:
        if not is_kept(opened):
            raise no_token(number)
        with open_keeping(opened) as keeping:
            found = keeping.revoke(number, opened.now())
    tokens_text.print_revoked(found, lang, as_json=format_ == "json")


@command("accesses", "levelbook accesses merchant/tea-house")
@click.argument("subject", required=False, shell_complete=complete_subject)
@language_option
@listed_options
def accesses(subject: str | None, store: str, format_: str, lang: str) -> None:
    """List who asked the service for explanations, of SUBJECT or all: when, by which token, for what."""
    from projections.http.token_store import find_keeping
    from projections.text import tokens as tokens_text
    from projections.text.sheets import own

    with open_at(store) as opened, find_keeping(opened) or nullcontext() as keeping:
        found = [] if keeping is None else keeping.accesses(subject)
    if format_ in SHEETS:
        own.print_accesses(format_, found)
        return
    tokens_text.print_accesses(found, lang, as_json=format_ == "json")
