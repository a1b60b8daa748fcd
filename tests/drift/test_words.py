from hypothesis import given
from hypothesis import strategies as st

from drift.words import Vocabulary, words

USUAL = [
    "please reset my password now",
    "how can I pay my bill",
    "where is my parcel now",
    "please cancel my order now",
]


def test_words_have_three_letters_or_more_and_are_lower_case():
    assert words("Don't PANIC: it's 42 x_y naïve don’t") == {"don't", "panic", "it's", "naïve", "don’t"}


def test_typical_words_are_those_that_stand_out_against_the_baseline():
    vocabulary = Vocabulary.of(USUAL * 10)
    asked = ["please book a flight to Rome", "which flight is late", "please move my flight", "flight to Oslo please"]
    typical = vocabulary.typical(asked)
    assert typical[0] == "flight"
    assert "now" not in typical


def test_a_word_of_a_single_text_is_not_typical_of_many():
    assert "oslo" not in Vocabulary.of(USUAL).typical(["flight rome", "flight paris", "flight oslo", "flight bern"])


@given(st.lists(st.text(), max_size=8), st.integers(0, 6))
def test_any_texts_have_at_most_the_words_asked_for_all_of_them_their_own(texts, count):
    typical = Vocabulary.of(USUAL).typical(texts, count)
    assert len(typical) <= count
    assert set(typical) <= set().union(*map(words, texts)) if texts else typical == ()


def test_a_vocabulary_keeps_the_commonest_words():
    vocabulary = Vocabulary.of([f"word{'abcdefghij'[i % 10] * (i // 10 + 1)}" for i in range(4000)] + ["common"] * 3)
    assert len(vocabulary.frequency) == 3000
    assert vocabulary.frequency["common"] == 3
