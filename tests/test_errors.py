"""What other libraries say, as people read it."""

import pytest

from emotion.errors import LONGEST_QUOTE, in_one_line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        ("[WinError 2] The system cannot find the file.", "The system cannot find the file"),
        ("two\n lines.", "two lines"),
        ("[1, 2] is no shape", "[1, 2] is no shape"),
    ],
)
def test_a_message_is_one_line_without_the_number_of_the_error(error, said):
    assert in_one_line(error) == said


def test_a_long_message_is_cut():
    assert len(in_one_line("word " * 100)) == LONGEST_QUOTE
