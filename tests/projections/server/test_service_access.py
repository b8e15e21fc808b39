"""Who may ask the service, how often, and what is written down of it."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from projections.http import authentication as askers
from projections.http import rates, streams
from projections.http.scopes import DECISIONS, EXPLANATIONS, LEVELS, SCOPES
from projections.http.settings import Settings
from projections.http.token_store import SESSION_MICROS, Keeping, Token, open_keeping, service_path
from projections.server.login import safe_page
from replay.errors import StoreError, UsageError
from replay.store.base.store import Store
from replay.store.location import is_postgres
from replay.store.opening import open_store
from replay.store.sqlite import SqliteStore
from tests.support.running import run
from tests.support.serving import demo_ledger, serving

LEVEL = "/v1/subjects/merchant/tea-house/levels/merchant-reputation"
EXPLANATION = "/v1/subjects/merchant/tea-house/explanation"
OTHERS = {DECISIONS: "/v1/subjects/merchant/tea-house/decisions", EXPLANATIONS: EXPLANATION, LEVELS: LEVEL}
NOW = 1_700_000_000_000_000


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("access")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture
def keeping(ledger: str) -> Iterator[Keeping]:
    with open_store(ledger) as store, open_keeping(store) as found:
        yield found


@pytest.fixture
def client(ledger: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A service that asks for tokens and looks at them anew each time."""
    monkeypatch.setattr(askers, "KNOWN_SECONDS", -1)
    with serving(Settings(ledger, token_required=True)) as found:
        yield found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_tokens_are_kept_as_hashes_on_both_databases(store: Store, location: str) -> None:
    with open_keeping(store) as keeping:
        number, token = keeping.new_token("w", [LEVELS, LEVELS], 60, NOW)
        assert re.fullmatch("levelbook_[A-Za-z0-9_-]{43}", token)
        assert keeping.tokens() == [Token(number, "w", frozenset({LEVELS}), 60, NOW, None)]
        found = keeping.token_of(token)
        assert found is not None and found.number == number and keeping.token_of(token[:-1]) is None
        secret = keeping.begin_session(found, NOW)
        assert keeping.token_of_session(secret, NOW + SESSION_MICROS - 1) == found
        assert keeping.token_of_session(secret, NOW + SESSION_MICROS) is None
        keeping.note_access(NOW, number, "explanation", "merchant/m-1", None)
        keeping.note_access(NOW, None, "diff", "merchant/m-2", "merchant-tier")
        assert [access.subject for access in keeping.accesses(None)] == ["merchant/m-1", "merchant/m-2"]
        assert [access.what for access in keeping.accesses("merchant/m-2")] == ["diff"]
        assert keeping.revoke(number, NOW).revoked_at is None and keeping.revoke(number, NOW + 1).revoked_at == NOW
        assert keeping.token_of(token) is None and keeping.token_of_session(secret, NOW) is None
        with pytest.raises(UsageError, match="there is no token 99; 'levelbook token list' shows them"):
            keeping.revoke(99, NOW)
    for statement in ("UPDATE {}accesses SET subject = 'x'", "DELETE FROM {}accesses"):
        with pytest.raises((sqlite3.Error, psycopg.Error), match="accesses are append only"):
            execute(store, location, statement)
    assert token not in everything_kept(store, location) and secret not in everything_kept(store, location)


def execute(store: Store, location: str, statement: str) -> list[tuple[object, ...]]:
    """What somebody with a database shell could do."""
    if is_postgres(location):
        with psycopg.connect(location) as connection:
            done = connection.execute(statement.format("levelbook_service.").encode())
            return done.fetchall() if done.description else []
    assert isinstance(store, SqliteStore)
    opened = sqlite3.connect(service_path(store))
    try:
        return opened.execute(statement.format("")).fetchall()
    finally:
        opened.close()


def everything_kept(store: Store, location: str) -> str:
    return str([execute(store, location, f"SELECT * FROM {{}}{table}") for table in ("tokens", "sessions", "accesses")])


