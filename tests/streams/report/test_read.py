"""Bad files: what is wrong is said, and nothing is made of them."""

import gzip

import pytest

from drift.errors import CorruptError, SourceError
from streams.report.read import read
from tests.streams.report import files


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(CorruptError) as error:
        read(str(path))
    return str(error.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "verdicts.jsonl"


def test_an_empty_file_is_said_to_be_empty(path):
    assert "is empty" in refused(path, b"")
    assert "is empty" in refused(path, b"\n\n")


@pytest.mark.parametrize("data", [b"hello\n", b"\x00\x01\x02", b'{"call_id": "a", "input": "hi"}\n', b"[1]\n"])
def test_what_is_no_verdict_file_is_said_to_be_none(path, data):
    assert "neither a verdict file (--verdicts) nor alert records (--json)" in refused(path, data)


@pytest.mark.parametrize("left", [0.3, 0.999])
def test_a_file_that_is_cut_off_between_or_inside_rows_is_refused(path, left):
    data = files.two_segments()
    inside = data[: int(len(data) * left)]
    assert "cut off" in refused(path, inside)
    between = inside[: inside.rindex(b"\n") + 1]
    assert "its end is missing" in refused(path, between)


def test_a_file_that_lacks_rows_in_the_middle_is_refused(path):
    lines = files.two_segments().splitlines(keepends=True)
    assert "is damaged" in refused(path, b"".join(lines[:100] + lines[105:]))


def test_a_packed_file_that_is_cut_off_is_refused(path):
    packed = gzip.compress(files.two_segments())
    assert "cut off or damaged" in refused(path, packed[: len(packed) // 2])


def test_two_files_in_one_are_refused(path):
    assert "two files in one" in refused(path, files.two_segments() * 2)


def test_a_file_of_another_format_names_its_release(path):
    data = files.two_segments().replace(b'"format":1,"release":"0.1.0"', b'"format":9,"release":"7.0.0"', 1)
    assert "is of format 9 (written by Driftline 7.0.0), this release reads format 1" in refused(path, data)


def test_alert_records_followed_by_something_else_are_refused(path):
    assert "line 2 is no alert record" in refused(path, files.record() + b'{"x": 1}\n')
    assert "line 2 is no alert record" in refused(path, files.record() + files.record()[:40])


def test_strange_records_among_alerts_are_counted(path):
    path.write_bytes(files.record() + files.record(effect="large"))
    assert read(str(path)).strange == 1


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(SourceError):
        read(str(tmp_path / "nowhere.jsonl"))
