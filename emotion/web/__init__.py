"""The page: one file per tab, its pieces, and what keeps pictures off the disk. `command` starts it."""
