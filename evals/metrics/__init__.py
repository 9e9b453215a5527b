"""Metrics: what hits and answers are worth beside the gold evidence, and how two runs differ.

Read in this order: `ranking` (recall, reciprocal rank, nDCG of one question), `answers` (words, citations and refusals
of one question), `scoring` (all metrics of one question, totals over all questions), `statistics` (intervals and
permutation tests), `compare` (two result files).
"""
