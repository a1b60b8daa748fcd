"""Lines of files, addresses and standard input, whole, cut and damaged."""

import gzip
import io
import os
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import fsspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from drift.errors import SourceError
from streams.sources import Line, lines, size

TEXT = b'{"a": 1}\n{"b": 2}\r\n\n   \n{"c": 3}'
EXPECTED = [Line(1, b'{"a": 1}'), Line(2, b'{"b": 2}'), Line(5, b'{"c": 3}')]


def zstd(data):
    return zstandard.ZstdCompressor().compress(data)


def stdin(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))


def until_damage(path):
    """What was delivered, and the error that ended it."""
    delivered = []
    with pytest.raises(SourceError) as caught:
        for line in lines(str(path)):
            delivered.append(line)
    return delivered, str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_compression_is_told_by_content_whatever_the_name(tmp_path, monkeypatch, pack):
    path = tmp_path / "calls.txt"
    path.write_bytes(pack(TEXT))
    assert list(lines(str(path))) == EXPECTED
    stdin(monkeypatch, pack(TEXT))
    assert list(lines("-")) == EXPECTED
    with fsspec.open("memory://calls.txt", "wb") as file:
        file.write(pack(TEXT))
    assert list(lines("memory://calls.txt")) == EXPECTED


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_members_and_frames_in_a_row_are_read_to_the_end(tmp_path, pack):
    path = tmp_path / "calls"
    path.write_bytes(pack(TEXT[:12]) + pack(b"") + pack(TEXT[12:]))
    assert list(lines(str(path))) == EXPECTED


def test_skippable_zstd_frames_are_passed_over(tmp_path):
    path = tmp_path / "calls"
    path.write_bytes(b"\x51\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstd(TEXT))
    assert list(lines(str(path))) == EXPECTED


@given(st.lists(st.binary(max_size=9).filter(lambda part: b"\n" not in part)), st.integers(1, 12), st.booleans())
def test_lines_agree_with_splitting_in_memory(parts, max_line, ended):
    data = b"x\n" + b"\n".join(parts) + b"\n" * ended
    whole = [part.removesuffix(b"\r") for part in data.split(b"\n")]
    expected = [
        Line(number, part[:max_line], len(part) > max_line)
        for number, part in enumerate(whole, start=1)
        if part and not part.isspace()
    ]
    with fsspec.open("memory://law", "wb") as file:
        file.write(data)
    assert list(lines("memory://law", max_line=max_line)) == expected


def test_a_byte_order_mark_is_dropped_and_utf_16_refused(tmp_path):
    path = tmp_path / "calls"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT)
    assert list(lines(str(path))) == EXPECTED
    path.write_bytes(TEXT.decode().encode("utf-16"))
    delivered, message = until_damage(path)
    assert delivered == []
    assert "iconv" in message


def test_an_empty_file_has_no_lines(tmp_path):
    path = tmp_path / "calls"
    path.touch()
    assert list(lines(str(path))) == []


def test_an_overlong_line_is_cut_and_marked_and_the_next_one_whole(tmp_path):
    path = tmp_path / "calls"
    path.write_bytes(b"a" * 10_000_000 + b"\n" + b"b" * (2**20 + 1) + b"\r\nc\n")
    first, second, third = lines(str(path))
    assert (first.number, first.data, first.overlong) == (1, b"a" * (2**20 + 1), True)
    assert (second.number, second.data, second.overlong) == (2, b"b" * (2**20 + 1), False)
    assert third == Line(3, b"c")


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_line_of_200_mb_without_an_end_is_never_held(tmp_path, pack):
    path = tmp_path / "bomb"
    path.write_bytes(pack(b"a" * 20_000_000) * 10)
    tracemalloc.start()
    try:
        (line,) = lines(str(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert line.overlong
    assert peak < 80_000_000


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_cut_file_delivers_its_complete_lines_and_then_says_so(tmp_path, pack):
    noise = [os.urandom(300).hex().encode() for _ in range(3_000)]  # incompressible: the content does not matter
    path = tmp_path / "calls"
    packed = pack(b"\n".join(noise))
    path.write_bytes(packed[: len(packed) * 2 // 3])
    delivered, message = until_damage(path)
    assert 1_000 < len(delivered) < 3_000
    assert [line.data for line in delivered] == noise[: len(delivered)]
    assert f"{len(delivered)} lines were read" in message
    assert str(path) in message


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_garbage_behind_or_inside_compressed_data_is_damage(tmp_path, pack):
    path = tmp_path / "calls"
    path.write_bytes(pack(TEXT + b"\n") + b"garbage")
    delivered, message = until_damage(path)
    assert delivered == EXPECTED
    assert "damaged" in message


def test_what_cannot_be_opened_is_named_with_a_remedy(tmp_path):
    for path, words in [
        (tmp_path / "none.jsonl", "does not exist"),
        (tmp_path, "is a folder"),
        ("memory://none.jsonl", "does not exist"),
        ("nosuch://bucket/calls.jsonl", "cannot be opened"),
    ]:
        delivered, message = until_damage(path)
        assert delivered == []
        assert message.startswith(f"{path} ")
        assert words in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named_with_a_remedy(tmp_path):
    path = tmp_path / "calls"
    path.touch(mode=0o000)
    assert "may not be read" in until_damage(path)[1]


def test_progress_counts_stored_bytes_up_to_the_size(tmp_path):
    path = tmp_path / "calls"
    path.write_bytes(gzip.compress(os.urandom(600_000)))
    told = []
    list(lines(str(path), progress=told.append))
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == size(str(path))


def test_the_size_is_unknown_where_it_cannot_be_known(tmp_path):
    assert size("-") is None
    assert size(str(tmp_path)) is None
    assert size(str(tmp_path / "none")) is None
    assert size("nosuch://x") is None
    with fsspec.open("memory://sized", "wb") as file:
        file.write(b"12345")
    assert size("memory://sized") == 5


def test_a_pipe_is_read_as_it_fills():
    program = "from streams.sources import lines\nfor line in lines('-'): print(line.data.decode(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"first\nsec")
        assert process.stdout.readline() == b"first\n"  # before the pipe is closed
        process.stdin.write(b"ond\n")
        assert process.stdout.readline() == b"second\n"
        process.stdin.close()
        assert process.wait() == 0
