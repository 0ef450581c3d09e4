"""What the tests of a limited process run inside it: it tries what it must not be able to do."""

import os
import socket
import threading

THREADS = 4


class Work:
    def answer(self, header, arrays):
        del arrays
        match header["do"]:
            case "say who you are":
                return {"user": os.getuid()}, []
            case "allocate in threads, then 100 MB":
                return {"allocated": allocated()}, []
        return {
            "token": "HF_TOKEN" in os.environ,
            "file": works(lambda: os.open("/etc/hostname", os.O_RDONLY)),
            "connection": works(socket.socket),
            "memory": works(lambda: bytearray(300_000_000)),
        }, []


def works(attempt) -> bool:
    try:
        attempt()
    except (OSError, MemoryError):
        return False
    return True


def allocated() -> bool:
    together = threading.Barrier(THREADS)

    def allocate() -> None:
        together.wait()
        content = bytearray(10_000)
        together.wait()
        del content

    threads = [threading.Thread(target=allocate) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return works(lambda: bytearray(100_000_000))
