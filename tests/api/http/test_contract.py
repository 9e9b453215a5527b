"""Every response conforms to the published OpenAPI description, also for unusual and invalid calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from conftest import ScriptedGenerator, WordHashEmbedder
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import Served, build_app, listening

from api.http.app import create_app
from ingest.runtime import Runtime
from rag.settings import load_settings

# Small, so that calls at and beyond each limit are cheap.
LIMITS = {"max_upload_mb": 1, "max_files": 4, "max_question_chars": 200, "max_verify_chars": 300, "max_top_k": 20}
SETTINGS = hypothesis.settings(max_examples=30, derandomize=True, deadline=None, database=None)


def _never_opened() -> Runtime:
    raise AssertionError("this application only publishes its OpenAPI description")


def _published() -> schemathesis.BaseSchema:
    """The OpenAPI description that a server with these limits publishes."""
    config = SchemathesisConfig(seed=7)
    description = create_app(_never_opened, load_settings({}, server=LIMITS)).openapi()
    return schemathesis.openapi.from_dict(description, config=config)


schema = _published()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with one document, behind a real socket."""
    # thresholds of 0, so that questions of random words reach the model too
    gates = {"min_evidence": 0, "min_confidence": 0}
    folder = tmp_path_factory.mktemp("contract") / "store"
    settings = load_settings({}, data_dir=folder, server=LIMITS, answers=gates)
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator("Ten unused days carry over [1]."))
    with listening(app) as address:
        with httpx.Client(base_url=address) as client:
            served = Served(app, client, settings)  # type: ignore[arg-type]
            served.add("handbook.md", b"# Leave\n\nTen unused vacation days carry over to the next year.\n")
            assert client.get("/openapi.json").json() == schema.raw_schema
        yield address


def unfit_checks(case: schemathesis.Case) -> list[Any]:
    """No check, but for a conversation: JSON Schema cannot say that one message is a question that is not empty."""
    return [positive_data_acceptance] if case.path in ("/v1/chat/completions", "/v1/responses") else []


@schema.parametrize()
@SETTINGS
def test_every_response_conforms_to_the_openapi(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(base_url=url, excluded_checks=unfit_checks(case))


def test_every_response_in_a_sequence_of_calls_conforms_to_the_openapi(url: str) -> None:
    class Calls(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"base_url": url}

        def validate_response(self, response: Any, case: schemathesis.Case, *_: Any, **_options: Any) -> None:
            case.validate_response(response, excluded_checks=unfit_checks(case))

    Calls.run(settings=hypothesis.settings(SETTINGS, max_examples=15, stateful_step_count=6))
