"""`python -m web` serves the pages and the API."""

import sys

from shared import exits
from shared.errors import ConfigurationError
from web.serve import main

if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as error:
        sys.stderr.write(f"{error.title}: {error.detail}\n")
        sys.exit(exits.CONFIGURATION)
