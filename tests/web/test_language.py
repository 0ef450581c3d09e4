"""Every language says everything, fits a phone, and is chosen as the visitor wants."""

import json
import re

import pytest

from emotion.errors import EmotionError
from emotion.video.clip import Clip
from emotion.vision.images import open_image
from emotion.web.language import (
    DEFAULT,
    ENGLISH,
    LANGUAGES,
    LATER,
    TABLES,
    language_of,
    resolved,
    spoken,
    table,
)
from emotion.web.page import TABS

OTHERS = [code for code in LANGUAGES if code != DEFAULT]
# Characters as wide as two Latin ones.
WIDE = re.compile("[\u3000-\u9fff\uff00-\uffef]")
# Latin characters of 16 pixels that a button of 390 pixels holds in one line, and six tabs at 1280.
BUTTON, TAB = 40, 16
BUTTONS = (
    *("photo.choose", "photo.snapshot", "photo.shoot", "photo.cancel", "photo.another", "photo.download"),
    *("photo.why", "photo.hide", "many.choose", "video.choose", "live.start", "live.stop", "live.moment"),
    *("teach.camera", "teach.take", "teach.add", "teach.stop", "teach.over", "teach.use", "teach.pack"),
    *("model.load", "model.default"),
)


def width(text):
    return len(text) + len(WIDE.findall(text))


def placeholders(text):
    return sorted(re.findall(r"\{\w+\}", text))


def test_there_is_a_table_for_every_language_and_no_other():
    assert {path.stem for path in TABLES.glob("*.json")} == set(LANGUAGES)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_table_is_complete_and_cannot_break_what_it_is_put_into(code):
    words, english = table(code), table()
    assert list(words) == list(english)
    for key, text in words.items():
        assert placeholders(text) == placeholders(english[key]), key
        assert not re.search("[<>&\"'\\\\⟦⟧|]", text), key
        assert text.strip() or key == "comma"


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_it_says_fits_a_phone(code):
    words = table(code)
    assert {key: text for key in BUTTONS if width(text := words[key]) > BUTTON} == {}
    assert {key: words[key] for tab in TABS if width(words[key := f"tab.{tab.id}"]) > TAB} == {}
    long = {key for key, text in words.items() if width(text) > 2 * max(len(table()[key]), 12)}
    assert long == set()


@pytest.mark.parametrize("code", OTHERS)
def test_hardly_anything_is_left_in_english(code):
    # Names, such as "F1", "Live" or "Photo", may be the same.
    same = [key for key, text in table(code).items() if text == table()[key] and len(text) > 14]
    assert same == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "en"),
        ({"accept-language": "de-CH,de;q=0.9,en;q=0.8"}, "de"),
        ({"accept-language": "nl,fr;q=0.5"}, "fr"),
        ({"accept-language": "zh-TW"}, "zh"),
        ({"accept-language": "xx;;,,=" * 1000}, "en"),
        ({"accept-language": "de", "cookie": "a=b; language=ar"}, "ar"),
        ({"accept-language": "de", "cookie": "language=klingon"}, "de"),
        ({"accept-language": "de", "cookie": 'language="\\'}, "de"),
    ],
)
def test_the_visitors_choice_comes_before_the_browsers(headers, code):
    assert language_of(headers) == code


def test_a_page_that_is_built_once_is_sent_in_every_language():
    page = json.dumps(
        [LATER("question", labels=LATER.alternatives(["angry", "happy", "a|b"])), LATER.percent(0.5)],
        ensure_ascii=False,
    )
    for code in LANGUAGES:
        say = spoken(code)
        asked, share = json.loads(resolved(page, say))
        assert asked == say("question", labels=say.alternatives(["angry", "happy", "a¦b"]))
        assert share == say.percent(0.5)
    assert ENGLISH.alternatives(["angry", "happy", "sad"]) == "angry, happy or sad"
    assert resolved("⟦nothing of ours⟧", ENGLISH) == ""


def errors(tmp_path):
    """What is raised for files that are none."""
    file = tmp_path / "clip.mp4"
    file.write_text("no video")
    for source in (b"", b"text", b"\xff\xd8\xff\xe0 not really"):
        with pytest.raises(EmotionError) as raised:
            open_image(source)
        yield raised.value
    with pytest.raises(EmotionError) as raised, Clip(file):
        pass
    yield raised.value


def test_errors_are_said_in_the_visitors_language(tmp_path):
    for error in errors(tmp_path):
        assert ENGLISH.error(error) == str(error)
        assert spoken("de").error(error) != str(error)
    assert spoken("de").error("Something that no table knows.") == "Something that no table knows."
