"""The page: one file per tab, its pieces, and what keeps pictures off the disk. `app.py` starts it."""

from emotion.model.logs import log_to_terminal
from emotion.web.page import build_app, launch
from emotion.web.session import Session

__all__ = ["Session", "build_app", "launch", "log_to_terminal"]
