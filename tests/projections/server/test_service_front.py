"""How the service stands behind proxies and names, and what of a request it takes as it came."""

import asyncio
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from marshmallow import fields
from starlette.testclient import TestClient

from projections.api.operations import Operation
from projections.api.routes import OPERATIONS
from projections.desk.pages import PAGES
from projections.http.parameters import InstantParameter
from projections.http.scopes import SCOPES
from projections.http.settings import Settings, check_settings
from projections.http.token_store import open_keeping
from replay.errors import UsageError
from replay.store.opening import create_store, open_store
from tests.support.disputes import disputed_ledger
from tests.support.making import ingest_events, paid
from tests.support.running import run
from tests.support.serving import one_of_each_form, serving

TLS = Path(__file__).parent / "tls"
HTML = {"Accept": "text/html"}
TEA_HOUSE = "/v1/subjects/merchant/tea-house"
NOW = re.compile(r'20(2[6-9]|[3-9][0-9])-[0-9-]{5}T[0-9:.]+|"lag_seconds":[0-9]+')
"""What differs between two answers because time goes on."""
PREFIX = "/audit/levels"
PARTS = {"kind": "merchant", "id": "tea-house", "scheme": "merchant-reputation", "form": "txt"}
PARTS |= {"board": "growth", "month": "2023-04", "recorded": "1", "report": "ab" * 32}


@pytest.fixture(scope="module")
def disputed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("front")
    disputed_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(disputed: str) -> Iterator[TestClient]:
    with serving(Settings(disputed)) as found:
        yield found


# --- what came --------------------------------------------------------------------------------------------------------


def test_a_request_that_names_two_hosts_is_refused(client: TestClient) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    def status_of(*hosts: bytes) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", host) for host in hosts]
        scope = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "headers": headers}
        asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
        return next(int(item["status"]) for item in sent if item["type"] == "http.response.start")

    assert status_of(b"localhost") == 200 and status_of(b"evil.example") == 421
    assert status_of(b"localhost", b"evil.example") == status_of(b"localhost", b"localhost") == 400


@pytest.mark.slow
def test_no_parameter_of_any_route_takes_a_control_character(client: TestClient) -> None:
    tried = 0
    sending = {item.path for item in OPERATIONS if item.body is not None}
    for told in (*OPERATIONS, *PAGES):
        ask = partial(client.post, json={"events": []}) if told.path in sending else client.get
        for name, field in told.query().fields.items():
            for sent in ("a%00b", "%1b%5B31m", "a%0Ab", "%C2%85") if isinstance(field, fields.String) else ():
                answer = ask(f"{told.path.format_map(PARTS)}?{name}={sent}")
                assert answer.status_code == 400 and answer.json()["field"] == name, (told.path, name, answer.text)
                tried += 1
    assert tried > 200
    for path in ("/v1/subjects/merchant/a%00b/levels", "/subjects/merchant/a%00b", "/static/%00", "/a%00b"):
        assert client.get(path).status_code == 404


