"""`python -m tests.faults` prints the thirty faults; `./run faults` makes them happen."""

import sys

from tests.faults.suite import main

sys.exit(main(["--list"]))
