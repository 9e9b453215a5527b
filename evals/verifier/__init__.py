"""The benchmark of the verifier: true statements drawn from documents, and false ones made of them.

Read in this order: `statements` (sentences and their rewritings, which stay true), `corruptions` (one changed detail,
which makes a statement false), `cases` (statements with the passages that they are judged against), `benchmark` (the
verdicts, counted). `python -m evals.verifier` prints the table. `claims` judges claims that people wrote, which nothing
here has made; `footnote eval claims` (`claims_run`) writes their result file.
"""
