"""`python -m minirec`."""

import sys

from .cli.main import main

sys.exit(main())
