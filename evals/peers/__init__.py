"""Ingest compared with what a user would otherwise install, both whole, in alternating rounds of one run."""
