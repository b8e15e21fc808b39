"""A session of Apache Spark, set by Spark's own settings."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from replay.errors import StoreError
from replay.extras import SPARK, need

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME: Final = "levelbook rebuild"
LOCAL: Final = "local[*]"
"""What Spark takes where no master is set."""
LOCAL_RETRIED: Final = "local[*, 4]"
"""The same with as many attempts at a task as elsewhere: by itself Spark gives up at the first that is lost."""
_LAID_DOWN: Final = {
    # A row is a task, or a table of some megabytes: one a batch, and a partition each.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1",
    # There are few rows, and nothing that code made for this one plan would speed up.
    "spark.sql.codegen.wholeStage": "false",
    # A group is what one task judges: none is split, none joined to another.
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_JAVA: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For what only hands tasks out: code that is made quickly serves it best."""
_ON_ONE_MACHINE: Final = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}
"""Nothing listens where others could reach it, unless that was set."""


@contextmanager
def spark_session() -> Iterator["SparkSession"]:
    """A session by Spark's own settings: on this machine where they name no master.

    Raises NotInstalled without the extra, StoreError where Spark does not begin.
    """
    need(SPARK, "a rebuild on Spark")
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_SUBMIT_OPTS", _JAVA)
    try:
        SparkContext._ensure_initialized()  # else settings are read of none of Spark's own places
        builder, settings = SparkSession.builder.appName(NAME), SparkConf()
        for name, value in _LAID_DOWN.items():
            builder = builder.config(name, value)
        if settings.get("spark.master", LOCAL) == LOCAL:
            builder = builder.master(LOCAL_RETRIED)
            for name, value in _ON_ONE_MACHINE.items():
                builder = builder.config(name, settings.get(name, value))
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
    except (PySparkException, OSError, RuntimeError) as error:
        raise StoreError(f"Spark does not begin ({error}): it takes Java 17 or later; see to its settings") from error
    try:
        yield session
    finally:
        session.stop()
