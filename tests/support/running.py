"""The command run within the tests' own process."""

from click.testing import CliRunner

from cli import main


def run(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == status, (result.output, result.exception)
    return result.output
