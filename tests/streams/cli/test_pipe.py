"""Entries in batches: as they come, all that was read, and Ctrl-C."""

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from drift.errors import BrokenOffError, SourceError
from streams.cli.common import Entry
from streams.cli.pipe import BATCH, Stopped, batches

ENTRIES = [Entry(number, None) for number in range(2 * BATCH + 10)]


@pytest.fixture
def source():
    """Makes a reader of entries that then raises an error, or falls silent until the test is over."""
    over = threading.Event()

    def source(entries, error=None, path="-", silent=False):
        def read(progress):
            progress(1)
            yield from entries
            if silent:
                over.wait()
            if error:
                raise error

        return SimpleNamespace(path=path, entries=read)

    yield source
    over.set()


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def ignore(done):
    pass


@pytest.mark.parametrize("path", ["-", "calls.jsonl"])
def test_all_entries_come_in_order_and_in_batches_of_a_thousand_at_most(source, path):
    with batches(source(ENTRIES, path=path), ignore) as read:
        found = list(read)
    assert [one for batch in found for one in batch] == ENTRIES
    assert max(map(len, found)) <= BATCH


def test_what_has_come_is_given_out_while_a_pipe_is_silent(source):
    with batches(source(ENTRIES[:3], silent=True), ignore) as read:
        assert next(read) == ENTRIES[:3]


@pytest.mark.parametrize("path", ["-", "calls.jsonl"])
@pytest.mark.parametrize("error", [BrokenOffError("cut off"), SourceError("holds no lines"), ValueError("a defect")])
def test_errors_come_through_after_every_batch_that_was_full(source, path, error):
    found = []
    with pytest.raises(type(error), match=str(error)), batches(source(ENTRIES[:BATCH], error, path), ignore) as read:
        found += read
    assert [one for batch in found for one in batch][:BATCH] == ENTRIES[:BATCH]


@pytest.mark.parametrize("path", ["-", "calls.jsonl"])
def test_all_that_came_before_a_source_broke_off_is_given_out(source, path):
    found = []
    with pytest.raises(BrokenOffError), batches(source(ENTRIES[:7], BrokenOffError("cut"), path), ignore) as read:
        found += read
    assert [one for batch in found for one in batch] == ENTRIES[:7]


def test_ctrl_c_gives_out_all_that_was_read_from_a_silent_pipe_and_ends_it(source):
    found = []
    with pytest.raises(Stopped), batches(source(ENTRIES, silent=True), ignore) as read:
        found.append(next(read))
        interrupt()
        found += read
    assert [one for batch in found for one in batch] == ENTRIES


def test_nothing_is_read_after_ctrl_c(source):
    told, found = [], []
    with pytest.raises(Stopped), batches(source(ENTRIES), told.append) as read:
        interrupt()
        found += read
    assert (told, found) == ([], [])


def test_a_second_ctrl_c_interrupts_at_once_and_the_next_as_ever(source):
    with pytest.raises(KeyboardInterrupt) as caught, batches(source(ENTRIES, silent=True), ignore):
        interrupt()
        interrupt()
    assert caught.type is KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_a_job_in_the_background_that_ignores_ctrl_c_goes_on_doing_so(source):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with batches(source(ENTRIES[:3]), ignore) as read:
            interrupt()
            assert list(read) == [ENTRIES[:3]]
    finally:
        signal.signal(signal.SIGINT, before)
