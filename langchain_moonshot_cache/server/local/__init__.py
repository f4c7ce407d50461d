"""llama.cpp in this process: a real engine for the gateway, on an ordinary computer."""

from .llama import CONTEXT, LocalLlama, check_installed
from .weights import GEMMA, LocalEngineError, Weights, asking, find_weights

__all__ = [
    "CONTEXT",
    "GEMMA",
    "LocalEngineError",
    "LocalLlama",
    "Weights",
    "asking",
    "check_installed",
    "find_weights",
]
