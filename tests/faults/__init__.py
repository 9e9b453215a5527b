"""The kill harness: a store whose processes are killed at any moment must lose nothing (`docs/reliability.md`).

`zygote` is the program that is killed, `harness` kills it and compares; `python -m tests.faults` is the long form.
"""
