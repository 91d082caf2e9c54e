"""`python -m web` serves the pages and the API."""

import sys

from shared.errors import ConfigurationError
from web.serve import main

if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"{error.title}: {error.detail}")
