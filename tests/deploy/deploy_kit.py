"""The files of ``deploy/``, taken apart for the tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = [
    "CADDYFILE",
    "COMPOSE",
    "ENGINES",
    "FOLDER",
    "GATEWAYS",
    "PROMETHEUS",
    "ROOT",
    "SERVICES",
]

Json = dict[str, Any]

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy"
COMPOSE: Final[Json] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
PROMETHEUS: Final[Json] = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
CADDYFILE: Final = (FOLDER / "Caddyfile").read_text("utf-8")
SERVICES: Final[dict[str, Json]] = COMPOSE["services"]
GATEWAYS: Final = {
    name: service
    for name, service in SERVICES.items()
    if re.fullmatch(r"gateway-\d+", name)
}
ENGINES: Final = {
    name: service for name, service in SERVICES.items() if "profiles" in service
}
