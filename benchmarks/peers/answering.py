"""A process that looks at one picture after another and says how long each took; the same for every program.

It reads one path per line from standard input and writes one JSON line {wall, processor, faces} per path,
after a line "ready" once the model is loaded. Needs nothing but Python, because it also runs in the peers'
environments.
"""

import json
import os
import sys
import time
from collections.abc import Callable


def answer(look: Callable[[str], int]) -> None:
    """Answer until standard input ends. `look` takes a path and returns the number of faces it found."""
    # What libraries print must not mix with the answers.
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print("ready", file=channel)
    for line in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        faces = look(line.rstrip("\n"))
        times = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
        print(json.dumps({**times, "faces": faces}), file=channel)
