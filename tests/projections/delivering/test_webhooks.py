"""One request: signed so that a library of others accepts it, to an address that was looked at, within bounds."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS
from projections.delivering.attempts import delay_micros, is_given_up, retry_after_micros
from projections.delivering.endpoints import Endpoint, new_endpoint
from projections.delivering.messages import Message
from projections.delivering.sending import Sent
from projections.delivering.signing import new_secret, secret_in_file
from projections.delivering.webhooks import ANSWER_BYTES_MAX, Patience, WebhookSender
from replay.errors import UsageError
from tests.support.receiving import Answer, receiving

DATA = {"subject": "merchant/店", "scheme": "merchant-tier", "level": None}
MESSAGE = Message("3fa9-0-7", "levelbook.level.changed", "2022-12-01T00:00:00+08:00", DATA, 7, "urn:levelbook:x")
SECRET = new_secret()
BEYOND_DATES = ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +999999999999")
QUICK = Patience(connect=1, answer=0.3, whole=0.6)


def now() -> int:
    return time.time_ns() // 1_000


def endpoint(url: str, ca_file: Path | None = None, *, allow_private: bool = True) -> Endpoint:
    return new_endpoint(
        url,
        (),
        allow_private=allow_private,
        allow_http=url.startswith("http:"),
        ca_file=None if ca_file is None else str(ca_file),
        properties=None,
        made_at=0,
    )


def sent(url: str, **options: object) -> Sent:
    sender = WebhookSender(endpoint(url), **options)  # type: ignore[arg-type]
    try:
        return sender.send([MESSAGE], [SECRET], now())
    finally:
        sender.close()


def _usage(is_authority: bool) -> x509.KeyUsage:
    """What later Pythons ask of a certificate."""
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    others = dict.fromkeys((*names, "decipher_only"), False)
    return x509.KeyUsage(digital_signature=True, key_cert_sign=is_authority, crl_sign=is_authority, **others)


class Authority:
    """An authority of one's own, with a certificate of a name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / "ca.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.file.write_bytes(self._certificate("authority", self._key, is_authority=True))
        key = ec.generate_private_key(ec.SECP256R1())
        chain = folder / f"{name}.pem"
        chain.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + self._certificate(name, key)
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)

    def _certificate(self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False) -> bytes:
        at = datetime.now(UTC)
        try:
            named: x509.GeneralName = x509.IPAddress(ip_address(name))
        except ValueError:
            named = x509.DNSName(name)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(self._own)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(days=1))
            .not_valid_after(at + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([named]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(is_authority), critical=True)
        )
        return made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    yield Authority(tmp_path, "receiver.example")


