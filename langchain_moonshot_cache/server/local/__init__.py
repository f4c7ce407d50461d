"""llama.cpp in this process: a real engine for the gateway, on an ordinary computer."""

from .llama import LocalLlama
from .weights import GEMMA, Weights, WeightsError, find_weights

__all__ = ["GEMMA", "LocalLlama", "Weights", "WeightsError", "find_weights"]
