"""Options that several commands take, each written once.

ruff would have imports that only annotations use moved out of typer's sight; its
configuration excepts this module, so that commands may import from here as usual.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from langchain_moonshot_cache.cli.completion import known_cache_ids

__all__ = [
    "AsJson",
    "BaseUrl",
    "CacheId",
    "CacheIds",
    "KeyFile",
    "PriceFile",
    "RegistryUrl",
    "Yes",
]

_ENDPOINT = "Endpoint"

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON to standard output.")
]

BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        rich_help_panel=_ENDPOINT,
        help="Root of the API; default: MOONSHOT_API_BASE, else Moonshot's.",
    ),
]

KeyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        rich_help_panel=_ENDPOINT,
        help="A file that holds the API key; default: MOONSHOT_API_KEY itself.",
    ),
]
"""There is no option for the key: every user of a machine may read its process list."""

PriceFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="A JSON file of prices, as PriceBook.from_file() in Python takes it; "
        "default: the list prices that come with the package.",
    ),
]

RegistryUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--registry",
        metavar="URL",
        rich_help_panel=_ENDPOINT,
        help="Where clients keep what they know of caches: sqlite:///path or "
        "redis://host/0; default: MOONSHOT_CACHE_REGISTRY, the place for a URL with a "
        "password, else the file in your cache directory.",
    ),
]

CacheId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", autocompletion=known_cache_ids)
]

CacheIds: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID...", autocompletion=known_cache_ids),
]

Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]
