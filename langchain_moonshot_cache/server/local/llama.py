"""A llama.cpp that runs in this process, and listens on loopback for the gateway."""

from __future__ import annotations

import secrets
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from .weights import LocalEngineError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["CONTEXT", "LocalLlama", "check_installed"]

CONTEXT = 20_480
"""Tokens of prompt and answer together: a prefix of 16,384 and room for a question."""

SLOTS = 1
"""How many answers are computed at a time. On a processor a second one would only slow
the first, and would find its prefix in the memory of the other."""

SILENT = -1
"""llama.cpp's log level without any output: prompts do not belong into a log."""

_TEMPLATE_KEY = b"tokenizer.chat_template"
"""Key of a model's own template, as plain text among the metadata that a GGUF file
begins with."""

_HEADER = 16 * 1024 * 1024
"""Bytes to look at: vocabularies come first and have some megabytes."""


def check_installed() -> None:
    """Make sure that llama.cpp is there, before anything large is fetched for it.

    Raises:
        LocalEngineError: Without the extra ``local``.
    """
    if find_spec("xllamacpp") is None:
        message = (
            "llama.cpp is not installed: pip install 'langchain-moonshot-cache[local]'"
        )
        raise LocalEngineError(message)


class LocalLlama:
    """llama.cpp's own server, on a free port of loopback and with a key of its own.

    Use it as a context manager; when ``with`` is left, the port is closed and the
    memory given back. The engine keeps the prefixes it has seen in memory and finds
    them again by their tokens. Messages and tools become a prompt by the model's own
    template, or, for base models, which have none, by a plain one that shows the tools
    as JSON.

    Args:
        weights: A GGUF file.
        context: Tokens that prompt and answer may have together.
        threads: Threads that compute; None leaves it to llama.cpp.

    Raises:
        LocalEngineError: If the file cannot be loaded, or llama.cpp is not there.
        ValueError: Without a thread, or a token.
    """

    def __init__(
        self,
        weights: Path,
        *,
        context: int = CONTEXT,
        threads: int | None = None,
    ) -> None:
        check_installed()
        # llama.cpp ends the whole process over such figures, or takes others.
        if context < 1 or (threads is not None and threads < 1):
            raise ValueError("an engine wants at least one token and one thread")
        self.model = weights.stem
        self.api_key = f"sk-{secrets.token_urlsafe(32)}"
        self._server: Any = _start(
            weights,
            context=context,
            threads=threads,
            api_key=self.api_key,
            name=self.model,
        )

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self._server.listening_address}/v1"

    def close(self) -> None:
        """Stop it; a second call does nothing."""
        self._server = None  # the wheel stops its threads when the object goes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _start(
    weights: Path,
    *,
    context: int,
    threads: int | None,
    api_key: str,
    name: str,
) -> Any:
    import xllamacpp  # noqa: PLC0415 - of the extra `local`, and of 100 MB

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {name}
    params.api_keys = [api_key]
    params.n_ctx = context
    params.n_parallel = SLOTS
    params.verbosity = SILENT
    params.warmup = False
    # Models with a sliding window would otherwise forget all but the end of a prefix,
    # and compute it anew for the next question about it.
    params.swa_full = True
    if not _brings_template(weights):
        plain = files(__package__).joinpath("chat.jinja")
        params.chat_template = plain.read_text("utf-8")
        # Without a form for tool calls every answer is text. llama.cpp would look for
        # calls in it, and fail the request where it finds none.
        params.force_pure_content_parser = True
    if threads is not None:
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
    params.endpoint_metrics = True
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        message = (
            f"llama.cpp cannot load {weights} with a context of {context} tokens: try "
            "a smaller context, or other weights"
        )
        raise LocalEngineError(message) from error
    # The constructor returns when the weights are loaded, which may be before the loop
    # that answers begins; an order to stop that came between would be lost, and closing
    # would wait for ever. Only that loop can tell the figures.
    server.handle_metrics()
    return server


def _brings_template(weights: Path) -> bool:
    """Look whether a file's metadata have a chat template."""
    with weights.open("rb") as file:
        header = file.read(_HEADER)
    return _TEMPLATE_KEY in header
