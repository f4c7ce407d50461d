"""Run the notebooks from clean and write what they print into them.

Each runs in a fresh kernel that reads no settings of the user's, holds no key and
reaches this computer alone. What is written depends on the notebook, on Python and on
matplotlib alone: no times, no paths. ``make notebooks`` does it in place; the suite
does it elsewhere and compares. ``--help`` tells the options.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import nbformat
from matplotlib import font_manager
from nbclient import NotebookClient
from traitlets.config import Config

__all__ = ["execute", "main"]

NOTEBOOKS = Path(__file__).parent
PATIENCE = 120
"""Seconds of a cell; each takes one or two, and a busy computer some more."""

BEFOREHAND = '''
import logging
import sys


def _stay_here(event, args):
    """Refuse connections to other computers."""
    if event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
        if host not in ("127.0.0.1", "::1"):
            raise PermissionError(f"notebooks run offline, and this one asked {host}")


sys.addaudithook(_stay_here)
# That the list of prices has grown old would be logged from some day on.
logging.getLogger("langchain_moonshot_cache").addHandler(logging.NullHandler())
'''
"""What a kernel runs before the notebook."""


def execute(path: Path) -> str:
    """Run a notebook.

    Args:
        path: The notebook; its folder is where it runs.

    Returns:
        The notebook with its outputs, as JSON.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # it has no types
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        timeout=PATIENCE,
        record_timing=False,
        coalesce_streams=True,
        # Ports of loopback are open to every user of the computer.
        config=Config(KernelManager={"transport_encryption": "auto"}),
    )
    client.execute()
    # The display's name of the kernel is the user's choice, the rest is Python's.
    notebook.metadata.kernelspec.display_name = "Python 3"
    return f"{nbformat.writes(notebook)}\n"  # type: ignore[no-untyped-call]  # the same


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "notebook", nargs="*", type=Path, help="which ones; all of this folder if none"
    )
    parser.add_argument(
        "--into", type=Path, help="a folder for them; default: in place"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="notebooks-") as room:
        _begin_afresh(Path(room))
        for path in given.notebook or sorted(NOTEBOOKS.glob("*.ipynb")):
            target = (given.into or path.parent) / path.name
            target.write_text(execute(path), "utf-8")
            print(f"{path.name}: {target.stat().st_size:,} bytes")


def _begin_afresh(room: Path) -> None:
    """Give kernels an environment without keys, proxies and settings of the user's."""
    startup = room / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-beforehand.py").write_text(BEFOREHAND, "utf-8")
    for name in [*os.environ]:
        if name.upper().startswith(("MOONSHOT_", "LANGSMITH_", "LANGCHAIN_")):
            del os.environ[name]
    os.environ.update(
        IPYTHONDIR=str(room / "ipython"),
        JUPYTER_CONFIG_DIR=str(room / "config"),
        JUPYTER_DATA_DIR=str(room / "data"),
        JUPYTER_RUNTIME_DIR=str(room / "runtime"),
        MOONSHOT_CACHE_REGISTRY="memory://",
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
    # Imported above, matplotlib has looked for fonts by now: in a notebook it would say
    # so in the output.
    font_manager.get_font_names()


if __name__ == "__main__":
    main()
