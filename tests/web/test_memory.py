"""What the app remembers for its visitors has an end."""

import gc

from emotion.web.memory import Memory


def test_the_oldest_goes_when_there_is_no_room():
    memory = Memory(100)
    first, second = memory.keep("first", 40), memory.keep("second", 40)
    third = memory.keep("third", 40)
    assert memory.recall(first) is None
    assert memory.recall(second) == "second"
    assert memory.recall(third) == "third"
    assert memory.taken == 80


def test_what_was_asked_for_lately_stays():
    memory = Memory(100)
    first, second = memory.keep("first", 40), memory.keep("second", 40)
    assert memory.recall(first) == "first"
    memory.keep("third", 40)
    assert memory.recall(first) == "first"
    assert memory.recall(second) is None


def test_what_nobody_holds_any_more_takes_no_room():
    memory = Memory(100)
    memory.keep("dropped with its session", 90)
    gc.collect()
    assert memory.taken == 0


def test_the_newest_is_kept_even_where_it_alone_is_too_much():
    memory = Memory(100)
    first = memory.keep("first", 40)
    assert memory.recall(memory.keep("large", 200)) == "large"
    assert memory.recall(first) is None


def test_nothing_is_recalled_of_nothing():
    assert Memory(100).recall(None) is None
