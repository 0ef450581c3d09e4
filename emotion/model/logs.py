"""What the programs log to the terminal. Library code only logs; nothing is set up by an import."""

import logging

HTTP_CLIENTS = ("httpx", "httpx2")  # they log one line per request, with signed addresses in it


def log_to_terminal(style: str = "%(message)s") -> None:
    """Show the messages of this package and of others, but not every request to the Hub."""
    logging.basicConfig(level=logging.INFO, format=style)
    for client in HTTP_CLIENTS:
        logging.getLogger(client).setLevel(logging.WARNING)
