"""``driftline prompts`` on a simulated chain of small edits."""

import json

import pytest

from benchmarks.prompt_chain import calls
from tests.streams import traffic


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """800 calls of v0, then six versions of 250 calls whose every edit reaches a quarter of the answers."""
    path = tmp_path_factory.mktemp("chain") / "year.jsonl"
    made = calls(3, anchor=800, edits=6, each=250, share=0.25)
    path.write_text("".join(json.dumps(call) + "\n" for call in made))
    return path


def documents(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


def test_small_edits_are_told_one_by_one_and_taken_together(driftline, chain):
    ran = driftline("prompts", "answer", chain, "--json", "--fail-on", "drift")
    assert ran.status == 1
    *links, whole = documents(ran)
    assert [one["version"] for one in links] == [f"v{k}" for k in range(1, 7)]
    assert {one["calls"] for one in links} == {250}
    assert links[-1]["outside"] and not links[0]["outside"]
    assert links[-1]["from_anchor"]["low"] > 0
    assert links[-1]["length_change"] > 0.05
    assert "6 edits since v0 have moved the answers of support-bot/answer" in whole["sentence"]
    assert "although no edit alone surely is" in whole["sentence"]
    assert whole["sentence"] in ran.err
    assert "from v0: 95 %" in ran.err


def test_the_anchor_can_be_another_version_of_the_file(driftline, chain):
    *links, whole = documents(driftline("prompts", "support-bot/answer", chain, "--anchor", "v5", "--json"))
    assert whole["anchor"] == "v5"
    assert {one["version"] for one in links} == {"v0", *(f"v{k}" for k in range(1, 7))} - {"v5"}
    assert not next(one for one in links if one["version"] == "v6")["outside"]


def test_a_stored_anchor_is_used_and_never_moves_by_itself(driftline, chain, tmp_path):
    first = tmp_path / "first.jsonl"
    first.write_text("".join(chain.read_text().splitlines(True)[:390]))
    assert driftline("baseline", "build", first).status == 0
    later = tmp_path / "later.jsonl"
    later.write_text("".join(chain.read_text().splitlines(True)[-390:]))
    assert driftline("baseline", "build", later, "--tag", "prod").status == 0
    *links, whole = documents(driftline("prompts", "answer", later, "--json"))
    assert whole["anchor"] == "v0"
    assert [one["version"] for one in links] == ["v5", "v6"]


def test_broken_rules_are_told(driftline, chain, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_PROMPTS", "{allowed: {answer: [v0, v1, v2, v3, v4, v5]}}")
    ran = driftline("prompts", "answer", chain, "--json")
    assert documents(ran)[-1]["rules_broken"] == {"unknown_version": 250}
    assert "prompt version v6, which is not an allowed one" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody",), "no prompt or segment 'nobody'; it has support-bot/answer"),
        (("answer", "--anchor", "v99"), "no baseline 'v99'"),
    ],
)
def test_names_that_are_not_there_are_refused_with_what_is(driftline, chain, arguments, said):
    name, *options = arguments
    driftline("baseline", "build", chain, "--first", "300")
    ran = driftline("prompts", name, chain, *options)
    assert ran.status == 2
    assert said in ran.err


def test_calls_without_versions_are_refused_with_the_remedy(driftline, write):
    bare = [{k: v for k, v in call.items() if k != "prompt_version"} for call in traffic.calls(0, 300)]
    ran = driftline("prompts", "answer", write(traffic.lines(bare)))
    assert ran.status == 2
    assert "carry no prompt_version" in ran.err and "--map" in ran.err


def test_versions_of_few_calls_make_no_anchor(driftline, write):
    made = [{**call, "prompt_version": f"v{n // 50}"} for n, call in enumerate(traffic.calls(0, 300))]
    ran = driftline("prompts", "answer", write(traffic.lines(made)))
    assert ran.status == 2
    assert "no prompt version has 200 calls" in ran.err


def test_watch_tells_a_deploy_from_model_drift_and_hot_edits_from_deploys(driftline, chain, tmp_path):
    lines = [json.loads(line) for line in chain.read_text().splitlines()]
    for number, line in enumerate(lines):
        line["prompt_hash"] = "aaaa" if number < 700 else "bbbb"
        if line["prompt_version"] == "v6" and "output" in line:
            line["output"] = f"**Summary**\n- {line['output']}\n- Ask me anything else!"
    edited = tmp_path / "edited.jsonl"
    edited.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = driftline("watch", edited, "--first", "390", "--json", "--summary", tmp_path / "verdicts.jsonl")
    alerts = [one for one in documents(ran) if one["state"] == "firing"]
    rule = next(one for one in alerts if one["detector"] == "hot_edit")
    assert rule["rule"] == {
        "rule": "hot_edit",
        "version": "v0",
        "before": "aaaa",
        "after": "bbbb",
        "calls": rule["rule"]["calls"],
    }
    assert "is another one though the version stayed (aaaa → bbbb)" in rule["sentence"]
    moved = next(one for one in alerts if one["detector"] == "prompt_chain")
    assert moved["kind"] == "prompt"
    assert moved["marker"]["field"] == "prompt_version"
    assert moved["chain"][0]["version"] == "v1"
    assert moved["delay"]["calls"] > 0
    assert not [one for one in alerts if one["kind"] == "model"]
    assert "hot edit" in ran.err
    (verdict,) = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert verdict["answer"] == "drift"
    assert verdict["sentence"] in ran.err
    assert verdict["rules_broken"]["hot_edit"] >= 90
    assert {one["kind"] for one in verdict["kinds"]} >= {"data", "model", "output_length", "operational", "prompt"}
