"""The whole API against its own description: whatever is asked, the answer is one that the description promises."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.python.asgi import get_client
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fixtures.demo import story
from projections.api.levels import BODY_BYTES_MAX
from projections.api.openapi import specification
from projections.api.operations import Operation
from projections.api.routes import OPERATIONS
from projections.http.settings import Settings
from projections.projector.rebuild import Asked, rebuild
from projections.server.app import application
from projections.views.database import open_views
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import ingest_events
from tests.support.seals import checkpointed

EXAMPLES = 6 * SOAK
"""Requests of each kind for each operation."""
TOO_LONG = 413
"""What refuses a body that is too long, before anything else may be wrong in it."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The service over the demo's ledger: what it says of itself, and a client of it."""
    folder = tmp_path_factory.mktemp("service")
    location = str(folder / "ledger.db")
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        ingest_events(store, story(), folder, backfill=True)
        rebuild(views, Asked(sample=0))
        checkpointed(store)
    app: Any = application(Settings(location, names=("testserver",)))
    with get_client(app) as client:
        api = schemathesis.openapi.from_asgi("/openapi.json", app)
        rejected = api.config.checks.negative_data_rejection
        rejected.expected_statuses = [*rejected.expected_statuses, str(TOO_LONG)]
        yield api, client


def test_the_description_is_sound() -> None:
    validate(specification())
    assert specification()["openapi"] == "3.1.0"


def takes_nothing(operation: Operation) -> bool:
    """Nothing can be wrong about such a request."""
    return operation.body is None and not operation.query().fields and "{" not in operation.path


KINDS = [
    pytest.param(operation, mode, id=f"{operation.name}-{name}")
    for operation in OPERATIONS
    for mode, name in ((GenerationMode.POSITIVE, "right"), (GenerationMode.NEGATIVE, "wrong"))
    if mode is GenerationMode.POSITIVE or not takes_nothing(operation)
]


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "mode"), KINDS)
def test_whatever_is_asked_is_answered_as_described(
    operation: Operation, mode: GenerationMode, served: tuple[Any, Any]
) -> None:
    api, client = served
    method = "POST" if operation.body else "GET"

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=api[operation.path][method].as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        # No schema can say which policies, cursors or past instants there are: such a request may be refused.
        answer = case.call_and_validate(session=client, excluded_checks=[positive_data_acceptance])
        assert answer.status_code != TOO_LONG or len(answer.request.body or b"") > BODY_BYTES_MAX

    holds()
