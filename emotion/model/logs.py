"""What the programs log to the terminal. Library code only logs; nothing is set up by an import."""

import logging

# One line per request, with signed addresses in it; one per session; one per folder written on the way.
TALKATIVE = ("httpx", "httpx2", "mcp", "tensorflow")
# Says, twice over, that there was nothing to commit; what goes wrong it raises.
HUB_CLIENT = "huggingface_hub.hf_api"


def log_to_terminal(style: str = "%(message)s") -> None:
    """Show the messages of this package and of others, but not every step of theirs."""
    logging.basicConfig(level=logging.INFO, format=style)
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger(HUB_CLIENT).setLevel(logging.ERROR)
