"""What is found in the judge's table: of each segment what its latest owner wrote, or nothing where some is missing."""

import msgspec

from streams.kafka.saved import NOTHING, Checkpoint, found, key, read_key
from streams.ledger import Place


def checkpoint(*segments):
    return Checkpoint(Place(offset=7), {"judged_calls": 3}, 6, list(segments))


def table(*records):
    """Records of partition, epoch, segment (empty: the checkpoint) and value."""
    return {key(*name): value for *name, value in records}


def test_of_each_segment_the_latest_epoch_counts_and_other_partitions_do_not():
    known = checkpoint("a", "b/c#shadow")
    records = [
        (1, 4, "", msgspec.msgpack.encode(known)),
        (1, 2, "", b"older"),
        (1, 4, "a", b"new"),
        (1, 2, "a", b"old"),
    ]
    records += [(1, 2, "b/c#shadow", b"kept"), (2, 9, "a", b"of another"), (1, 5, "gone", b"")]
    one = found(table(*records), 1)
    assert one.checkpoint == known
    assert one.segments == {"a": (4, b"new"), "b/c#shadow": (2, b"kept")}
    assert (one.epoch, one.missing) == (4, 0)


def test_where_a_segment_is_missing_it_is_as_if_nothing_had_been_saved_but_for_the_epoch():
    records = [(1, 4, "", msgspec.msgpack.encode(checkpoint("a", "b"))), (1, 4, "a", b"here")]
    assert found(table(*records), 1) == (NOTHING, {}, 4, 1)


def test_segments_without_a_checkpoint_are_not_taken_over():
    assert found(table((1, 3, "a", b"here")), 1) == (NOTHING, {}, 3, 0)
    assert found({}, 1) == (NOTHING, {}, 0, 0)


def test_a_key_is_read_as_it_was_made():
    assert read_key(key(3, 12, "a/b\0c")) == (3, 12, "a/b\0c")
