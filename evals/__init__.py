"""Measurement: suites of questions are run, scored, reported and written; trained constants are fitted.

The rooms in the order of their imports: `suites`, `metrics`, `run`, `report`, `verifier`, `writer`, `training`. A room
uses only those before it. `bench.py` measures speed, `load.py` a server under load, `scale.py` what a size costs;
`notebook/` holds dated measurements.
"""
