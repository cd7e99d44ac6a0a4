"""The Connected Landscape: chapters, their tools, and ``python -m book``."""

import platform
import sys

if sys.version_info < (3, 11):  # noqa: UP036  (this file an old one can read)
    sys.exit(
        f"error: this is Python {platform.python_version()}, and the book "
        "needs 3.11 or newer: make its environment with a newer one, as in "
        "python3.12 -m venv .venv"
    )
