"""Tokens and accesses as the commands print them."""

from typing import Any

import click

from domain.calendar import shanghai_text
from domain.limits import TEXT_CHARS_MAX
from domain.texts import invisible_character
from projections.http.token_store import NotedAccess, Token
from projections.terminal.tables import LEFT, RIGHT, Column, print_table
from projections.text.output import print_json, print_json_list
from projections.text.words import Words
from replay.errors import UsageError


def print_token(number: int, secret: str, language: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"token": number, "secret": secret})
        return
    click.echo(secret)
    click.echo(Words(language, {}).tokens("made", number=number), err=True)


def print_tokens(found: list[Token], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json([_token_json(token) for token in found])
        return
    words = Words(language, {})
    if not found:
        click.echo(words.tokens("none"))
    columns = (Column(is_right=True, least=4), LEFT, LEFT, RIGHT, LEFT, LEFT)
    print_table(columns, [_token_cells(token, words) for token in found])


def _token_cells(token: Token, words: Words) -> tuple[str, ...]:
    made, revoked = words.tokens("made_at", at=shanghai_text(token.made_at)), ""
    if token.revoked_at is not None:
        revoked = words.tokens("revoked_at", at=shanghai_text(token.revoked_at))
    scopes, per_minute = " ".join(sorted(token.scopes)), words.tokens("per_minute", count=token.per_minute)
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


def print_revoked(token: Token, language: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"revoked": token.number, "name": token.name})
        return
    key = "revoked" if token.revoked_at is None else "revoked_before"
    click.echo(Words(language, {}).tokens(key, number=token.number, name=visible(token.name)))


def _token_json(token: Token) -> dict[str, Any]:
    return {
        "token": token.number,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "per_minute": token.per_minute,
        "made_at": shanghai_text(token.made_at),
        "revoked_at": None if token.revoked_at is None else shanghai_text(token.revoked_at),
    }


def print_accesses(found: list[NotedAccess], language: str, *, as_json: bool) -> None:
    shown = [access._asdict() | {"at": shanghai_text(access.at)} for access in found]
    if as_json:
        print_json_list(shown)
        return
    words = Words(language, {})
    if not shown:
        click.echo(words.tokens("nobody_asked"))
    print_table((LEFT,) * 5, [_access_cells(access, words) for access in shown])


def _access_cells(access: dict[str, Any], words: Words) -> tuple[str, ...]:
    by = words.tokens("by_nobody") if access["token"] is None else words.tokens("by", number=access["token"])
    scheme = "" if access["scheme"] is None else words.code_beside("scheme", access["scheme"])
    return access["at"], by, words.code("asked", access["what"]), access["subject"], scheme
