"""Small programs for tools that run code.

A request to compute something gets a program that really computes it: whether a number
is prime, a factorial, an arithmetic expression. Any other request gets a program that
prints the request, which says plainly that there was no rule for it.
"""

# ruff: noqa: RUF001 - Chinese text has Chinese punctuation

from __future__ import annotations

import ast
import json
import re
from typing import Final

from langchain_moonshot_cache.server.engine.words import is_chinese, numbers

__all__ = ["wants_program", "write_program"]

_WANTED: Final = re.compile(
    "编程|代码|程序|计算|运行|执行|素数|质数|阶乘|等于多少"
    r"|\b(?:code|program|script|comput|calculat|prime|factorial|python|javascript|runs?\b|execut)",
    re.IGNORECASE,
)
_PRIME: Final = re.compile("素数|质数|prime", re.IGNORECASE)
_FACTORIAL: Final = re.compile("阶乘|factorial", re.IGNORECASE)
# Two operands at least; operators and parentheses alone are no expression.
_EXPRESSION: Final = re.compile(
    r"[(\d][\d.\s()]{0,40}(?:[-+*/×÷][\d.\s()]{0,40}\d[\d.\s()]{0,40}){1,20}"
)

# No exponents: 9**9**9 would keep the computer that runs it busy for ever.
_ARITHMETIC: Final = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.UAdd, ast.USub, ast.Constant),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div),
)

LARGEST_FACTORIAL: Final = 1000
"""Beyond this Python refuses to print the digits by default."""

_PRIME_PYTHON: Final = """\
n = {n}
divisor = next((d for d in range(2, int(n**0.5) + 1) if n % d == 0), None)
if n < 2 or divisor is not None:
    print(f"{no}")
else:
    print(f"{yes}")
"""
_PRIME_JAVASCRIPT: Final = """\
const n = {n};
let divisor = null;
for (let d = 2; d * d <= n && divisor === null; d++) if (n % d === 0) divisor = d;
console.log(n < 2 || divisor !== null ? `{no}` : `{yes}`);
"""
_VERDICTS: Final = {
    ("python", True): ("{n} 是素数。", "{n} 不是素数。"),
    ("python", False): ("{n} is a prime number.", "{n} is not a prime number."),
    ("javascript", True): ("${n} 是素数。", "${n} 不是素数。"),
    ("javascript", False): ("${n} is a prime number.", "${n} is not a prime number."),
}


def wants_program(question: str) -> bool:
    """Tell whether a question asks for something to be computed or programmed.

    Args:
        question: The question.

    Returns:
        True if one of the words for it occurs.
    """
    return bool(_WANTED.search(question))


def write_program(question: str, *, language: str = "python") -> str:
    """Write a program that prints the answer to a question.

    Args:
        question: The question.
        language: ``"javascript"`` (or ``"js"``, ``"node"``); else Python.

    Returns:
        Source text that runs as it stands and speaks the question's language.
    """
    script = language.lower() in ("javascript", "js", "node", "nodejs")
    whole = [int(number) for number in numbers(question) if number >= 0]
    if whole and _PRIME.search(question):
        return _prime(whole[0], script=script, chinese=is_chinese(question))
    if whole and _FACTORIAL.search(question) and whole[0] <= LARGEST_FACTORIAL:
        return _factorial(whole[0], script=script)
    show = "console.log({});\n" if script else "print({})\n"
    if expression := _expression(question):
        return show.format(expression)
    return show.format(json.dumps(question, ensure_ascii=False))


def _prime(n: int, *, script: bool, chinese: bool) -> str:
    yes, no = _VERDICTS["javascript" if script else "python", chinese]
    template = _PRIME_JAVASCRIPT if script else _PRIME_PYTHON
    return template.replace("{yes}", yes).replace("{no}", no).replace("{n}", str(n), 1)


def _factorial(n: int, *, script: bool) -> str:
    if script:
        return (
            f"let product = 1n;\nfor (let i = 2n; i <= {n}n; i++) product *= i;\n"
            "console.log(String(product));\n"
        )
    return f"import math\n\nprint(math.factorial({n}))\n"


def _expression(question: str) -> str | None:
    """Find an arithmetic expression that means the same in both languages."""
    for found in _EXPRESSION.findall(question):
        text: str = found.replace("×", "*").replace("÷", "/").strip(" .")
        try:
            nodes = list(ast.walk(ast.parse(text, mode="eval")))
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        if all(isinstance(node, _ARITHMETIC) for node in nodes):
            return text
    return None
