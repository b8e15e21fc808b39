"""The caller, found by the token or session that a request shows, and counted."""

import logging
from http.cookies import CookieError, SimpleCookie
from threading import Lock
from time import monotonic, time_ns
from typing import Final, NamedTuple

from starlette.types import Scope

from projections.http.problems import Problem
from projections.http.rates import Rate, Rates
from projections.http.scopes import ANYONE, Asker
from projections.http.token_store import Keeping, Token, is_kept, open_keeping
from replay.store.opening import open_store

KNOWN_SECONDS: Final = 1
"""How long a token or session is cached: a revocation holds after that."""
HELD_SECONDS: Final = 1
"""How long a request waits for what another process holds of the tables: meanwhile it keeps a thread from others."""
KNOWN_MAX: Final = 10_000
SESSION_COOKIE: Final = "levelbook_session"
SECRET_CHARS_MAX: Final = 200
_log = logging.getLogger("levelbook.service")


class KnownToken(NamedTuple):
    """A token as it was found a moment ago; None: there is no such."""

    token: Token | None
    until: float


class ShownSecret(NamedTuple):
    """What a request shows of its caller."""

    secret: str
    is_session: bool


class Askers:
    """Who may ask; for every thread of a process."""

    def __init__(self, location: str, *, needs_token: bool) -> None:
        self._location = location
        self._needs_token = needs_token
        self._keeping: Keeping | None = None
        self._was_open = False
        self._lock = Lock()
        self._known: dict[ShownSecret, KnownToken] = {}
        self._rates = Rates()

    def keeping(self) -> Keeping:
        """The tables of tokens, sessions and accesses; opened at the first need, and anew where the file was replaced.

        Raises StoreError where the file was removed since.
        """
        with self._lock:
            if self._keeping is not None and not self._keeping.is_current():
                _log.warning("the file of tokens and accesses was removed or replaced; it is read anew")
                self._let_go()
            if self._keeping is None:
                with open_store(self._location) as store:
                    opened = open_keeping(store, make_file=not self._was_open, busy_seconds=HELD_SECONDS)
                try:
                    opened.check_definitions()
                except BaseException:
                    opened.close()
                    raise
                self._keeping = opened
                self._was_open = True
            return self._keeping

    def check(self) -> None:
        """Raises StoreError where who shows a token could not be found now."""
        keeping = self.keeping() if self._needs_token else self._kept()
        if keeping is not None:
            keeping.check()

    def known(self, shown: ShownSecret | None) -> Asker | None:
        """The caller, as far as the cache knows; None: `look_up` finds out."""
        if shown is None:
            if self._needs_token:
                raise _no_token()
            return ANYONE
        found = self._known.get(shown)
        if found is None or found.until < monotonic():
            return None
        return self._asker(shown, found.token)

    def look_up(self, shown: ShownSecret) -> Asker:
        """The caller, from the tables. Raises Problem for a token or session that does not hold."""
        return self._asker(shown, self._find(shown))

    def holds(self, shown: ShownSecret | None) -> bool:
        """Whether who was let in would be still, without counting it as a request: for answers without an end."""
        if shown is None or (shown.is_session and not self._needs_token):
            return True
        found = self._known.get(shown)
        return (self._find(shown) if found is None or found.until < monotonic() else found.token) is not None

    def forget(self, shown: ShownSecret) -> None:
        self._known.pop(shown, None)

    def close(self) -> None:
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._keeping is not None:
            self._keeping.close()
            self._keeping = None
        self._known.clear()

    def _kept(self) -> Keeping | None:
        """The tables where there are any; where there are none, and perhaps may not be made, nobody has a token."""
        if self._keeping is None and not self._was_open:
            with open_store(self._location) as store:
                if not is_kept(store):
                    return None
        return self.keeping()

    def _find(self, shown: ShownSecret) -> Token | None:
        found, keeping = None, self._kept()
        if keeping is not None:
            secret = shown.secret
            found = keeping.token_of_session(secret, now()) if shown.is_session else keeping.token_of(secret)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[shown] = KnownToken(found, monotonic() + KNOWN_SECONDS)
        return found

    def _asker(self, shown: ShownSecret, token: Token | None) -> Asker:
        if token is None and shown.is_session and not self._needs_token:
            return ANYONE  # a session of before, where none is needed
        if token is None:
            raise _wrong_token()
        rate, wait = self._rates.count(token.number, token.per_minute)
        if wait:
            raise _too_often(rate, wait)
        return Asker(token.number, token.scopes, rate)


def now() -> int:
    return time_ns() // 1_000


def shown_by(scope: Scope) -> ShownSecret | None:
    """The token or, where there is none, the session that a request shows. Raises Problem for another form."""
    cookie = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            token = token.strip()
            if kind.lower() != "bearer" or not token or len(token) > SECRET_CHARS_MAX:
                raise _wrong_token()
            return ShownSecret(token, False)
        if name == b"cookie":
            cookie += f"{value.decode('latin-1')};"
    secret = session_in(cookie) if SESSION_COOKIE in cookie else ""
    return ShownSecret(secret, True) if secret else None


def session_in(cookie: str) -> str:
    try:
        found = SimpleCookie(cookie).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return "" if found is None or len(found.value) > SECRET_CHARS_MAX else found.value


def _no_token() -> Problem:
    detail = (
        "show a token as 'Authorization: Bearer …'; 'levelbook token new' makes one, a browser signs in at the"
        " service's page login"
    )
    return Problem(
        401,
        "no-token",
        "A token is needed",
        detail,
        field="Authorization",
        headers={"WWW-Authenticate": 'Bearer realm="levelbook"'},
    )


def _wrong_token() -> Problem:
    detail = "the token or session that was shown is unknown, revoked or has ended; show another, or sign in again"
    return Problem(
        401,
        "wrong-token",
        "The token does not hold",
        detail,
        field="Authorization",
        headers={"WWW-Authenticate": 'Bearer realm="levelbook", error="invalid_token"'},
    )


def _too_often(rate: Rate, wait: int) -> Problem:
    detail = f"the token may ask {rate.per_minute} times a minute; ask again in {wait} s"
    told = {name.decode(): value.decode() for name, value in rate.headers()}
    return Problem(429, "too-often", "Asked too often", detail, headers={"Retry-After": str(wait), **told})
