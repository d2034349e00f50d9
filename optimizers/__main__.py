"""`python -m optimizers ...`: the whole craft without a server."""

import sys

from optimizers.cli import main

if __name__ == "__main__":
    sys.exit(main())
