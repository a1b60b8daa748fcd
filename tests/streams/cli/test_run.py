"""``driftline run`` where it must not begin."""


def test_a_store_that_cannot_be_written_is_told_before_anything_is_read(driftline, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    ran = driftline("run", "--store", tmp_path / "file" / "store", "--brokers", "")
    assert ran.status == 2
    assert f"{tmp_path / 'file' / 'store'} cannot be reached" in ran.err
