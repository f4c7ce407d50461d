"""What a question says: its words, numbers, quotations, names and its language.

Plain patterns over a short text. Nothing here understands anything, and everything
gives the same result in every process.
"""

# ruff: noqa: RUF001 - Chinese text has Chinese punctuation

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "is_chinese",
    "named",
    "numbers",
    "places",
    "quoted",
    "salient",
    "spoken",
    "stems",
    "terms",
]

_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_KANA: Final = re.compile(r"[\u3040-\u30ff]")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z\u3000-\u9fff]+|\d+")
_WIDE: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")
# At most 18 digits, so that every number read is an exact 64-bit integer.
_NUMBER: Final = re.compile(
    r"(?:(?<![\w.)\-])-)?(?<![A-Za-z0-9_.])"
    r"(?:\d{1,3}(?:,\d{3}){1,5}|\d{1,18})(?:\.\d{1,15})?(?!\d)"
)
_QUOTED: Final = re.compile(
    '"([^"]{1,500})"|“([^”]{1,500})”|‘([^’]{1,500})’|「([^」]{1,500})」'
    "|『([^』]{1,500})』|《([^》]{1,500})》|`([^`]{1,500})`"
    r"|(?<![A-Za-z0-9_])'([^'\n]{1,500})'(?![A-Za-z0-9_])"
)
_NAMED: Final = re.compile(
    r"\b(?:named|called)\s+([A-Z][\w.&'-]*(?:\s+[A-Z][\w.&'-]*)*)"
    r"|(?:名为|名叫|叫做)\s*([^\s，。,.;；的]{1,30})"
)
_PLACE: Final = re.compile(
    r"\b(?:in|at|near|for|from|to|of)\s+"
    r"([A-Z][\w.'-]*(?:,?\s+[A-Z][\w.'-]*)*(?:\s+and\s+(?:in\s+|at\s+)?"
    r"[A-Z][\w.'-]*(?:,?\s+[A-Z][\w.'-]*)*)*)"
)
_AND: Final = re.compile(r"\s+and\s+(?:in\s+|at\s+)?")
# One run of bounded length, taken apart afterwards: nested repetition would let a
# hostile question take for ever.
_PLACE_ZH: Final = re.compile(
    r"([\u3400-\u9fff、]{2,40}?)(?:今天|明天|现在|目前)?的?(?:天气|气温|温度|时间|人口)"
)
_AND_ZH: Final = re.compile("[和与、]")
_LEAD_ZH: Final = re.compile("^(?:请问|请|帮我|查一下|查询|告诉我|看看|在)+")
_LEAD: Final = re.compile(
    r"^(?:(?:please|can you|could you|tell me|show me|give me|what(?:'s| is| are)|"
    r"who is|find|search(?: for)?|look up|use the \w+ tool to|the)\s+)+",
    re.IGNORECASE,
)
# Sentences about the form of the answer, which say nothing about its matter.
_ASIDE: Final = re.compile(
    r"(?:^|(?<=[.!?。！？\n]))\s*(?:(?:please\s+)?us(?:e|ing) (?:the|a|your) "
    r"[\w ]{0,40}tools?\s*[.!,。]|[^.!?。！？\n]{0,200}\bJSON\b[^.!?。！？\n]{0,200}"
    r"[.!?。！？]?)\s*",
    re.IGNORECASE,
)
_SUFFIX: Final = re.compile(r"(?:ions?|ings?|ers?|ors?|ed|es|e|s)$")
_MIN_STEM: Final = 3

