"""llama.cpp in this process: a real engine for the gateway, on an ordinary computer."""

from .llama import CONTEXT, LocalLlama
from .weights import GEMMA, Weights, WeightsError, asking, find_weights

__all__ = [
    "CONTEXT",
    "GEMMA",
    "LocalLlama",
    "Weights",
    "WeightsError",
    "asking",
    "find_weights",
]
