"""Runs the broker that all processes of a test session share, until the last of them has ended, however it ended.

``python -m tests.integration.keeper HOME FOLDER``: whoever uses the broker holds a shared lock on ``FOLDER/users``. The
system drops the locks of whoever ends or dies, so the keeper needs only wait for a lock that excludes them all.
"""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

from tests.integration.brokers import Broker


def main(home: Path, folder: Path) -> None:
    """Start, say where, wait, stop."""
    state = folder / "address"
    with Broker(home, folder / "kafka") as broker, (folder / "users").open("wb") as users:
        (folder / "part").write_text(broker.address)
        (folder / "part").rename(state)
        fcntl.flock(users, fcntl.LOCK_EX)
        state.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
