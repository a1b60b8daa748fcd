"""``driftline rules``: a whole file or none, for the settings that were given."""

import yaml


def rules(path):
    return {rule.get("alert"): rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]}


def test_rules_are_written_for_the_settings_and_replace_older_ones(driftline, tmp_path, monkeypatch):
    out = tmp_path / "new" / "rules"
    assert driftline("rules", "--out", out).status == 0
    assert rules(out / "driftline.rules.yml")["DriftlineModelDrift"]["labels"]["severity"] == "ticket"
    config = tmp_path / "driftline.yaml"
    config.write_text("alerting: {severities: {model: page}, url: 'https://drift.example.com/'}")
    monkeypatch.setenv("DRIFTLINE_ALERTING_KEEP_FIRING_S", "1200")
    ran = driftline("rules", "--config", config, "--out", out)
    assert (ran.status, ran.out) == (0, b"")
    assert "driftline.rules.yml: 17 alerting rules, 7 recording rules" in ran.err
    model = rules(out / "driftline.rules.yml")["DriftlineModelDrift"]
    assert (model["labels"]["severity"], model["keep_firing_for"]) == ("page", "20m")
    assert model["annotations"]["evidence_url"] == "https://drift.example.com/alerts/{{ $labels.alert_id }}"
    assert [file.name for file in out.iterdir()] == ["driftline.rules.yml"]


def test_a_place_that_is_no_folder_or_cannot_be_written_is_refused(driftline, tmp_path):
    file = tmp_path / "file"
    file.touch()
    ran = driftline("rules", "--out", file)
    assert (ran.status, ran.err) == (2, f"driftline: --out {file} is a file: name a folder")
    ran = driftline("rules", "--out", file / "in")
    assert ran.status == 2
    assert "cannot be written: Not a directory" in ran.err
    (tmp_path / "out" / "driftline.rules.yml").mkdir(parents=True)
    ran = driftline("rules", "--out", tmp_path / "out")
    assert ran.status == 2
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["driftline.rules.yml"]


def test_settings_that_do_not_fit_are_refused_before_anything_is_written(driftline, tmp_path, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_ALERTING_SEVERITIES", "{modle: page}")
    ran = driftline("rules", "--out", tmp_path / "out")
    assert ran.status == 2
    assert "unknown kind or alert modle" in ran.err
    assert not (tmp_path / "out").exists()
