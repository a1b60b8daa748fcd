"""``make demo-kafka``: the demo through the live service, on whatever broker this machine has."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.brokers import ROOT, at_hand

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, at_hand(Path(folder)) as address:
        command = [sys.executable, "-m", "tests.integration.driftline", "demo", "--live", "--brokers", address]
        sys.exit(subprocess.run(command, cwd=ROOT).returncode)