def test_the_commands_make_list_and_revoke_tokens(ledger: str) -> None:
    made = json.loads(run("token", "new", "--name", "w", "--scope", LEVELS, "--store", ledger, "--format", "json"))
    listed = json.loads(run("token", "list", "--store", ledger, "--format", "json"))
    assert listed[-1]["token"] == made["token"] and listed[-1]["scopes"] == [LEVELS]
    assert made["secret"] not in run("token", "list", "--store", ledger)
    told = run("token", "new", "--name", "all", "--store", ledger)
    assert told.startswith("levelbook_") and "shown this once" in told
    assert "is revoked\n" in run("token", "revoke", str(made["token"]), "--store", ledger)
    assert "is revoked; it was before" in run("token", "revoke", str(made["token"]), "--store", ledger)
    assert json.loads(run("token", "list", "--store", ledger, "--format", "json"))[0]["revoked_at"] is not None
    assert "revoked 20" in run("token", "list", "--store", ledger)
    run("token", "new", "--name", "w", "--scope", "levels:write", "--store", ledger, status=2)
    with closing(SqliteStore(Path(ledger))) as store:
        assert service_path(store).stat().st_mode & 0o777 == 0o600


def test_a_token_is_asked_for_and_reaches_as_far_as_its_scopes(client: TestClient, keeping: Keeping) -> None:
    refused = client.get(LEVEL)
    assert refused.status_code == 401 and refused.headers["WWW-Authenticate"] == 'Bearer realm="levelbook"'
    for wrong in ("Bearer levelbook_nobody", "Basic eDp5", "Bearer ", f"Bearer {'x' * 300}"):
        assert client.get(LEVEL, headers={"Authorization": wrong}).status_code == 401
    for scope, path in OTHERS.items():
        number, token = keeping.new_token("w", [scope], 100, NOW)
        for needed, other in OTHERS.items():
            answer = client.get(other, headers=bearer(token))
            assert answer.status_code == (200 if needed == scope else 403), (needed, scope)
        assert f"a token with the scope {scope}" in client.get(path, headers=bearer(other_token(keeping, scope))).text
        keeping.revoke(number, NOW)
        assert client.get(path, headers=bearer(token)).status_code == 401
    for path in ("/healthz", "/readyz", "/login", "/openapi.json"):
        assert client.get(path).status_code in (200, 503)
    for path in ("/metrics", "/docs", "/nothing"):
        assert client.get(path).status_code == 401


def other_token(keeping: Keeping, scope: str) -> str:
    return keeping.new_token("w", [other for other in SCOPES if other != scope], 100, NOW)[1]


