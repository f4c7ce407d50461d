"""The life of a cache as decisions without actions. Pure."""

from langchain_moonshot_cache.lifecycle import effects
from langchain_moonshot_cache.lifecycle.driver import (
    AsyncWorld,
    World,
    drive,
    drive_async,
    finish,
)
from langchain_moonshot_cache.lifecycle.ending import Released, release, release_all
from langchain_moonshot_cache.lifecycle.ensuring import ensure
from langchain_moonshot_cache.lifecycle.entry import Claim, Entry, State
from langchain_moonshot_cache.lifecycle.foreseeing import Outlook, foresee
from langchain_moonshot_cache.lifecycle.judging import describe, usable
from langchain_moonshot_cache.lifecycle.settling import hold, refused, renewed
from langchain_moonshot_cache.lifecycle.sweeping import Swept, sweep
from langchain_moonshot_cache.lifecycle.terms import Bypassed, Ready, Terms

__all__ = [
    "AsyncWorld",
    "Bypassed",
    "Claim",
    "Entry",
    "Outlook",
    "Ready",
    "Released",
    "State",
    "Swept",
    "Terms",
    "World",
    "describe",
    "drive",
    "drive_async",
    "effects",
    "ensure",
    "finish",
    "foresee",
    "hold",
    "refused",
    "release",
    "release_all",
    "renewed",
    "sweep",
    "usable",
]
