"""What the programs log to the terminal. Library code only logs; nothing is set up by an import."""

import logging

# Who says too much, and from which level on it is shown: one line per request, with signed addresses in it;
# one per session; one per folder written on the way, and advice to authors of training loops; twice over,
# that there was nothing to commit. What goes wrong they raise.
TALKATIVE = {
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "mcp": logging.WARNING,
    "tensorflow": logging.ERROR,
    "huggingface_hub.hf_api": logging.ERROR,
}


def log_to_terminal(style: str = "%(message)s") -> None:
    """Show the messages of this package and of others, but not every step of theirs."""
    logging.basicConfig(level=logging.INFO, format=style)
    for library, level in TALKATIVE.items():
        logging.getLogger(library).setLevel(level)
