"""Packages that an installation may do without: which extra brings them, and what is said where one is asked for."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from replay.errors import UsageError

FAST: Final = ("numba", "numpy", "pyarrow")
"""What works on many records at a time: rules compiled over columns, segments, Parquet."""
ARROW: Final = ("pyarrow",)
"""Storage of objects, and what is read and written there."""
KAFKA: Final = "confluent_kafka"
"""The client by which topics are read."""
SPARK: Final = ("pyspark", "pandas")
"""Apache Spark, which calls no function on Arrow tables without pandas."""
OTEL: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
"""What makes spans of work, and sends them."""
_BY_EXTRA: Final = {"fast": FAST, "kafka": (KAFKA,), "otel": OTEL, "spark": SPARK}
EXTRA_OF: Final = {package: extra for extra, packages in _BY_EXTRA.items() for package in packages}
"""By package, the extra of Levelbook that installs it."""


class NotInstalled(UsageError):
    """What was asked for takes a package that this installation lacks."""


def missing_of(packages: Sequence[str]) -> list[str]:
    """Those of some packages that are not installed; none of them is imported."""
    return [name for name in packages if not _is_there(name)]


def need(packages: Sequence[str], what: str) -> None:
    """Raises NotInstalled where one of some packages is missing that `what` takes."""
    missing = missing_of(packages)
    if missing:
        extra = EXTRA_OF[missing[0]]
        raise NotInstalled(
            f"{what} takes {' and '.join(missing)}, which this installation of Levelbook lacks:"
            f" pip install 'levelbook[{extra}]' adds it"
        )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