def test_a_token_that_is_known_is_looked_at_again(
    ledger: str, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(askers, "KNOWN_SECONDS", 60)
    number, token = keeping.new_token("w", [LEVELS], 100, NOW)
    looked: list[str] = []
    find = Keeping.token_of

    def looking(self: Keeping, secret: str) -> Token | None:
        looked.append(secret)
        return find(self, secret)

    monkeypatch.setattr(Keeping, "token_of", looking)
    with serving(Settings(ledger, token_required=True)) as client:
        for _ in range(3):
            assert client.get(LEVEL, headers=bearer(token)).status_code == 200
        assert looked == [token]
        monkeypatch.setattr(askers, "monotonic", lambda: 1e12)
        keeping.revoke(number, NOW)
        assert client.get(LEVEL, headers=bearer(token)).status_code == 401


def test_a_token_may_ask_so_often_and_no_more(
    client: TestClient, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [1e6]
    for module in (askers, rates):
        monkeypatch.setattr(module, "monotonic", lambda: at[0])
    _, token = keeping.new_token("w", [LEVELS], 3, NOW)
    told = [client.get(LEVEL, headers=bearer(token)).headers for _ in range(4)]
    assert {headers["RateLimit-Policy"] for headers in told} == {'"token";q=3;w=60'}
    left = [f'"token";r={left};t={full}' for left, full in ((2, 21), (1, 41), (0, 61), (0, 61))]
    assert [headers["RateLimit"] for headers in told] == left
    assert "RateLimit" not in client.get("/healthz").headers
    at[0] += 60
    assert [client.get(LEVEL, headers=bearer(token)).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get(LEVEL, headers=bearer(token))
    assert refused.headers["Retry-After"] == "21" and "3 times a minute" in refused.json()["detail"]
    at[0] += 20
    assert [client.get(LEVEL, headers=bearer(token)).status_code for _ in range(2)] == [200, 429]
    at[0] += 10_000
    assert [client.get(LEVEL, headers=bearer(token)).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_stream_ends_with_the_token_that_it_was_begun_with(
    client: TestClient, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0)
    number, token = keeping.new_token("w", [LEVELS], 1, NOW)
    looked: list[int] = []

    def is_stopping() -> bool:
        looked.append(number)
        if len(looked) == 3:
            keeping.revoke(number, NOW)
        return len(looked) > 10

    assert isinstance(client.app, Starlette)
    client.app.state.streams.is_stopping = is_stopping
    answer = client.get("/v1/changes", headers=bearer(token) | {"Accept": "text/event-stream"})
    assert answer.status_code == 200 and "event: levelbook.level.changed" in answer.text
    assert 3 <= len(looked) < 10, "it is looked at again, and nothing of it counts as a request"


def test_on_loopback_no_token_is_needed_but_a_wrong_one_is_refused(ledger: str, keeping: Keeping) -> None:
    with serving(Settings(ledger)) as client:
        assert client.get(EXPLANATION).status_code == 200
        assert client.get(LEVEL, headers=bearer("nobody")).status_code == 401
        _, token = keeping.new_token("w", [LEVELS], 100, NOW)
        assert client.get(EXPLANATION, headers=bearer(token)).status_code == 403
        for _ in range(2):  # the second time it is known that the session has ended
            assert client.get(LEVEL, headers={"Cookie": "levelbook_session=of-before; other=1"}).status_code == 200


# --- browsers ---------------------------------------------------------------------------------------------------------


def test_a_browser_exchanges_a_token_for_a_session(client: TestClient, keeping: Keeping) -> None:
    people = {"Accept": "text/html"}
    sent = client.get("/?a=b&c", headers=people)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/login?next=/%3Fa%3Db%26c")
    assert 'value="/?a=b&amp;c"' in client.get(sent.headers["Location"], headers=people).text
    wrong = client.post("/login", data={"token": "nobody", "next": "/"})
    assert wrong.status_code == 401 and "unknown or revoked" in wrong.text and "Set-Cookie" not in wrong.headers
    number, token = keeping.new_token("w", [LEVELS], 100, NOW)
    signed = client.post("/login", data={"token": f" {token} ", "next": "//evil.example"})
    assert (signed.status_code, signed.headers["Location"]) == (303, "/")
    cookie = signed.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and token not in cookie
    assert client.get("/", headers=people).status_code == 200
    assert client.get(LEVEL).status_code == 200 and client.get(EXPLANATION).status_code == 403
    assert client.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    held = dict(client.cookies)
    assert client.post("/logout").status_code == 303 and not client.cookies
    client.cookies.update(held)
    assert client.get(LEVEL).status_code == 401, "the session has ended, whoever kept the cookie"
    client.cookies.clear()
    client.post("/login", data={"token": token})
    assert client.get(LEVEL).status_code == 200
    keeping.revoke(number, NOW)
    assert client.get(LEVEL).status_code == 401


def test_behind_tls_cookies_are_for_https_alone(ledger: str, client: TestClient, keeping: Keeping) -> None:
    _, token = keeping.new_token("w", [LEVELS], 100, NOW)
    plain = client.post("/login", data={"token": token})
    assert "Secure" not in plain.headers["Set-Cookie"] and "Strict-Transport-Security" not in plain.headers
    for told in ({"tls_by_proxy": True}, {"tls_certificate": Path("cert.pem"), "tls_key": Path("key.pem")}):
        with serving(Settings(ledger, token_required=True)._replace(**told)) as behind:
            signed = behind.post("/login", data={"token": token})
        assert "; Secure" in signed.headers["Set-Cookie"]
        assert signed.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_no_other_site_signs_a_browser_in(client: TestClient, keeping: Keeping) -> None:
    _, token = keeping.new_token("w", [LEVELS], 100, NOW)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post("/login", data={"token": token}, headers=headers)
        assert answer.status_code == 403 and "Set-Cookie" not in answer.headers
    assert client.post("/login", data={"token": token}, headers={"Origin": "http://127.0.0.1:8020"}).status_code == 303
    assert client.post("/login", content=b"token=" + b"x" * 5_000).status_code == 413
    assert client.post("/login", content=b"a=1&" * 20).status_code == 400


@pytest.mark.parametrize("page", ["//evil", "/\\evil", "https://evil", "evil", "", "/a\r\nSet-Cookie: x", "/ä"])
def test_signing_in_leads_to_no_other_site(page: str) -> None:
    assert safe_page(page) == "/"
    assert safe_page("/merchants/m-1?month=2022-11") == "/merchants/m-1?month=2022-11"


# --- what is written down ---------------------------------------------------------------------------------------------


def test_every_explanation_that_is_asked_for_is_written_down(client: TestClient, keeping: Keeping, ledger: str) -> None:
    before = len(keeping.accesses(None))
    number, token = keeping.new_token("w", SCOPES, 100, NOW)
    base = "/v1/subjects/merchant/tea-house"
    for path in ("explanation?limit=1", "diff?as_of=2022-11-30&known_at=2022-12-17", "events?limit=1"):
        assert client.get(f"{base}/{path}", headers=bearer(token)).status_code == 200
    assert client.get(LEVEL, headers=bearer(token)).status_code == 200
    found = [(item.token, item.what, item.subject, item.scheme) for item in keeping.accesses(None)[before:]]
    assert found == [
        (number, "explanation", "merchant/tea-house", "merchant-reputation"),
        (number, "diff", "merchant/tea-house", "merchant-reputation"),
        (number, "events", "merchant/tea-house", None),
    ]
    told = json.loads(run("accesses", "merchant/tea-house", "--store", ledger, "--format", "json"))
    assert [item["what"] for item in told[-3:]] == ["explanation", "diff", "events"]
    rows = [re.split(r" {2,}", row)[1:] for row in run("accesses", "--store", ledger).splitlines()]
    assert [f"token {number}", "diff", "merchant/tea-house", "merchant-reputation"] in rows


def test_what_cannot_be_written_down_is_not_told(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise StoreError("what the service keeps cannot be used: disk full")

    monkeypatch.setattr(Keeping, "note_access", fails)
    with serving(Settings(ledger)) as client:
        answer = client.get(EXPLANATION)
        assert answer.status_code == 503 and "disk full" in answer.json()["detail"]
        assert client.get(LEVEL).status_code == 200


def test_no_secret_is_logged(client: TestClient, keeping: Keeping, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    _, token = keeping.new_token("w", SCOPES, 100, NOW)
    client.get(f"{LEVEL}?token={token}", headers=bearer(token))
    client.post("/login", data={"token": token})
    client.get(LEVEL)
    client.get("/nothing", headers=bearer(token))
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not any(token in text for text in ours)


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path, ledger: str) -> None:
    with open_store(ledger) as store:
        assert isinstance(store, SqliteStore)
        store.path = tmp_path / "ledger.db"
        service_path(store).write_bytes(b"nothing of the kind" * 1_000)
        with pytest.raises(
            StoreError, match=r"what the service keeps beside .* cannot be used: file is not a database"
        ):
            open_keeping(store)
        store.path = tmp_path / "nowhere" / "ledger.db"
        with pytest.raises(StoreError, match=r"what the service keeps, .*, cannot be written: No such file"):
            open_keeping(store)
