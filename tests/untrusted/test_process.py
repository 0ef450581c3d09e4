"""A limited process: what it may not do, and what becomes of a question that it does not survive."""

import io
import json
import os
import struct

import numpy as np
import pytest

from emotion.errors import EmotionError
from emotion.untrusted.process import LENGTH, LimitedProcess, Limits, receive, send

pytestmark = pytest.mark.slow

STOPPED = "It was stopped."


def limited(module: str, limits: Limits) -> LimitedProcess:
    return LimitedProcess(f"tests.untrusted.{module}", limits, error=EmotionError, stopped=STOPPED)


def test_the_process_keeps_no_rights():
    process = limited("curious", Limits(memory=200_000_000, seconds=1))
    try:
        found, _ = process.ask({"do": "try everything"})
        assert found == {"token": False, "file": False, "connection": False, "memory": False}
        if os.getuid() == 0:
            assert process.ask({"do": "say who you are"}) == ({"user": 65534}, [])
    finally:
        process.close()


def test_threads_that_allocate_leave_the_memory_to_others():
    process = limited("curious", Limits(memory=250_000_000, seconds=1))
    try:
        assert process.ask({"do": "allocate in threads, then 100 MB"}) == ({"allocated": True}, [])
    finally:
        process.close()


@pytest.mark.parametrize("deed", ["crash", "hang", "exit", "babble", "run out of memory"])
def test_who_asked_is_told_that_the_process_died_and_the_next_question_is_answered(deed):
    process = limited("misbehaving", Limits(memory=100_000_000, seconds=0.3))
    assert process.ask({"do": "hello"}) == ({"do": "hello"}, [])
    with pytest.raises(EmotionError, match=STOPPED):
        process.ask({"do": deed})
    assert process.ask({"do": "hello again"}) == ({"do": "hello again"}, [])
    process.close()


def test_an_error_of_the_work_arrives_in_its_own_words():
    process = limited("misbehaving", Limits(memory=100_000_000, seconds=1))
    with pytest.raises(EmotionError, match=r"^Not today\.$"):
        process.ask({"do": "refuse"})
    process.close()


def test_what_the_work_prints_is_no_answer():
    process = limited("misbehaving", Limits(memory=100_000_000, seconds=1))
    assert process.ask({"do": "print"}) == ({"do": "print"}, [])
    process.close()


def test_arrays_arrive_as_they_were_sent():
    sent = [
        np.arange(24, dtype=np.uint8).reshape(2, 4, 3)[:, ::2],
        np.zeros((0, 5), np.float32),
        np.float32([1]),
    ]
    stream = io.BytesIO()
    send(stream, ({"a": [1, None, "ü"]}, sent))
    stream.seek(0)
    header, arrays = receive(stream)
    assert header == {"a": [1, None, "ü"]}
    for one, other in zip(arrays, sent, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "content",
    [
        b"no JSON",
        b"[]",
        b"[" * 100_000,
        b'{"header": 1, "arrays": []}',
        b'{"header": {}}',
        b'{"header": {}, "arrays": [["O", [1]]]}',
        b'{"header": {}, "arrays": [["<U1", [1]]]}',
        b'{"header": {}, "arrays": [["|u1", [-1]]]}',
        b'{"header": {}, "arrays": [["|u1", [-1, -1]]]}',
        b'{"header": {}, "arrays": [["|u1", ["x"]]]}',
        b'{"header": {}, "arrays": [["|u1", [100000, 100000]]]}',
        b'{"header": {}, "arrays": [["|u1", [1e400]]]}',
        json.dumps({"header": {"a": "x" * 2**20}, "arrays": []}).encode(),
    ],
)
def test_what_is_no_message_is_refused(content):
    with pytest.raises(ValueError, match=r"not a message|another type|bytes$"):
        receive(io.BytesIO(LENGTH.pack(len(content)) + content + bytes(100)))


def test_a_message_that_breaks_off_is_refused():
    with pytest.raises((EOFError, struct.error)):
        receive(io.BytesIO(b""))
    with pytest.raises(EOFError):
        receive(io.BytesIO(LENGTH.pack(100) + b"{}"))
