"""`python -m minirec.cli`."""

import sys

from .main import main

sys.exit(main())
