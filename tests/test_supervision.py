"""The units in README: commands that there are, started again for the statuses for which that helps."""

import re
import shlex
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from cli import main
from projections.belonging import OtherHistory
from projections.follow import ClockJumped
from projections.service.serve import STOP_SECONDS
from replay.errors import StoreError, UsageError

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def unit(name: str) -> ConfigParser:
    """A unit as README shows it."""
    (text,) = re.findall(rf"```ini\n# {re.escape(name)}\n(.*?)```", README, re.DOTALL)
    found = ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their capitals
    found.read_string(text)
    return found


@pytest.mark.parametrize("name", ["follow", "serve"])
def test_a_unit_starts_a_command_that_there_is_and_names_the_store(name: str) -> None:
    service = unit(f"levelbook-{name}.service")["Service"]
    program, command, *options = shlex.split(service["ExecStart"])
    assert (program.rpartition("/")[2], command) == ("levelbook", name)
    found = main.commands[command]
    found.make_context(command, options)
    variables = {parameter.envvar for parameter in found.params if isinstance(parameter, click.Option)}
    assert service["Environment"].partition("=")[0] in variables


@pytest.mark.parametrize("name", ["follow", "serve"])
def test_a_unit_is_started_again_where_that_helps_and_not_where_a_person_has_to_look(name: str) -> None:
    found = unit(f"levelbook-{name}.service")
    service = found["Service"]
    asks_for_a_person = {int(status) for status in service["RestartPreventExitStatus"].split()}
    by_hand = {
        UsageError.exit_status,
        *((OtherHistory.exit_status, ClockJumped.exit_status) if name == "follow" else ()),
    }
    assert service["Restart"] == "on-failure" and asks_for_a_person == by_hand
    assert StoreError.exit_status not in by_hand and found["Unit"]["StartLimitIntervalSec"] == "0"
    assert name != "serve" or int(service["TimeoutStopSec"]) > STOP_SECONDS
