"""``driftline archive`` and what reads archives, run as a shell would."""

import builtins
import json
from pathlib import Path

import pytest

from drift import baseline as baselines
from drift.block import sizes
from streams.archive import Archive
from streams.archive_rows import Row
from streams.building import measured_panes
from streams.evidence import instant
from streams.observe import Clock
from tests.streams import panes as ticks
from tests.streams import traffic


@pytest.fixture
def address(tmp_path):
    made = Archive(str(tmp_path / "archive"), create=True)
    made.add(Row.of(sent) for one in ticks.plain() for sent in one.panes)
    return made.address


def values(ran):
    assert ran.status == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def test_show_tells_each_segment_and_lens(driftline, address):
    ran = driftline("archive", "show", address)
    assert ran.status == 0
    assert "other" in ran.err and "support-bot/answer" in ran.err and "10 s" in ran.err
    (one,) = values(driftline("archive", "show", address, "--json", "--segment", traffic.SEGMENT))
    assert (one["calls"], one["exact"], one["resolution_s"], one["gaps"]) == (1000, True, 10.0, [])
    assert one["from"].startswith("2026-01-05")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--lens", "abc"), "no panes seen through lens abc; it holds those of"),
        (("--segment", "nobody"), "holds no panes of nobody: it holds other, support-bot/answer"),
    ],
)
def test_what_is_not_there_is_told(driftline, address, given, said):
    ran = driftline("archive", "show", address, *given)
    assert ran.status == 2
    assert said in ran.err


def test_compact_sums_up_by_age_and_says_what_became_of_it(driftline, address):
    (done,) = values(driftline("archive", "compact", address, "--older-than", "1s", "--json"))
    assert done["rows"] > done["kept"] > 0
    ran = driftline("archive", "compact", address, "--older-than", "1s", "--into", "5m")
    assert "became" in ran.err
    assert "300 s (of 10 s)" in driftline("archive", "show", address).err
    ran = driftline("archive", "compact", address, "--older-than", "5000w")
    assert "nothing is old enough" in ran.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--older-than", "7d", "--into", "7m"), "must divide an hour evenly"),
        (("--older-than", "7d", "--into", "2h"), "must divide an hour evenly"),
        (("--older-than", "soon"), "'soon' is no duration"),
        ((), "Missing option '--older-than'"),
    ],
)
def test_a_wrong_length_or_age_is_told(driftline, address, given, said):
    ran = driftline("archive", "compact", address, *given)
    assert ran.status == 2
    assert said in ran.err


def test_import_copies_and_adds_nothing_twice(driftline, address, tmp_path):
    (first,) = values(driftline("archive", "import", address, tmp_path / "copy", "--json"))
    (again,) = values(driftline("archive", "import", address, tmp_path / "copy", "--json"))
    assert first["added"] == again["known"] == sum(len(one.panes) for one in ticks.plain())
    assert first["known"] == again["added"] == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--from", "2026-02-01", "--to", "2026-01-01"), "turn them round"),
        (("--from", "2027-01-01"), "it reaches from 2026-01-05"),
        (("--segment", "nobody"), "holds no panes of these segments"),
    ],
)
def test_an_import_of_nothing_is_refused_and_leaves_nothing(driftline, address, tmp_path, given, said):
    ran = driftline("archive", "import", address, tmp_path / "copy", *given)
    assert ran.status == 2
    assert said in ran.err
    assert not (tmp_path / "copy").exists()


def test_an_archive_that_is_cut_off_ends_with_3_and_the_name_of_the_file(driftline, address, tmp_path):
    (path,) = Path(address).rglob("*.parquet")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for command in (
        ("archive", "show", address),
        ("archive", "import", address, tmp_path / "copy"),
        ("archive", "compact", address, "--older-than", "1s"),
        ("baseline", "build", "--from-archive", address, "--segment", traffic.SEGMENT),
    ):
        ran = driftline(*command)
        assert ran.status == 3
        assert path.name in ran.err and "is cut off or damaged" in ran.err
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("command", [("show",), ("compact", "--older-than", "7d")])
def test_what_is_no_archive_is_told(driftline, tmp_path, command):
    ran = driftline("archive", *command, tmp_path)
    assert ran.status == 2
    assert "is no archive" in ran.err or "there is no archive" in ran.err