def test_what_a_cursor_holds_is_looked_at_on_both_databases(location: str, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    run("rebuild", "--store", location)
    with serving(Settings(location)) as client:
        for held in (b'["merchant/\\u0000","merchant-tier"]', b'["merchant/m\\n","x"]', b'["\\ud800","x"]'):
            cursor = urlsafe_b64encode(held).decode().rstrip("=")
            answer = client.get(f"/v1/levels?cursor={cursor}")
            assert answer.status_code == 400 and answer.json()["field"] == "cursor"
        first = client.get("/v1/levels?limit=1").json()
        assert client.get(f"/v1/levels?limit=1&cursor={first['next']}").json()["levels"], "one of its own is taken"


def test_the_plus_of_an_offset_that_came_as_a_blank_is_a_plus_again(client: TestClient) -> None:
    tried = 0
    for told in (*OPERATIONS, *PAGES):
        for name, field in told.query().fields.items():
            if not name.endswith(("as_of", "known_at", "since")) and name != "to":
                assert not isinstance(field, InstantParameter), name
                continue
            assert isinstance(field, InstantParameter), (told.path, name)
            moved = "as_of=2022-12-19&" if name == "to" else ""
            path = f"{told.path.format_map(PARTS)}?{moved}{name}=2022-12-20T12:00:00"
            ask: Callable[..., Any] = (
                partial(client.post, json={}) if isinstance(told, Operation) and told.body else client.get
            )
            meant, came = ask(f"{path}%2B08:00"), ask(f"{path}+08:00")
            taken = 404 if told.path.endswith("/evidence") else 200  # for want of a checkpoint
            assert (meant.status_code, came.status_code) == (taken, taken), came.text
            if "/v1/" in path:
                assert NOW.sub("", came.text) == NOW.sub("", meant.text)
            tried += 1
    assert tried > 15
    assert client.get(f"{TEA_HOUSE}/history?as_of=2022-12-20 08:00").status_code == 400


# --- where it stands --------------------------------------------------------------------------------------------------


def test_behind_a_proxy_with_tls_links_and_cookies_are_for_https(disputed: str, client: TestClient) -> None:
    assert "Secure" not in client.get("/?lang=zh", headers=HTML).headers["Set-Cookie"]
    assert client.get("/operations/").headers["Location"] == "http://127.0.0.1:8020/operations"
    client.cookies.clear()
    with serving(Settings(disputed, tls_by_proxy=True)) as behind:
        assert "; Secure" in behind.get("/?lang=zh", headers=HTML).headers["Set-Cookie"]
        assert behind.get("/operations/").headers["Location"] == "https://127.0.0.1:8020/operations"


def links_of(text: str) -> set[str]:
    found = re.findall(r'(?:href|src|action|hx-get)="([^"#][^"]*)"', text)
    return {link.replace("&amp;", "&") for link in found}


@pytest.mark.slow
def test_behind_a_prefix_every_link_leads_back_into_it(disputed: str) -> None:
    with serving(Settings(disputed, prefix=PREFIX)) as client:
        kept = [page.path for page in PAGES if "{form}" not in page.path and "{report}" not in page.path]
        pages = [path.format_map(PARTS) for path in kept]
        seen: set[str] = set()
        for path in (*pages, "/docs", "/login", "/nothing", "/subjects/merchant/tea-house/why?month=2022-11"):
            answer = client.get(PREFIX + path, headers=HTML)
            assert answer.status_code == (404 if path == "/nothing" else 200), answer.text
            seen |= links_of(answer.text)
        assert len(seen) > 60 and [link for link in seen if not link.startswith(f"{PREFIX}/")] == []
        for link in one_of_each_form(seen):
            expected = 405 if link.endswith("/logout") else 404 if "/nothing" in link else 200
            assert client.get(link, headers=HTML).status_code == expected, link
        assert 'aria-current="page"' in client.get(f"{PREFIX}/operations", headers=HTML).text
        assert client.get(PREFIX, headers=HTML).status_code == 200
        assert client.get(f"{PREFIX}/openapi.json").json()["servers"] == [{"url": PREFIX}]
        assert client.get(f"{PREFIX}/operations/").headers["Location"].endswith(f":8020{PREFIX}/operations")
        assert client.get(f"{PREFIX}/?kind=&q=tea").headers["Location"] == f"{PREFIX}/?q=tea"
        assert f"Path={PREFIX};" in client.get(f"{PREFIX}/?lang=zh", headers=HTML).headers["Set-Cookie"]
        assert client.get(f"{PREFIX}{TEA_HOUSE}/levels", headers=HTML).headers["Content-Type"] == "application/json"
        for beside in (f"{TEA_HOUSE}/levels", "/", "/healthz", f"{PREFIX}x/", f"{PREFIX}x"):
            assert client.get(beside).status_code == 404


def test_behind_a_prefix_people_sign_in_and_out(disputed: str) -> None:
    settings = Settings(disputed, token_required=True, prefix=PREFIX)
    with open_store(disputed) as store, open_keeping(store) as keeping, serving(settings) as client:
        _, token = keeping.new_token("w", SCOPES, 1_000, 1)
        sent = client.get(f"{PREFIX}/operations", headers=HTML)
        assert sent.headers["Location"] == f"{PREFIX}/login?next={quote(f'{PREFIX}/operations')}"
        assert client.get(sent.headers["Location"]).status_code == 200
        for page, leads in ((f"{PREFIX}/operations", f"{PREFIX}/operations"), ("/other", f"{PREFIX}/")):
            signed = client.post(f"{PREFIX}/login", data={"token": token, "next": page})
            assert signed.headers["Location"] == leads and f"Path={PREFIX};" in signed.headers["Set-Cookie"]
        for root in (PREFIX, f"{PREFIX}/"):
            assert client.get(root, headers=HTML).status_code == 200, "the cookie is for both"
        assert client.post(f"{PREFIX}/logout").headers["Location"] == f"{PREFIX}/login" and not client.cookies
        assert client.get(f"{PREFIX}/healthz").status_code == 200 and client.get("/static/desk.css").status_code == 404


@pytest.mark.parametrize("prefix", ["levels", "/levels/", "//evil", "/a b", "/a/../b", "/", "/a?b"])
def test_a_prefix_of_another_form_is_refused(prefix: str, disputed: str) -> None:
    with pytest.raises(UsageError, match="has another form; give a path that begins with"):
        check_settings(Settings(disputed, prefix=prefix))
    check_settings(Settings(disputed, prefix=PREFIX))
    assert "has another form" in run("serve", "--prefix", prefix, "--store", disputed, status=2)


# --- what it starts with ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("certificate.pem", "encrypted.pem", "--tls-key {key} is encrypted, and the service asks for no password;"),
        ("certificate.pem", "other.pem", "--tls-key {key} is not the key of --tls-certificate {certificate};"),
        ("certificate.pem", "certificate.pem", "--tls-key {key} holds no private key in PEM; name one that does"),
        ("key.pem", "key.pem", "--tls-certificate {certificate} holds no certificate in PEM; name one that does"),
        ("certificate.pem", ".", "--tls-key {key} cannot be read: Is a directory;"),
    ],
)
def test_tls_files_that_do_not_serve_are_told_by_option_and_name(
    certificate: str, key: str, told: str, disputed: str
) -> None:
    files = {"certificate": TLS / certificate, "key": TLS / key}
    options = ("--tls-certificate", str(files["certificate"]), "--tls-key", str(files["key"]))
    assert told.format_map(files) in run("serve", *options, "--store", disputed, status=2)
    check_settings(Settings(disputed, tls_certificate=TLS / "certificate.pem", tls_key=TLS / "key.pem"))


@pytest.mark.parametrize("name", ["a\x1b[31mred", "a\u202eb", "a\nb", "a\u200bb", "", "x" * 200])
def test_a_tokens_name_is_what_a_terminal_shows(name: str, disputed: str) -> None:
    told = run("token", "new", "--name", name, "--store", disputed, status=2)
    assert "characters, or holds some that are not printed; give it a name of letters" in told
    with open_store(disputed) as store, open_keeping(store) as keeping:  # as an earlier version may have kept it
        number, _ = keeping.new_token(name, SCOPES, 1, 1)
    for shown in (run("token", "list", "--store", disputed), run("token", "revoke", str(number), "--store", disputed)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]", told + shown)
    assert len(run("token", "list", "--store", disputed).splitlines()) == number