@contextmanager
def closing(tls: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """Answers one request on each connection as if it were kept, then closes it."""
    came: list[bytes] = []

    def serve() -> None:
        for _ in range(3):
            connection, _ = server.accept()
            with connection if tls is None else tls.wrap_socket(connection, server_side=True) as opened:
                came.append(opened.recv(65_536))
                while b'"data"' not in came[-1]:
                    came[-1] += opened.recv(65_536)
                opened.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        thread.join(5)


def test_a_request_is_accepted_by_the_library_of_the_standard() -> None:
    other = new_secret()
    with receiving() as receiver:
        sender = WebhookSender(endpoint(receiver.url))
        assert sender.send([MESSAGE], [SECRET, other], now()) == Sent(1)
        assert sender.send([MESSAGE], [SECRET], now()) == Sent(1)
        sender.close()
    both, one = receiver.got
    assert Webhook(SECRET).verify(both.body, dict(both.headers)) == {
        "type": "levelbook.level.changed",
        "timestamp": "2022-12-01T00:00:00+08:00",
        "data": DATA,
    }
    assert Webhook(other).verify(both.body, dict(both.headers)) == json.loads(one.body)
    assert both.headers["host"] == receiver.url.split("/")[2] and both.id == one.id == "3fa9-0-7"
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(one.body, dict(one.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(one.body + b" ", dict(one.headers))


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("is_tls", [False, True])
def test_a_receiver_that_closes_a_connection_at_rest_fails_nothing(
    is_late: bool, is_tls: bool, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it closes while the request is on its way, so that no look at the connection could tell."""
    with closing(authority.context if is_tls else None) as (port, came):
        url = f"https://receiver.example:{port}/" if is_tls else f"http://127.0.0.1:{port}/"
        target = endpoint(url, authority.file if is_tls else None)
        sender = WebhookSender(target, lambda *_: ["127.0.0.1"])
        if is_late:
            monkeypatch.setattr("projections.delivering.webhooks._is_at_rest", lambda _: True)
        for _ in range(3):
            assert sender.send([MESSAGE], [SECRET], now()) == Sent(1)
            time.sleep(0.05)
        sender.close()
    assert [request.count(b"webhook-id: 3fa9-0-7") for request in came] == [1, 1, 1]


def test_a_new_connection_that_breaks_is_not_tried_twice() -> None:
    with receiving(lambda _: None) as receiver:
        assert sent(receiver.url).problem == "the endpoint broke off (RemoteDisconnected)"
        assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with receiving() as elsewhere, receiving(lambda _: Answer(status, {"Location": elsewhere.url})) as receiver:
        found = sent(receiver.url)
    assert found.problem == f"the endpoint answered {status}, which leads elsewhere: redirects are not followed"
    assert len(receiver.got) == 1 and elsewhere.got == []


def test_what_an_answer_says_is_understood() -> None:
    with receiving(lambda _: Answer(410)) as receiver:
        assert sent(receiver.url) == Sent(0, "the endpoint answered 410", is_gone=True)
    with receiving(lambda _: Answer(503, {"Retry-After": "120"})) as receiver:
        assert sent(receiver.url) == Sent(0, "the endpoint answered 503", asked_micros=120 * SECOND_MICROS)
    with receiving(lambda _: None) as receiver:
        assert sent(receiver.url).problem == "the endpoint broke off (RemoteDisconnected)"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert sent(f"http://127.0.0.1:{port}/").problem == "the endpoint cannot be reached: Connection refused"


def test_of_a_huge_answer_no_more_is_read_than_may_be() -> None:
    with receiving(lambda _: Answer(200, body=b"x" * (50 * ANSWER_BYTES_MAX))) as receiver:
        sender = WebhookSender(endpoint(receiver.url))
        began = time.monotonic()
        assert [sender.send([MESSAGE], [SECRET], now()) for _ in range(3)] == [Sent(1)] * 3
        assert time.monotonic() - began < 5 and len(receiver.got) == 3
        sender.close()


@pytest.mark.parametrize("dripping", [b"", b"HTTP/1.1 200 OK\r\nX-Endless: "])
@pytest.mark.slow
def test_who_takes_too_long_is_cut_off(dripping: bytes) -> None:
    """Also where something comes again and again."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(dripping)
            for _ in range(100):
                time.sleep(0.05)
                try:
                    if dripping:
                        connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        began = time.monotonic()
        found = sent(f"http://127.0.0.1:{server.getsockname()[1]}/", patience=QUICK)
        took = time.monotonic() - began
        thread.join()
    assert found == Sent(problem="the endpoint took too long") and 0.25 < took < 3


def test_a_name_that_leads_elsewhere_after_it_was_looked_at_changes_nothing() -> None:
    """The address that was looked at is the one that is connected to; the next connection looks again."""
    answers = iter([["127.0.0.1"], ["127.0.0.1", "169.254.169.254"]])
    with receiving() as receiver:
        port = receiver.url.rsplit(":", 1)[1].split("/")[0]
        target = endpoint(f"http://receiver.example:{port}/levels")
        sender = WebhookSender(target, lambda *_: next(answers), Patience(kept=-1))
        assert sender.send([MESSAGE], [SECRET], now()) == Sent(1)
        found = sender.send([MESSAGE], [SECRET], now())
        assert found.problem == "receiver.example leads to 169.254.169.254, which is link-local: nothing is sent there"
        assert len(receiver.got) == 1 and receiver.got[0].headers["host"] == f"receiver.example:{port}"
        sender.close()
        public = endpoint(f"http://receiver.example:{port}/levels", allow_private=False)
        found = WebhookSender(public, lambda *_: ["127.0.0.1"]).send([MESSAGE], [SECRET], now())
        assert (
            found.problem is not None and "which is loopback: nothing is sent there; --allow-private" in found.problem
        )


def test_a_certificate_must_be_of_the_name_and_of_an_authority_that_is_trusted(authority: Authority) -> None:
    with receiving(tls=authority.context) as receiver:
        port = receiver.url.rsplit(":", 1)[1].split("/")[0]

        def sent_to(name: str, ca_file: Path | None) -> Sent:
            sender = WebhookSender(endpoint(f"https://{name}:{port}/levels", ca_file), lambda *_: ["127.0.0.1"])
            try:
                return sender.send([MESSAGE], [SECRET], now())
            finally:
                sender.close()

        assert sent_to("receiver.example", authority.file) == Sent(1)
        refused = "the certificate of the endpoint is not accepted: "
        other, unknown = sent_to("other.example", authority.file), sent_to("receiver.example", None)
        assert other.problem is not None and other.problem.startswith(f"{refused}Hostname mismatch")
        assert unknown.problem is not None and unknown.problem.startswith(refused)
    assert len(receiver.got) == 1
    authority.file.unlink()
    assert sent_to("receiver.example", authority.file).problem == (
        f"the authorities in {authority.file} cannot be read: No such file or directory"
    )


# --- attempts and secrets ---------------------------------------------------------------------------------------------


def test_delays_grow_to_an_hour_and_are_never_alike() -> None:
    random = Random(3)
    delays = [delay_micros(failures, random) for failures in range(1, 40)]
    for failures, delay in enumerate(delays, 1):
        whole = min(5 * 2 ** (failures - 1), 3_600) * SECOND_MICROS
        assert 0.8 * whole <= delay <= 1.2 * whole
    assert len(set(delays)) == len(delays)
    assert delay_micros(1, random, HOUR_MICROS) == HOUR_MICROS
    assert delay_micros(1, random, 9 * DAY_MICROS) == DAY_MICROS


def test_what_a_receiver_asks_for_is_understood_and_bounded() -> None:
    at = int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()) * SECOND_MICROS
    assert retry_after_micros("7", at) == 7 * SECOND_MICROS
    assert retry_after_micros("Mon, 30 Nov 2026 12:00:30 GMT", at) == 30 * SECOND_MICROS
    assert retry_after_micros("Mon, 30 Nov 2026 11:00:00 GMT", at) == 0
    assert retry_after_micros("99999999999999999999", at) == DAY_MICROS
    for nothing in (None, "", "-1", "soon", "１", "Mon, 99 Nov 2026 11:00:00 GMT", *BEYOND_DATES):
        assert retry_after_micros(nothing, at) is None


@pytest.mark.parametrize("value", BEYOND_DATES)
def test_nothing_that_a_receiver_writes_escapes(value: str) -> None:
    with receiving(lambda _: Answer(503, {"Retry-After": value})) as receiver:
        assert sent(receiver.url) == Sent(problem="the endpoint answered 503")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 999999999999999999999 x\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\xff\x00\r\n\r\n",
        b"HTTP/1.1 500 \xff\r\nRetry-After: \xff\xfe\r\nContent-Length: -7\r\n\r\n",
        b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n\xff",
        b"HTTP/1.1 200 x\r\nContent-Length: 9999999999999999999999999999\r\n\r\nx",
        b"HTTP/1.1 500 x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
)
def test_an_answer_of_any_bytes_comes_to_something(answer: bytes) -> None:
    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        found = sent(f"http://127.0.0.1:{server.getsockname()[1]}/", patience=QUICK)
        thread.join()
    assert (found.arrived == 1) == (answer.startswith(b"HTTP/1.1 200 x")) and found.asked_micros is None


def test_an_endpoint_is_given_up_after_days_and_some_attempts() -> None:
    assert not is_given_up(1_000, 0, 5 * DAY_MICROS - 1, 5)
    assert is_given_up(10, 0, 5 * DAY_MICROS, 5)
    assert not is_given_up(9, 0, 50 * DAY_MICROS, 5), "the machine was off"


def test_a_secret_of_a_file_is_taken_where_it_is_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    assert secret_in_file(path) == SECRET
    for text in ("", "whsec_", "whsec_c2hvcnQ=", "whsec_店", SECRET.removeprefix("whsec_"), f"{SECRET}!", "x" * 9_000):
        path.write_text(text)
        with pytest.raises(UsageError, match="holds no secret of a webhook: whsec_ and the base64 of 24 to 64 bytes"):
            secret_in_file(path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://x.example/", "an endpoint cannot be of ftp://: give https://host/path, or kafka:"),
        ("x.example/levels", "an endpoint cannot be of a URL without scheme: give https://host/path"),
        ("https:///levels", "an endpoint cannot be of https://: give https://host/path"),
        ("https://x.example:99999/", "the URL of an endpoint cannot be read: Port out of range"),
        ("https://u:p@x.example/", "the URL of an endpoint has a user, a password or a fragment in it"),
        ("https://x.example/#a", "the URL of an endpoint has a user, a password or a fragment in it"),
        ("https://店.example/", "the URL of an endpoint is of 1 to 2000 ASCII characters without blanks"),
        ("https://x.example/a b", "the URL of an endpoint is of 1 to 2000 ASCII characters without blanks"),
        ("https://10.0.0.1/", "10.0.0.1 is private: nothing is sent there; give an address of the public network, or"),
        ("https://[::1]/", "::1 is loopback: nothing is sent there"),
        ("https://169.254.169.254/", "169.254.169.254 is link-local: nothing is sent there; give an address of the"),
        ("kafka://broker/levels", "the URL of a topic has another form: give kafka://broker:9092/topic"),
        ("https://x.example:0/", "the URL of an endpoint has port 0, on which nobody listens; give the receiver's"),
        ("https://[fd00:ec2::254]/", "fd00:ec2::254 is of a cloud's metadata: nothing is sent there"),
        ("kafka://broker:0/levels", "the URL of a topic has another form: give kafka://broker:9092/topic"),
        ("kafka://broker:65536/levels", "the URL of a topic has another form: give kafka://broker:9092/topic"),
        ("kafka://broker:9092/", "the URL of a topic has another form: give kafka://broker:9092/topic"),
        ("kafka://broker:9092/levels", "a topic holds the levels of one scheme, for its key is the subject"),
    ],
)
def test_an_endpoint_that_nothing_may_be_sent_to_is_refused(url: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint(url, allow_private=False)
    assert str(caught.value).startswith(why), caught.value


def test_what_is_not_of_its_kind_is_refused(tmp_path: Path) -> None:
    def refused(url: str, *schemes: str, **asked: object) -> str:
        options = {"allow_private": False, "allow_http": False, "ca_file": None, "properties": None, "made_at": 0}
        with pytest.raises(UsageError) as caught:
            new_endpoint(url, schemes, **(options | asked))  # type: ignore[arg-type]
        return str(caught.value)

    assert "a webhook by http:// is read and altered by whoever is between" in refused("http://x.example/")
    assert "--ca-file is of https; a webhook by http://" in refused("http://x.example/", allow_http=True, ca_file="a")
    assert "--properties is of topics; leave it out" in refused("https://x.example/", properties="a")
    topic = "kafka://b:9092/t"
    assert "--ca-file, --allow-http and --allow-private are of webhooks" in refused(topic, "merchant-tier", ca_file="a")
    assert "a topic holds the levels of one scheme" in refused(topic, "merchant-tier", "creator-level")