# Words so common that they say nothing about what is asked.
_COMMON: Final = frozenset(
    {
        *("a", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by"),
        *("can", "could", "did", "do", "does", "for", "from", "had", "has", "have"),
        *("how", "i", "if", "in", "into", "is", "it", "its", "let", "me", "my"),
        *("no", "not", "of", "on", "or", "our", "please", "return", "returns"),
        *("she", "should", "so", "some", "tell", "that", "the", "their", "them"),
        *("then", "there", "these", "they", "this", "those", "to", "tool", "tools"),
        *("function", "us", "use", "used", "using", "value", "was", "we", "were"),
        *("what", "when", "where", "which", "who", "why", "will", "with", "would"),
        *("you", "your", "given", "get", "gets", "give", "make", "一个", "什么"),
        *("怎么", "如何", "是否", "是什", "我们", "你们", "他们", "可以", "这个"),
        *("那个", "哪个", "请问", "的是", "使用", "用的", "告诉", "诉我", "请你"),
        *("为什", "么是", "有什", "哪些", "是多", "多少"),
    }
)
# What tools are for, so that a Chinese question finds a tool with an English name.
_TOPICS: Final = {
    "天气": "weather",
    "气温": "weather",
    "时间": "time",
    "日期": "date",
    "搜索": "search",
    "查找": "search",
    "翻译": "translate",
    "邮件": "email",
    "新闻": "news",
    "股票": "stock",
    "价格": "price",
    "汇率": "exchange",
    "计算": "calculate",
    "相加": "add",
    "相乘": "multiply",
    "订单": "order",
    "航班": "flight",
}


def spoken(text: str) -> list[str]:
    """Split a text into lower-case words and pairs of neighbouring wide characters.

    Names are taken apart: ``get_weather`` and ``getWeather`` both hold ``weather``.

    Args:
        text: Any text.

    Returns:
        Words and pairs in order, repeated ones repeated.
    """
    found = [word.lower() for word in _WORD.findall(text)]
    for run in _WIDE.findall(text):
        found.extend(run[at : at + 2] for at in range(max(1, len(run) - 1)))
    return found


def terms(text: str) -> list[str]:
    """List the words of a text that may tell it from others.

    Args:
        text: Any text.

    Returns:
        Distinct words and pairs in order of appearance, without the common ones.
    """
    return [word for word in dict.fromkeys(spoken(text)) if word not in _COMMON]


def stems(text: str) -> frozenset[str]:
    """Give the terms of a text without their endings, for comparison.

    Args:
        text: Any text.

    Returns:
        Stems; "generator" and "generate" share one, and so do a few Chinese words
        and the English ones that tools are named by.
    """
    topics = (english for chinese, english in _TOPICS.items() if chinese in text)
    return frozenset(map(_stem, [*terms(text), *topics]))


def _stem(word: str) -> str:
    cut = _SUFFIX.sub("", word)
    return cut if len(cut) >= _MIN_STEM else word


def numbers(text: str) -> list[int | float]:
    """Read the numbers of a text, in order.

    Args:
        text: Any text. Thousands may be set off by commas.

    Returns:
        Integers where no fraction is written, floats otherwise.
    """
    plain = (found.replace(",", "") for found in _NUMBER.findall(text))
    return [float(found) if "." in found else int(found) for found in plain]


def quoted(text: str) -> list[str]:
    """Read what stands in quotation marks, in order.

    Args:
        text: Any text; English, Chinese and back-tick marks are known.

    Returns:
        The quotations without their marks.
    """
    return [next(filter(None, groups)) for groups in _QUOTED.findall(text)]


def named(text: str) -> str | None:
    """Read the name after "named", "called" or their Chinese counterparts.

    Args:
        text: Any text.

    Returns:
        The first such name, or None.
    """
    found = _NAMED.search(text)
    return (found[1] or found[2]) if found else None


def places(text: str) -> list[str]:
    """Read the capitalised phrases after a preposition, or a Chinese place.

    Args:
        text: Any text.

    Returns:
        The phrases in order; "in Paris and in Rome" gives two.
    """
    found = [place for run in _PLACE.findall(text) for place in _AND.split(run)]
    for run in _PLACE_ZH.findall(text):
        found.extend(filter(None, _AND_ZH.split(_LEAD_ZH.sub("", run))))
    return list(dict.fromkeys(place.rstrip(".,'") for place in found))


def salient(text: str) -> str:
    """Cut a question down to what it is about.

    Args:
        text: Any text.

    Returns:
        The text without polite openings, without sentences that only ask for a tool or
        for JSON, and without the final punctuation; the stripped text if nothing else
        remains.
    """
    rest = _ASIDE.sub(" ", text).strip()
    rest = _LEAD_ZH.sub("", _LEAD.sub("", rest)).strip(" \t\r\n.?!。？！，,")
    return rest or text.strip()


def is_chinese(text: str) -> bool:
    """Tell whether to answer in Chinese.

    Args:
        text: Any text.

    Returns:
        True if it holds Chinese characters and no kana.
    """
    return bool(_HAN.search(text)) and not _KANA.search(text)
