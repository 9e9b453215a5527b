"""`python -m evals.verifier`: the benchmark of the verifier."""

import sys

from evals.verifier.benchmark import main

sys.exit(main())
