"""Tokens and accesses as the commands print them."""

from typing import Any

import click

from domain.calendar import shanghai_text
from domain.limits import TEXT_CHARS_MAX
from domain.texts import invisible_character
from projections.http.token_store import NotedAccess, Token
from projections.terminal.tables import LEFT, RIGHT, Column, print_table
from projections.text.output import print_json, print_json_list
from replay.errors import UsageError


def print_token(number: int, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"token": number, "secret": secret})
        return
    click.echo(secret)
    click.echo(f"This is token {number}. It is shown this once: keep it where secrets are kept.", err=True)


def print_tokens(found: list[Token], *, as_json: bool) -> None:
    if as_json:
        print_json([_token_json(token) for token in found])
        return
    if not found:
        click.echo("there is no token; 'levelbook token new' makes the first")
    columns = (Column(is_right=True, least=4), LEFT, LEFT, RIGHT, LEFT, LEFT)
    print_table(columns, [_token_cells(token) for token in found])


def _token_cells(token: Token) -> tuple[str, ...]:
    made, revoked = f"made {shanghai_text(token.made_at)}", ""
    if token.revoked_at is not None:
        revoked = f"revoked {shanghai_text(token.revoked_at)}"
    scopes, per_minute = " ".join(sorted(token.scopes)), f"{token.per_minute} a minute"
    return str(token.number), visible(token.name), scopes, per_minute, made, revoked


def visible(name: str) -> str:
    """A name as a terminal may show it: what would move its cursor, or nobody sees, is written out."""
    return "".join(
        char if char.isprintable() and invisible_character(char) is None else f"\\u{ord(char):04x}" for char in name
    )


def check_name(name: str) -> None:
    """Raises UsageError for a name that a list of tokens could not show as it is."""
    if not 1 <= len(name) <= TEXT_CHARS_MAX or visible(name) != name:
        raise UsageError(
            f"--name '{visible(name[:TEXT_CHARS_MAX])}' is empty, over {TEXT_CHARS_MAX} characters, or holds some that"
            " are not printed; give it a name of letters, digits and signs"
        )


def print_revoked(token: Token, *, as_json: bool) -> None:
    if as_json:
        print_json({"revoked": token.number, "name": token.name})
        return
    again = "" if token.revoked_at is None else "; it was before"
    click.echo(f"token {token.number} ({visible(token.name)}) is revoked{again}")


def _token_json(token: Token) -> dict[str, Any]:
    return {
        "token": token.number,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "per_minute": token.per_minute,
        "made_at": shanghai_text(token.made_at),
        "revoked_at": None if token.revoked_at is None else shanghai_text(token.revoked_at),
    }


def print_accesses(found: list[NotedAccess], *, as_json: bool) -> None:
    shown = [access._asdict() | {"at": shanghai_text(access.at)} for access in found]
    if as_json:
        print_json_list(shown)
        return
    if not shown:
        click.echo("nothing was noted: nobody asked the service for an explanation or decision of it")
    print_table((LEFT,) * 5, [_access_cells(access) for access in shown])


def _access_cells(access: dict[str, Any]) -> tuple[str, ...]:
    by = "without a token" if access["token"] is None else f"token {access['token']}"
    return access["at"], by, access["what"], access["subject"], access["scheme"] or ""