def test_without_pyarrow_it_says_what_to_install(driftline, tmp_path, monkeypatch):
    real = builtins.__import__

    def importing(name, *given, **more):
        if name.startswith("pyarrow"):
            raise ImportError("No module named 'pyarrow'")
        return real(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", importing)
    ran = driftline("archive", "export", tmp_path / "archive")
    assert ran.status == 2
    assert "pip install 'driftline[archive]'" in ran.err


def test_an_export_without_a_cluster_or_of_a_reversed_range_is_refused(driftline, tmp_path):
    ran = driftline("archive", "export", tmp_path / "archive")
    assert (ran.status, (tmp_path / "archive").exists()) == (2, False)
    ran = driftline("archive", "export", tmp_path / "archive", "--from", "2026-02-01", "--to", "2026-01-01")
    assert ran.status == 2
    assert "turn them round" in ran.err
    ran = driftline("archive", "export", tmp_path / "archive", "--calls", "calls.jsonl")
    assert ran.status == 2
    assert "give --measures too" in ran.err


def test_measures_of_a_file_are_exported_by_choice(driftline, write, tmp_path):
    path = write(traffic.lines(traffic.calls(0, 300)))
    for said in ("added measures of 300 calls", "300 were there already"):
        ran = driftline("archive", "export", tmp_path / "archive", "--measures", "--calls", path)
        assert ran.status == 0
        assert said in ran.err
    ran = driftline("archive", "export", tmp_path / "a", "--measures", "--calls", path, "--segment", "nobody")
    assert ran.status == 2
    assert not (tmp_path / "a").exists()


@pytest.fixture
def measured(driftline, tmp_path):
    """An archive that holds measures of calls, and their file."""
    path, place = tmp_path / "calls.jsonl", str(tmp_path / "measured")
    path.write_bytes(b"".join(one + b"\n" for one in traffic.lines(traffic.calls(0, 1600, changed_from=1300))))
    assert driftline("archive", "export", place, "--measures", "--calls", path).status == 0
    return place, path


def test_show_tells_what_measures_there_are(driftline, measured):
    (one,) = values(driftline("archive", "show", measured[0], "--json"))
    assert (one["measures_of"], one["calls"]) == (traffic.SEGMENT, 1600)
    assert "measures take" in driftline("archive", "show", measured[0]).err


def test_a_lens_of_its_own_is_fitted_and_judged_through_without_texts(driftline, measured, normal, monkeypatch):
    place, path = measured
    monkeypatch.setenv("DRIFTLINE_TEXTS", "none")
    of_calls, of_measures = (
        values(driftline("baseline", "build", *given, "--first", "1000", "--json"))[0]
        for given in ((path,), ("--from-archive", place, "--measures"))
    )
    assert of_measures["facts"]["source"] == f"measures of archive {place}"
    assert [of_measures[name] for name in ("lens", "calls", "topics")] == [
        of_calls[name] for name in ("lens", "calls", "topics")
    ]
    name = of_measures["baseline"]
    (after,) = traffic.records(traffic.calls(1000, 1001))
    start = ("--from", instant(after.event_time))
    wanted = driftline("replay", "--baseline", name, "--observe", path, *start, "--json")
    found = driftline("replay", "--baseline", name, "--observe", "--archive", place, *start, "--json")
    assert (found.status, wanted.status) == (0, 0), found.err
    assert b'"firing"' in found.out
    assert found.out == wanted.out
    both = driftline("replay", "--baseline", name, "--baseline", normal, "--observe", "--archive", place, *start)
    assert "600 calls in" in both.err, "once, though seen through two lenses"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("--from", "2026-02-01"),
            "of calls from 2026-02-01 on; its measures reach from 2026-01-05 to",
        ),
        (("--observe", "calls.jsonl"), "--archive has calls of its own: leave the value of --observe out"),
        (("--mixed",), "--mixed is of panes, --observe measures calls: give one of them"),
    ],
)
def test_what_cannot_be_measured_again_is_told(driftline, measured, normal, given, said):
    ran = driftline("replay", "--baseline", normal, "--observe", "--archive", measured[0], *given)
    assert (ran.status, ran.out) == (2, b"")
    assert said in ran.err


