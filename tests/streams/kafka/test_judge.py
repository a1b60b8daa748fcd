"""What the judge's app leaves behind."""

import asyncio

import faust

from streams.kafka.judge import without_folders


def test_the_app_makes_no_folder_where_it_is_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = faust.App("driftline-judge", broker="kafka://localhost:1", store="memory://", topic_allow_declare=False)
    without_folders(app)
    asyncio.run(app.on_first_start())
    assert list(tmp_path.iterdir()) == []
