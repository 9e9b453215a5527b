"""What the pipeline tells those who watch it: its steps and its caches.

`steps` is what the other rooms call, and costs nothing while nobody watches; `traces` sends the steps to a collector
(OpenTelemetry), `api/http/metrics.py` counts them. None of it has words of documents, questions or answers.
"""

from __future__ import annotations

from rag.telemetry.steps import (
    Attributes,
    Step,
    Watch,
    Watcher,
    count_cache,
    headers_to_pass_on,
    of_model,
    of_reply,
    step,
    tracing,
    watching,
)

__all__ = [
    "Attributes",
    "Step",
    "Watch",
    "Watcher",
    "count_cache",
    "headers_to_pass_on",
    "of_model",
    "of_reply",
    "step",
    "tracing",
    "watching",
]
