"""Settings: flags before the environment before the file beside the store before the usual one, and no secret shown."""

import json
import os
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli import main
from projections.configuration.files import FILE_NAME
from projections.configuration.settings import CACHE_MB, Setting, settings
from replay.objects.cache import CACHE_VARIABLE, SIZE_VARIABLE
from replay.store.opening import create_store
from tests import ROOT
from tests.support.commands import commands
from tests.support.running import run

COMMANDS = dict(commands())


@pytest.fixture(autouse=True)
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in the usual place, which is not there yet; the working folder is another, and empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv(SIZE_VARIABLE, raising=False)
    (tmp_path / "home" / "levelbook").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home" / "levelbook" / FILE_NAME


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return path


def in_force(*words: str) -> dict[str, tuple[Any, str, str | None]]:
    found = json.loads(run("config", *words, "--format", "json"))
    return {row["key"]: (row["value"], row["origin"], row["by"]) for row in found["settings"]}


def read(*words: str) -> list[tuple[str, str]]:
    found = json.loads(run("config", *words, "--format", "json"))
    return [(file["path"], file["place"]) for file in found["files"] if file["read"]]


def test_a_flag_goes_before_the_environment_before_the_file_beside_before_the_usual_one(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("--store", str(tmp_path / "books" / "ledger.db"))
    assert in_force(*at)["service.port"] == (8020, "default", None)
    written(usual, "language = 'zh'\n[service]\nport = 7001\n")
    assert in_force(*at)["service.port"] == (7001, "file", str(usual))
    beside = written(tmp_path / "books" / FILE_NAME, "[service]\nport = 7002\n")
    assert in_force(*at)["service.port"] == (7002, "file", str(beside))
    assert in_force(*at)["language"] == ("zh", "file", str(usual)), "what one file leaves out, the other may set"
    monkeypatch.setenv("LEVELBOOK_SERVICE_PORT", "7003")
    assert in_force(*at)["service.port"] == (7003, "environment", "LEVELBOOK_SERVICE_PORT")
    assert in_force(*at, "--port", "7004")["service.port"] == (7004, "flag", "--port")
    assert read(*at) == [(str(beside), "beside the store"), (str(usual), "usual place")]


def test_a_file_lies_beside_the_store_whoever_names_that(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = written(Path.cwd() / FILE_NAME, "store = 'mine.db'\n")
    beside = written(tmp_path / "books" / FILE_NAME, "language = 'zh'\n")
    book = str(tmp_path / "books" / "ledger.db")
    assert in_force()["store"] == (str(Path.cwd() / "mine.db"), "file", str(here)), "the default store would lie here"
    assert read("--store", book) == [(str(beside), "beside the store")]
    written(usual, f"store = '{book}'\n")
    assert in_force()["store"] == (book, "file", str(usual))
    assert read() == [(str(beside), "beside the store"), (str(usual), "usual place")]
    monkeypatch.setenv("LEVELBOOK_STORE", "postgresql://host/db")
    assert read() == [(str(usual), "usual place")], "nothing lies beside a database"
    monkeypatch.setenv("LEVELBOOK_STORE", "other.db")
    assert read() == [(str(here), "beside the store"), (str(usual), "usual place")]
    assert in_force()["store"] == ("other.db", "environment", "LEVELBOOK_STORE")


def test_a_file_cannot_lead_away_from_the_store_that_it_lies_beside(usual: Path, tmp_path: Path) -> None:
    book = str(tmp_path / "books" / "ledger.db")
    written(usual, f"store = '{book}'\n")
    beside = written(tmp_path / "books" / FILE_NAME, "store = 'ledger.db'\n")
    assert in_force()["store"] == (book, "file", str(beside))
    written(beside, "store = 'another.db'\n")
    told = run("config", status=2)
    assert f"{beside} names the store {tmp_path}/books/another.db, but lies beside {book}" in told
    assert "which the file in the usual place names; take 'store' out of one of them" in told.replace("\n", "")
    assert in_force("--store", book)["store"] == (book, "flag", "--store")


def test_a_file_that_is_named_is_the_only_one(usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(usual, "language = 'zh'\nsegments = 'other'\n")
    written(Path.cwd() / FILE_NAME, "language = 'zh'\n")
    named = written(tmp_path / "named" / "any.toml", "store = 'ledger.db'\n")
    assert read("--config", "../named/any.toml") == [(str(Path.cwd() / "../named/any.toml"), "named")]
    monkeypatch.setenv("LEVELBOOK_CONFIG", str(named))
    found = in_force()
    assert found["store"] == (str(tmp_path / "named" / "ledger.db"), "file", str(named))
    assert found["language"] == ("en", "default", None) and found["segments"] == (None, "default", None)


def toml(value: Any) -> str:
    return json.dumps(value)


def another(setting: Setting, folder: Path) -> Any:
    """A value that a setting can have, and has not by default."""
    option = setting.option
    if option is not None and option.multiple:
        return ["a.example", "b.example"]
    if option is not None and option.is_flag:
        return True
    if option is not None and isinstance(option.type, click.Choice):
        return option.type.choices[-1]
    if option is not None and isinstance(option.type, click.IntRange):
        return 7
    if option is not None and isinstance(option.type, click.FloatRange):
        return 7.5
    if setting.key == CACHE_MB:
        return 7
    return "/levels" if setting.key.endswith("prefix") else str(folder / "there")


def test_every_setting_can_stand_in_a_file_and_reaches_the_command(usual: Path, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    wanted = {key: another(setting, tmp_path) for key, setting in settings().items()}
    general = [f"{key} = {toml(value)}" for key, value in wanted.items() if "." not in key]
    tables = [f"{key} = {toml(value)}" for key, value in wanted.items() if "." in key]
    written(usual, "\n".join([*general, *tables]))
    found = in_force()
    assert {key: row[:2] for key, row in found.items()} == {key: (value, "file") for key, value in wanted.items()}
    assert os.environ.pop(CACHE_VARIABLE) == wanted["cache"], "who compiles reads the variable"
    assert os.environ.pop(SIZE_VARIABLE) == "7"
    served: dict[str, Any] = {}
    for name, table in (("serve", "service"), ("consume", "kafka"), ("deliver run", "deliver")):
        context = COMMANDS[name].make_context(name, ["--topic", "orders"] if name == "consume" else [])
        assert os.environ.pop(CACHE_VARIABLE) and os.environ.pop(SIZE_VARIABLE)
        own = {key: settings()[key].option for key in wanted if key.startswith(f"{table}.")}
        served |= {key: context.params[str(option.name)] for key, option in own.items() if option is not None}
    assert served.keys() == {key for key in wanted if "." in key}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in served.items()}
    assert {key: str(value) for key, value in plain.items()} == {key: str(wanted[key]) for key in plain}
    told = run("serve", "--help")
    for setting in settings().values():
        assert (
            setting.option is None or not setting.key.startswith("service") or setting.variable in "".join(told.split())
        )


@pytest.mark.parametrize("key", [*settings(), "nothing.of.the.kind"])
def test_what_is_not_of_its_type_is_refused_by_file_and_key(key: str, usual: Path) -> None:
    table, _, name = key.rpartition(".")
    head = f"[{table}]\n" if table else ""
    written(usual, f"{head}{name} = 1979-05-27\n")
    told = run("status", status=2)
    assert f"the settings {usual} cannot be used; mend or take out:\n" in told
    assert f"  {key}: holds a date or time; give " in told or "  nothing: sets nothing; known are store, " in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stor = 'x'", "  stor: sets nothing; is store meant?"),
        ("port = 80", "  port: sets nothing; is service.port meant?"),
        ("[service]\nport = true", "  service.port: holds true or false; give an integer"),
        ("[service]\nport = 70000", "  service.port: 70000 is not in the range 1<=x<=65535."),
        ("[service]\nhead_seconds = nan", "  service.head_seconds: holds a number; give a finite number"),
        ("[service]\nnames = ['a', 1]", "  service.names: holds a list; give a list of strings alone"),
        ("[service]\nnames = ['']", "  service.names: is empty; give a value, or take it out"),
        ("cache_mb = -1", "  cache_mb: holds an integer; give an integer that is not below 0"),
        (
            "segments = 'ftp://x/y'",
            "  segments: ftp://x/y is neither a folder nor known storage of objects; give a path",
        ),
        ("language = 'fr'", "  language: 'fr' is not one of 'en', 'zh'."),
        ("store = ''", "  store: is empty; give a value, or take it out"),
        ("store = 'mysql://host'", "  store: the store 'mysql:…' is neither a path nor a postgresql:// URL"),
        ('store = "a\\u0000b"', "  store: holds characters that are not printed; give a name without them"),
        ("service = 3", "  service: sets nothing; "),
        ("[kafka]\nserver = 'k:9092'", "  kafka.server: sets nothing; is kafka.servers meant?"),
        ("[deliver]\ngive_up_days = 0", "  deliver.give_up_days: 0 is not in the range 1<=x<=365."),
        ('"a\\n" = 3', "  'a\\n': sets nothing; "),
    ],
)
def test_what_sets_nothing_is_named(text: str, told: str, usual: Path) -> None:
    written(usual, text)
    assert told in run("status", status=2)


@pytest.mark.parametrize("name", ["buyer_key", "LEVELBOOK_BUYER_KEY", "token", "password", "service.tokens"])
def test_a_secret_is_refused_by_name_and_not_shown(name: str, usual: Path) -> None:
    table, _, key = name.rpartition(".")
    written(usual, (f"[{table}]\n" if table else "") + f"{key} = 'hush-hush'")
    told = run("status", status=2)
    assert f"  {name}: a secret has no place in a file of settings; " in told and "hush" not in told


def test_a_password_in_the_name_of_the_store_is_masked_and_others_may_not_read_it(
    usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://jo:hush-hush@127.0.0.1:1/db?connect_timeout=3"
    written(usual, f"store = '{url}'\n")
    for words in (["config"], ["config", "--format", "json"], ["serve", "--help"], ["status"]):
        done = CliRunner().invoke(main, words)
        assert "hush" not in done.output and "Warning" not in done.output, words
    assert in_force()["store"][0] == "postgresql://jo:***@127.0.0.1:1/db?connect_timeout=3"
    usual.chmod(0o640)
    told = CliRunner().invoke(main, ["config"])
    assert told.stderr == f"Warning: {usual} holds a password and others can read it; run 'chmod 600 {usual}'\n"
    written(usual, "store = 'postgresql://jo@host/db'").chmod(0o644)
    assert CliRunner().invoke(main, ["config"]).stderr == ""
    written(usual, "segments = 's3://jo:hush-hush@bucket/segments?region=x'\n").chmod(0o640)
    done = CliRunner().invoke(main, ["config"])
    assert "hush" not in done.output and "s3://***@bucket/segments?region=x" in done.stdout
    assert done.stderr == told.stderr
    written(usual, "store = ['postgresql://jo:hush-hush@host/db']")
    assert "hush" not in run("config", status=2)


def test_a_value_that_only_its_command_can_judge_is_told_with_its_file(usual: Path) -> None:
    written(usual, "[service]\ntls_key = 'gone.pem'\n")
    run("status", status=2)
    told = " ".join(run("serve", status=2).split())
    assert f"does not exist. It stands in {usual}, as service.tls_key." in told


def test_where_brokers_are_is_set_once_for_all_or_asked_for(usual: Path) -> None:
    told = run("consume", "--topic", "orders", status=2)
    assert "nobody says where brokers are; give --servers HOST:PORT,…, or set LEVELBOOK_KAFKA_SERVERS or kafka" in told
    written(usual, "[kafka]\nservers = 'kafka:9092'\n")
    told = run("consume", "--topic", "orders", status=2)  # goes on, and asks after which ledger the group is called
    assert "nobody says" not in told and "after whose id the group is called" in told


def test_help_reads_no_file(usual: Path) -> None:
    written(usual, "nothing = ")
    assert "Usage: " in run("replay", "--help")
    assert f"the settings {usual} are not TOML: " in run("replay", "merchant/m-1", status=2)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_store_that_a_file_names_is_opened(location: str, language: str, usual: Path) -> None:
    create_store(location)
    written(usual, f"store = '{location}'\nlanguage = '{language}'\n")
    assert json.loads(run("status", "--format", "json"))["position"] == 0
    assert in_force()["language"][0] == language
    told = run("policies", "--format", "json")
    assert json.loads(told)


def test_a_command_has_the_settings_that_its_options_name() -> None:
    """An option of another meaning must not bear the name of a setting."""
    flags = {
        str(setting.option.name): setting.option.opts for setting in settings().values() if setting.option is not None
    }
    for name, command in COMMANDS.items():
        for option in command.params:
            assert option.opts == flags.get(str(option.name), option.opts), name


def test_the_documents_show_every_setting(usual: Path, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "configuration.md").read_text("utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    written(usual, shown)
    assert {origin for _, origin, _ in in_force_of_config(usual).values()} == {"file"}


def in_force_of_config(file: Path) -> dict[str, tuple[Any, str, str | None]]:
    """As `in_force`, of a file whose certificate and key are there."""
    for name in ("cert.pem", "key.pem"):
        (file.parent / name).touch()
    found = in_force()
    os.environ.pop(CACHE_VARIABLE)
    return found


BOUNDED = {
    key: setting.option
    for key, setting in settings().items()
    if setting.option is not None and isinstance(setting.option.type, click.IntRange | click.FloatRange)
}


def absurd(kind: click.IntRange | click.FloatRange) -> list[str]:
    """What no setting of a kind may be."""
    assert kind.min is not None and kind.max is not None and kind.min > 0
    return ["nan", "inf", "-inf", "0", "-1", str(kind.max + 1), "1e400", "9" * 30, "", "zwölf"]


@pytest.mark.parametrize("key", BOUNDED)
def test_a_number_out_of_bounds_is_refused_by_name_wherever_it_is_set(
    key: str, usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = BOUNDED[key]
    assert isinstance(option.type, click.IntRange | click.FloatRange) and isinstance(option.envvar, str)
    for value in absurd(option.type):
        told = run("config", f"{option.opts[0]}={value}", status=2)
        assert f"Invalid value for '{option.opts[0]}'" in told and " is not " in told, value
        if value:  # an empty variable is none
            with monkeypatch.context() as set_to:
                set_to.setenv(option.envvar, value)
                assert f"Invalid value for '{option.opts[0]}'" in run("config", status=2), value
    for value in ("nan", "inf", "-inf", "0", "-1", "9" * 30, "''"):
        written(usual, f"{key} = {value}\n")
        assert f"  {key}: " in run("config", status=2), value


def test_every_number_that_a_command_takes_is_bounded_or_a_position_or_a_name() -> None:
    """A position that is not in the ledger, and a token that there is not, are refused by what stands there."""
    numbers = [
        (name, param)
        for name, command in COMMANDS.items()
        for param in command.params
        if isinstance(param.type, click.types.IntParamType | click.types.FloatParamType)
    ]
    assert len(numbers) > 20
    for name, param in numbers:
        is_bounded = isinstance(param.type, click.IntRange | click.FloatRange) and param.type.min is not None
        assert is_bounded or param.name in ("position", "to_position", "number"), (name, param.name)
        if isinstance(param.type, click.FloatRange):
            with pytest.raises(
                click.BadParameter, match=r"^nan is not a finite number; give seconds in the range 0\.1<="
            ):
                param.type.convert(float("nan"), param, None)
