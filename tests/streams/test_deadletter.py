"""Rejected lines: kept, counted, and never in the way."""

import base64
import json
import os
from pathlib import Path

import pytest

from streams.deadletter import DeadLetters
from streams.records import Rejected, decode

FULL = Path("/dev/full")


def letters(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_letter_holds_what_was_wrong_and_the_line_as_it_came(tmp_path):
    path = tmp_path / "dead.jsonl"
    rejected = decode(b'{"app": 1.5}', now_ms=0)
    assert isinstance(rejected, Rejected)
    with DeadLetters(path) as dead:
        dead.write(7, rejected.reason, rejected.field, rejected.detail, b'{"app": 1.5}')
    assert letters(path) == [
        {"line": 7, "reason": "wrong_type", "field": "app", "detail": rejected.detail, "data": '{"app": 1.5}'}
    ]
    assert dead.counts == {"wrong_type": 1}


def test_a_line_that_is_not_utf_8_is_kept_in_base64(tmp_path):
    path = tmp_path / "dead.jsonl"
    with DeadLetters(path) as dead:
        dead.write(1, "not_json", "", "no", b"\xff\x00")
    (letter,) = letters(path)
    assert base64.b64decode(letter["data_base64"]) == b"\xff\x00"
    assert "data" not in letter


@pytest.mark.parametrize("data", [b"a" * 70_000, b"a" + "é".encode() * 40_000, b"\xff" * 70_000])
def test_a_long_line_is_cut_at_64_kib_between_characters(tmp_path, data):
    path = tmp_path / "dead.jsonl"
    with DeadLetters(path) as dead:
        dead.write(1, "too_large", "", "no", data)
    (letter,) = letters(path)
    kept = letter["data"].encode() if "data" in letter else base64.b64decode(letter["data_base64"])
    assert letter["cut"] is True
    assert data.startswith(kept)
    assert 65_535 <= len(kept) <= 65_536


def test_nothing_rejected_leaves_no_file(tmp_path):
    with DeadLetters(tmp_path / "dead.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_appended_to(tmp_path):
    path = tmp_path / "dead.jsonl"
    for number in (1, 2):
        with DeadLetters(str(path)) as dead:
            dead.write(number, "not_json", "", "no", b"x")
    assert [letter["line"] for letter in letters(path)] == [1, 2]


def test_without_a_path_letters_are_counted_only():
    with DeadLetters(None) as dead:
        dead.write(1, "not_json", "", "no", b"x")
        dead.write(2, "not_json", "", "no", b"x")
    assert (dead.counts, dead.lost) == ({"not_json": 2}, 0)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param(FULL, "No space left", marks=pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")),
        (Path("/nowhere/at/all/dead.jsonl"), "No such file"),
    ],
)
def test_what_cannot_be_written_is_told_once_and_counted(path, words):
    told = []
    with DeadLetters(path, warn=told.append) as dead:
        for number in range(3):
            dead.write(number, "not_json", "", "no", b"x")
    (message,) = told
    assert words in message
    assert str(path) in message
    assert (dead.counts["not_json"], dead.lost) == (3, 3)


def test_a_disk_that_fills_up_half_way_leaves_no_torn_line(tmp_path, monkeypatch):
    path = tmp_path / "dead.jsonl"
    whole = os.write
    room = iter([True, False, True])
    monkeypatch.setattr("os.write", lambda to, data: whole(to, data if next(room) else data[:10]))
    with DeadLetters(path, warn=lambda _: None) as dead:
        for number in (1, 2, 3):
            dead.write(number, "not_json", "", "no", b"x")
    assert [letter["line"] for letter in letters(path)] == [1, 3]
    assert dead.lost == 1
