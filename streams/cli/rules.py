"""``driftline rules``: write the rules of Prometheus for these settings."""

from __future__ import annotations

from pathlib import Path

import click

from drift.errors import SourceError
from streams.cli.common import console, say, settings_options
from streams.rules import groups, text
from streams.settings import Settings

NAME = "driftline.rules.yml"
COMMENT = "Written by 'driftline rules'. Change the table 'alerting' of the settings and write it again, not this file."


@click.command()
@click.option("--out", required=True, metavar="DIR", help="Folder to write them into; made if it is missing.")
@settings_options()
def rules(out: str, settings: Settings) -> None:
    """Write the recording and alerting rules of Prometheus for these settings, as DIR/driftline.rules.yml.

    Severities, thresholds, links and the job of the workers are those of the table 'alerting' of the settings. The file
    is replaced at once as a whole, so a Prometheus that reads it meanwhile sees the old or the new one.

    \b
      driftline rules --out /etc/prometheus/driftline
      DRIFTLINE_ALERTING_SEVERITIES='{model: page}' driftline rules --config driftline.yaml --out rules

    \b
    Let Prometheus load it, in prometheus.yml:
      rule_files: [/etc/prometheus/driftline/driftline.rules.yml]
    and say so to one that runs:
      promtool check rules /etc/prometheus/driftline/driftline.rules.yml
      kill -HUP PID, or curl -X POST http://localhost:9090/-/reload where it has --web.enable-lifecycle
    """
    made = groups(settings)
    path = _replace(Path(out), text({"groups": made}, COMMENT))
    found = [rule for group in made for rule in group["rules"]]
    alerts = sum("alert" in rule for rule in found)
    said = console()
    say(said, f"wrote {path}: {alerts} alerting rules, {len(found) - alerts} recording rules", style="green")
    say(
        said,
        f"alerts link to {settings.alerting.url} and {settings.alerting.runbooks}: alerting.url, alerting.runbooks",
    )


def _replace(folder: Path, content: str) -> Path:
    path, beside = folder / NAME, folder / f".{NAME}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_text(content, encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError as error:
        raise SourceError(f"--out {folder} is a file: name a folder") from error
    except OSError as error:
        raise SourceError(f"--out {folder} cannot be written: {error.strerror}; name a folder that can") from error
    return path
