"""`python -m emotion`: see `emotion.cli`."""

import sys

from emotion.cli import main

sys.exit(main())
