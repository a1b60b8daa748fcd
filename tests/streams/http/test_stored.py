"""Segments that a worker judges, and baselines of its store."""

import asyncio

from streams.http.baselines import KEPT_S, Baselines
from streams.http.segments import SHOWN
from streams.store import Store
from tests.streams.http.asking import PROGRAM, ask, demo_store, site
from tests.streams.http.records import IMAGE, SCRIPT
from tests.streams.http.test_texts import inside
from tests.streams.test_store import some_baseline


def kind(name, answer="no_drift", **more):
    return {"kind": name, "answer": answer, "ratio": 0.45, "effect": 0.02, "unit": "points", "reason": ""} | more


def segment(app="bot", **more):
    return {
        "app": app,
        "prompt_name": "answer",
        "variant": "",
        "state": "judged",
        "baseline": "b2889dc17e825612",
        "judged_until": "2026-01-24T08:00:00.000Z",
        "calls": 12_345,
        "standing": ["4c52543ae3f7f13d"],
        "kinds": [
            kind("data"),
            kind("output_length", "drift", ratio=1.3, effect=-0.68, unit="ratio"),
            kind("model", "not_enough_data", effect=None, reason="only 12 of 200 calls"),
        ],
    } | more


FILLING = segment(
    "shop", state="filling", baseline="", judged_until="", calls=0, kinds=[], standing=[], variant="shadow"
)


def test_segments_are_told_to_programs_as_they_are():
    found = ask(site(overviews=lambda: [FILLING, segment()]), "/segments", headers=PROGRAM).fields
    assert found == {"segments": [segment(), FILLING], "of": "this worker only: others judge others"}


def test_segments_are_told_to_people():
    page = ask(site(overviews=lambda: [FILLING, segment()]), "/segments").text
    text = inside(page).text
    for said in (
        *("Each segment has one judge: other workers judge others.", "bot", "answer", "shop", "(shadow)", "12,345"),
        *("no drift", "45 % of the threshold", "+2 points", "drift", "130 % of the threshold", "−68 %"),
        *("not enough data", "only 12 of 200 calls", "08:00 UTC on 24 January 2026", "b2889dc17e825612", "none yet"),
    ):
        assert said in text, said
    assert 'href="/alerts/4c52543ae3f7f13d"' in page
    assert "Quality" not in text


def test_segments_are_chosen_by_app_and_state():
    shown = site(overviews=lambda: [FILLING, segment()])
    assert [one["app"] for one in ask(shown, "/segments?format=json&state=filling").fields["segments"]] == ["shop"]
    assert [one["app"] for one in ask(shown, "/segments?format=json&app=bot").fields["segments"]] == ["bot"]
    assert "No segment fits this choice." in ask(shown, "/segments?app=no").text
    assert "judges no segment at present" in ask(site(), "/segments").text


def test_of_many_segments_a_page_shows_the_first_and_says_so():
    many = [segment(f"app{n:04}") for n in range(SHOWN + 1)]
    page, found = ask(site(overviews=lambda: many), "/segments", "/segments?format=json")
    assert "500 of 501 are shown" in page.text and "app0499" in page.text and "app0500" not in page.text
    assert len(found.fields["segments"]) == SHOWN + 1


def test_segments_of_an_enemy_are_text():
    friendly = ask(site(overviews=lambda: [segment()]), "/segments").text
    evil = segment(SCRIPT, prompt_name=IMAGE, kinds=[kind("data", "not_enough_data", reason=SCRIPT)], reason=IMAGE)
    page = ask(site(overviews=lambda: [evil]), "/segments").text
    assert inside(page).tags <= inside(friendly).tags
    assert SCRIPT in inside(page).text


def test_tags_and_baselines_are_told(tmp_path):
    one, other = some_baseline(1), some_baseline(2, "shop/<b>")
    shown = site(store=demo_store(tmp_path, one, other))
    found = ask(shown, "/baselines", headers=PROGRAM).fields
    assert [(tag["segment"], tag["tag"], tag["baseline"], tag["by"]) for tag in found["tags"]] == [
        ("bot", "prod", one.id, "ann"),
        ("shop/<b>", "prod", other.id, "ann"),
    ]
    assert found["tags"][0]["holds_from"] == "" and found["tags"][0]["why"] == "a <new> model"
    assert [(known["id"], known["segment"], known["calls"]) for known in found["baselines"]] == [
        (one.id, "bot", 250),
        (other.id, "shop/<b>", 250),
    ]
    assert found["baselines"][0]["end"] == "1970-01-01T00:00:10.000Z"
    assert found["baselines"][0]["age_s"] > 50 * 365 * 86_400
    page = ask(shown, "/baselines").text
    for said in (one.id, other.id, one.lens.id, "bot", "shop/<b>", "@prod", "ann", "a <new> model", "250", "ever"):
        assert said in inside(page).text, said
    assert "<b>" not in page


def test_baselines_are_chosen_by_segment(tmp_path):
    shown = site(store=demo_store(tmp_path, some_baseline(1), some_baseline(2, "shop")))
    found = ask(shown, "/baselines?segment=shop&format=json").fields
    assert [one["segment"] for one in found["tags"] + found["baselines"]] == ["shop", "shop"]
    text = inside(ask(shown, "/baselines?segment=none").text).text
    assert "No baseline of this segment is stored." in text and "No tag of this segment was ever set." in text


def test_a_store_that_holds_nothing_yet_is_told_and_not_made(tmp_path):
    page = ask(site(store=Store(str(tmp_path / "none"))), "/baselines").text
    assert "No baseline is stored yet." in page
    assert not (tmp_path / "none").exists()


def test_what_is_damaged_is_told(tmp_path):
    one = some_baseline(1)
    store = demo_store(tmp_path, one)
    (tmp_path / "baselines" / f"{one.id}.safetensors").write_bytes((2).to_bytes(8, "little") + b"xx")
    found = ask(site(store=store), "/baselines", headers=PROGRAM)
    assert found.status == 503
    assert "is damaged" in found.fields["error"]


def test_the_store_is_asked_once_in_a_while_however_often_pages_are(tmp_path):
    store, clock = demo_store(tmp_path, some_baseline(1)), [0.0]

    async def steps():
        pages = Baselines(site(store=store), now=lambda: clock[0])
        first = await asyncio.gather(*(pages.look() for _ in range(5)))
        demo_store(tmp_path, some_baseline(2, "shop"))
        clock[0] = KEPT_S
        second = await pages.look()
        clock[0] = KEPT_S + 1
        return first, second, await pages.look()

    first, second, third = asyncio.run(steps())
    assert all(one is first[0] for one in first) and second is first[0]
    assert [len(first[0].baselines), len(third.baselines)] == [1, 2]
