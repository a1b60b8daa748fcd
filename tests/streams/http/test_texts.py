"""Text of strangers in pages: nothing is markup, nothing is hidden, nothing reaches beyond itself."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.http.texts import shown


class Inside(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def inside(markup):
    found = Inside()
    found.feed(str(markup))
    found.close()
    return found


def test_text_is_isolated_and_escaped():
    assert shown("a <b> & \"c\" 'd'") == ('<bdi dir="auto" lang="">a &lt;b&gt; &amp; &#34;c&#34; &#39;d&#39;</bdi>')


@pytest.mark.parametrize(
    "code",
    [
        *(0x202A, 0x202E, 0x2066, 0x2069, 0x200B, 0x200E, 0xFEFF, 0xAD, 0x1B, 0x00, 0x7F, 0x85, 0x2028, 0x2029),
        *(0xE0041, 0xE000, 0xD800, 0x3164, 0x115F, 0x2800, 0x61C, 0x200C, 0x200D, 0xFE0F, 0xE0100),
    ],
)
def test_what_cannot_be_seen_is_a_mark(code):
    assert f'ab<span class="mark">U+{code:04X}</span>cd' in shown(f"ab{chr(code)}cd")


@pytest.mark.parametrize("text", ["نامه‌ای", "👩‍👩‍👧", "❤️", "क्‍ष", "a\tb\nc", "é", "e\u0301", "שלום", "日本\u3000語"])
def test_what_writing_needs_is_left_as_it_is(text):
    assert inside(shown(text)).text == text
    assert "mark" not in shown(text)


def test_selectors_in_a_row_carry_what_is_not_seen_and_are_marks():
    assert shown("❤\ufe0f\ufe01\U000e0110").count("mark") == 2


def test_a_long_text_is_cut_and_its_length_is_told():
    found = inside(shown("x" * 1_000_000))
    assert found.text == "x" * 2000 + " … the first 2,000 of 1,000,000 characters"
    assert "first" not in shown("x" * 2000)


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("<>&\"'/=\u202e\u200d\ufe0f"))))
def test_no_text_makes_an_element_or_hides_a_format_character(text):
    markup = shown(text)
    assert inside(markup).tags <= {"bdi", "span"}
    assert not {"\u202e", "\u2066", "\u200b", "\x00"} & set(str(markup))
