"""`python -m evals.verifier` runs the verifier's benchmark."""

import sys

from evals.verifier.benchmark import main

sys.exit(main())
