"""Moved to ingest/runtime.py (evals needs it too); import it from there. This file goes once nobody imports it."""

from ingest.runtime import INDEX_FOLDER, Runtime

__all__ = ["INDEX_FOLDER", "Runtime"]
