"""What the tests of the command line share: running the installed command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("moonshot-cache"))
PATIENCE = 60  # seconds; far more than any command takes


def moonshot_cache(
    *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, without a key and on a wide screen."""
    known = {k: v for k, v in os.environ.items() if not k.startswith("MOONSHOT")}
    return subprocess.run(
        [COMMAND, *arguments],
        env={**known, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def python(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with this interpreter."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
