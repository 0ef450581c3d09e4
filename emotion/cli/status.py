"""The exit statuses of the commands."""

DONE, SOME_SKIPPED, FAILED, INTERRUPTED = 0, 1, 2, 130
