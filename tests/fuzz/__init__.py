"""Damaged files for the readers and strange replies for the verifier, made at random from a seed."""