def test_days_that_are_not_asked_for_are_not_read(driftline, measured, normal):
    (own,) = Path(measured[0], "measures").glob("*/2026-01-05")
    (own.parent / "2026-01-06").mkdir()
    (own.parent / "2026-01-06" / "0123456789abcdef.parquet").write_bytes(b"cut off")
    asked = ("replay", "--baseline", normal, "--observe", "--archive", measured[0])
    assert driftline(*asked, "--to", "2026-01-06").status == 0
    ran = driftline(*asked)
    assert ran.status == 3 and "0123456789abcdef.parquet is cut off or damaged" in ran.err


def test_measures_of_another_embedder_or_none_are_told(driftline, measured, address, normal):
    ran = driftline("replay", "--baseline", normal, "--observe", "--archive", address)
    assert ran.status == 2 and "driftline archive export --measures" in ran.err
    ran = driftline("replay", "--baseline", normal, "--archive", measured[0])
    assert ran.status == 2 and "it holds measures of calls: driftline replay --observe" in ran.err
    ran = driftline("baseline", "build", "--measures", measured[1])
    assert ran.status == 2 and "name it by --from-archive" in ran.err


def test_a_baseline_is_built_of_an_archive_and_named(driftline, address, tmp_path):
    ran = driftline(
        *("baseline", "build", "--from-archive", address, "--segment", traffic.SEGMENT, "--tag", "prod", "--json")
    )
    (one,) = values(ran)
    assert (one["calls"], one["facts"]["source"]) == (1000, f"archive {address}")
    assert driftline("baseline", "show", f"{traffic.SEGMENT}@prod").status == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "SOURCE, or --from-archive ADDRESS: one of them"),
        (("calls.jsonl", "--from-archive", "{}"), "one of them"),
        (("--from-archive", "{}", "--first", "400"), "choose a range by --from and --to"),
        (("--from-archive", "{}", "--segment", "nobody"), "holds no panes of nobody"),
        (("--from-archive", "{}", "--lens", "0123456789abcdef"), "were seen through lens 0123456789abcdef"),
        (("--from-archive", "{}", "-o", "x.safetensors"), "has 2 segments: choose one by --segment"),
        (("--from-archive", "{}", "--from", "2026-02-01", "--to", "2026-01-01"), "turn them round"),
        (("--from-archive", "nowhere"), "there is no archive at nowhere"),
    ],
)
def test_what_no_baseline_can_be_built_of_is_told(driftline, address, given, said):
    ran = driftline("baseline", "build", *(one.format(address) for one in given))
    assert ran.status == 2
    assert said in ran.err


@pytest.fixture(scope="session")
def changed(tmp_path_factory):
    """A file that holds a baseline of another model's calls, through the lens of the first."""
    lens = traffic.baseline().lens
    records = traffic.records(traffic.calls(1000, 2000, changed_from=0))
    panes = measured_panes(traffic.meter(), lens, records, Clock(), baselines.REFERENCE)
    path = tmp_path_factory.mktemp("diff") / "changed.safetensors"
    path.write_bytes(baselines.encode(baselines.build(lens, panes, sizes(panes), runs=0)))
    return path


def test_diff_says_how_two_baselines_differ(driftline, normal, changed):
    ran = driftline("baseline", "diff", normal, changed)
    assert ran.status == 0
    assert "answers like questions differently" in ran.err
    assert "the served model went from atlas-2-0301 to atlas-3" in ran.err
    found = {one["detector"]: one for one in values(driftline("baseline", "diff", normal, changed, "--json"))}
    assert found["answers"]["answer"] == "drift"
    assert found["topics"]["answer"] == "no_drift"
    assert found["answers"]["a"] == traffic.baseline().id
    ran = driftline("baseline", "diff", normal, normal)
    assert "they do not differ by more than is tolerated" in ran.err


def test_diff_of_two_lenses_names_both_and_the_remedy(driftline, normal, address, tmp_path):
    other = tmp_path / "other.safetensors"
    made = ("baseline", "build", "--from-archive", address, "--segment", traffic.SEGMENT, "-o", other)
    assert driftline(*made).status == 0
    ran = driftline("baseline", "diff", normal, other)
    assert ran.status == 2
    assert f"--lens {traffic.baseline().pane.lens}" in ran.err
    assert traffic.meter().default_lens().id in ran.err
