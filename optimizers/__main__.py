"""`python -m optimizers ...`: the whole craft without a server."""

import os
import sys

# Before any library reads it. OpenMP's threads spin while they wait for one another; where other processes want the same cores, that
# takes from all of them: beside a load of 5 on two cores, a fine-tuning of six epochs took 15.6 s spinning and 8.4 s waiting.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from optimizers.cli import main

if __name__ == "__main__":
    sys.exit(main())
