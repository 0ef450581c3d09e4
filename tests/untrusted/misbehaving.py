"""What the tests of a limited process run inside it: it does what damaged networks do."""

import contextlib
import os
import threading

from emotion.errors import EmotionError


def babble() -> None:
    for descriptor in range(3, 10):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\xff" * 64)
    os._exit(0)


class Work:
    def answer(self, header, arrays):
        match header["do"]:
            case "crash":
                os.abort()
            case "exit":
                os._exit(0)
            case "babble":
                babble()
            case "run out of memory":
                bytearray(2**30)
            case "refuse":
                raise EmotionError("Not today.")
            case "print":
                print("x" * 100, flush=True)
            case "hang":
                threading.Event().wait()
        return header, arrays
