"""Ten questions on a long document: part of the standard library's documentation."""

from __future__ import annotations

import pydoc
from typing import TYPE_CHECKING, Any

from langchain_core.messages import SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_moonshot_cache.runnables import CachedPromptRunnable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.runnables import RunnableConfig

    from langchain_moonshot_cache.chat_models import ChatMoonshotCached

__all__ = ["OPTIONS", "QUESTIONS", "TITLE", "ask", "manual"]

MODULES = ("decimal", "statistics", "fractions")
"""Together about 25,000 tokens, much the same in every version of Python, and without
addresses of objects, which would make another prefix of every process."""

TITLE = f"Ten questions on the documentation of {', '.join(MODULES)}"
QUESTIONS: tuple[str, ...] = (
    "What does as_integer_ratio return?",
    "When does the harmonic mean raise StatisticsError?",
    "How does the median treat data with an even number of points?",
    "What does limit_denominator find?",
    "How does normalize treat trailing zeros?",
    "What does NormalDist.overlap compute?",
    "How do I compute the geometric mean?",
    "How is the remainder nearest to zero computed?",
    "What does the Fraction class implement?",
    "What does the logical invert of an operand return?",
)
OPTIONS: dict[str, Any] = {
    "model": "moonshot-v1-32k"
}  # the cheapest that the document fits into


def manual(modules: Sequence[str] = MODULES) -> str:
    """Render the document, the same in every process of one version of Python.

    Args:
        modules: Names of the modules whose documentation it is.
    """
    pages = [pydoc.plain(pydoc.render_doc(name, title="%s")) for name in modules]
    # The last section names the file on this computer, which is nobody's business.
    return "\n\n".join(page.partition("\nFILE\n")[0] for page in pages)


def ask(llm: ChatMoonshotCached, config: RunnableConfig) -> list[str]:
    """Ask all the questions, one after the other.

    Args:
        llm: The model.
        config: Goes with every call.

    Returns:
        The answers.
    """
    prompt = ChatPromptTemplate.from_messages(
        [
            SystemMessage(f"Answer from this documentation.\n\n{manual()}"),
            ("human", "{question}"),
        ]
    )
    chain = CachedPromptRunnable(prompt, model=llm) | llm | StrOutputParser()
    return [chain.invoke({"question": question}, config) for question in QUESTIONS]
