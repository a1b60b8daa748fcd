"""A meter as the settings want it."""

from __future__ import annotations

from drift.errors import SettingsError
from models.base import load_embedder
from streams.measure import Meter
from streams.settings import Settings


def open_meter(settings: Settings) -> Meter:
    """The embedder of the settings, ready to measure."""
    tuned = {"device": settings.device, "batch_size": settings.batch_size, "half": settings.half}
    try:
        embedder = load_embedder(settings.embedder, **(tuned if settings.embedder != "wordllama" else {}))
    except (ValueError, ImportError, OSError) as error:
        raise SettingsError(f"embedder: {error}") from error
    return Meter(embedder, texts=settings.texts, salt=settings.salt)
