"""Labels are bounded: a cap, one value for all the others, an estimate of how many those are, places given back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.label_values import OTHER, Distinct, Slots


@pytest.mark.parametrize("count", [0, 1, 100, 10_000, 100_000])
def test_different_names_are_counted_within_a_per_cent(count):
    seen = Distinct()
    for number in [*range(count), *range(count // 2)]:
        seen.add(f"app {number}")
    assert seen.estimate == pytest.approx(count, rel=0.01)


@given(st.lists(st.text(max_size=5), max_size=60))
def test_a_value_keeps_its_place_and_none_is_shared_but_the_last(values):
    slots = Slots(8, 60.0)
    places = {}
    for value in values:
        place = slots.place(value)
        assert places.setdefault(value, place) == place
    own = [place for place in places.values() if place]
    assert len(own) == len(set(own)) == len(slots) == min(len(set(values) - {OTHER}), 8)
    assert slots.beyond.estimate == max(len(set(values) - {OTHER}) - 8, 0)


def test_a_value_that_would_be_taken_for_the_rest_is_counted_with_it():
    slots = Slots(8, 60.0)
    assert slots.place(OTHER) == 0
    assert (len(slots), slots.beyond.estimate) == (0, 0)


def test_a_value_that_was_not_seen_for_long_gives_its_place_to_another():
    clock = [0.0]
    slots = Slots(2, 60.0, now=lambda: clock[0])
    old, kept = slots.place("old"), slots.place("kept")
    clock[0] = 50.0
    assert slots.place("kept") == kept
    clock[0] = 100.0
    assert slots.place("third") == 0
    assert slots.expire() == [old]
    assert slots.place("third") == old
    assert dict(slots.items()) == {"kept": kept, "third": old, OTHER: 0}


def test_names_that_cannot_be_encoded_are_counted_too():
    seen = Distinct()
    seen.add("\ud800")
    assert seen.estimate == 1
    assert seen._seen.dtype == np.uint8
