"""`python -m optimizers ...`: the whole craft without a server."""

import os
import sys

# Before any library reads it. OpenMP's threads spin while they wait for one another; where another process wants the same cores,
# that costs twenty times the work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from optimizers.cli import main

if __name__ == "__main__":
    sys.exit(main())
