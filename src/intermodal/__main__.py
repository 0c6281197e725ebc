"""`python -m intermodal` is the same as `intermodal`."""

import sys

from intermodal.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
