"""Shells that complete the command: the script that each needs, and answering them in time."""

import os
from collections.abc import Iterable, Iterator
from threading import Timer
from typing import Final

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

PROGRAM: Final = "levelbook"
ANSWER_SECONDS: Final = 3
"""A database that is away, or a name that nobody resolves, holds up no prompt for longer."""
PLACES: Final = {
    "bash": "~/.local/share/bash-completion/completions/levelbook, or source it in ~/.bashrc",
    "zsh": "a file _levelbook in a folder of $fpath, which ~/.zshrc names before it runs compinit",
    "fish": "~/.config/fish/completions/levelbook.fish",
}
"""By shell, where its script belongs."""


def script_for(shell: str, command: click.Command, variable: str) -> str:
    """The script by which a shell of PLACES completes a command, with a line that says where it belongs."""
    found = get_completion_class(shell)
    assert found is not None, shell
    script = found(command, {}, PROGRAM, variable).source()
    place = f"# Put this into {PLACES[shell]}.\n"
    first, end, rest = script.partition("\n")
    # What zsh loads of itself must begin with the line that names the command.
    return f"{first}{end}{place}{rest}" if first.startswith("#compdef") else f"{place}{script}"


def answer_in_time() -> None:
    """Prepare a process that a shell has started to complete something."""
    add_completion_class(ColonsInBash)
    watchdog = Timer(ANSWER_SECONDS, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()


class ColonsInBash(BashComplete):
    """Bash takes words apart at colons, which instants and URLs have, and completes what stands behind the last."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, at = split_arg_string(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
        typed = list(_joined(words[: at + 1]))
        incomplete = typed.pop() if at < len(words) else ""
        self._before = incomplete[: incomplete.rfind(":") + 1]
        return typed[1:], incomplete

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{item.value.removeprefix(self._before)}"


def _joined(pieces: Iterable[str]) -> Iterator[str]:
    """The words that were typed, of what stands before, between and behind colons."""
    word, goes_on = "", True
    for piece in pieces:
        is_colons = set(piece) == {":"}
        if not (goes_on or is_colons):
            yield word
            word = ""
        word += piece
        goes_on = is_colons
    if word:
        yield word
