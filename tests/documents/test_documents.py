"""Files and LangChain documents as the beginning of a prompt."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from chat_kit import KEY, model_of
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate

from langchain_moonshot_cache import (
    CachedPromptRunnable,
    ConfigurationError,
    InvalidPromptError,
    MoonshotCachingClient,
)
from langchain_moonshot_cache.documents import document_messages
from langchain_moonshot_cache.lifecycle import Ready

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

KEYS = ["content", "file_type", "filename", "title", "type"]
ASKED = ("human", "{question}")
SET = [
    Document("The lamp burns oil.", metadata={"source": "/srv/lamp.md"}),
    Document("灯塔高一百米。", metadata={"source": "/srv/tower.txt"}),
    Document("A keeper sleeps by day.", metadata={"source": "/srv/keeper.txt"}),
]


def told(*sources: Any, **options: Any) -> list[dict[str, Any]]:
    """Return what the messages say, as JSON."""
    messages = document_messages(sources, **options)
    assert {message.type for message in messages} <= {"system"}
    return [json.loads(message.text) for message in messages]


def page(text: str, **metadata: Any) -> Document:
    return Document(text, metadata={"source": "guide.pdf", **metadata})


# The form ---------------------------------------------------------------------------


def test_a_file_becomes_what_the_file_extraction_answers(tmp_path: Path) -> None:
    path = tmp_path / "灯塔.md"
    path.write_text('# "灯塔"\n{height}', "utf-8")
    [message] = document_messages([path])
    assert message.text == (
        '{"content":"# \\"灯塔\\"\\n{height}","file_type":"text/plain",'
        '"filename":"灯塔.md","title":"","type":"file"}'
    )


def test_one_source_needs_no_list(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one", "utf-8")
    assert (
        document_messages(path)
        == document_messages(str(path))
        == document_messages(Document("one", metadata={"source": path}))
        == document_messages([path])
    )


def test_documents_from_a_generator_are_told_all() -> None:
    assert document_messages(iter(SET)) == document_messages(SET)


def test_no_sources_make_no_messages() -> None:
    assert document_messages([]) == []


def test_of_the_metadata_only_the_name_is_told() -> None:
    metadata = {"source": "/home/ann/guide.pdf", "creationdate": "2026-11-22", "id": 7}
    [said] = told(Document("text", metadata=metadata, id="7"))
    assert list(said) == KEYS
    assert list(said.values()) == ["text", "application/pdf", "guide.pdf", "", "file"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (None, ""),
        ("guide.md", "guide.md"),
        ("/srv/docs/guide.md", "guide.md"),
        (r"C:\docs\guide.md", "guide.md"),
        (Path("docs/guide.md"), "guide.md"),
        ("https://example.org/guide/", "guide"),
    ],
)
def test_a_document_is_named_by_the_last_part_of_its_source(
    source: object, name: str
) -> None:
    assert told(Document("", metadata={"source": source}))[0]["filename"] == name


def test_the_application_may_name_documents_itself() -> None:
    first, second = page("one", page=1), page("two", page=2)
    said = told(second, first, name=lambda one: f"guide, page {one.metadata['page']}")
    assert [one["filename"] for one in said] == ["guide, page 1", "guide, page 2"]


# The order --------------------------------------------------------------------------


def test_whatever_the_order_the_messages_are_the_same() -> None:
    everything = {str(document_messages(some)) for some in permutations(SET)}
    assert len(everything) == 1


def test_the_given_order_is_kept_when_asked_for() -> None:
    said = told(*SET, order="given")
    assert [one["content"] for one in said] == [one.page_content for one in SET]


@pytest.mark.parametrize("order", ["stable", "given"])
def test_a_document_that_occurs_twice_is_told_once(order: Any) -> None:
    elsewhere = [
        Document(one.page_content, metadata={"source": one.metadata["source"][5:]})
        for one in SET
    ]
    once = document_messages(SET, order=order)
    assert document_messages([*SET, *elsewhere, *SET], order=order) == once


def test_the_parts_of_a_file_stay_in_their_order() -> None:
    pages = [page(text, page=number) for number, text in enumerate("zyxwvutsrqp")]
    assert [one["content"] for one in told(*reversed(pages))] == list("zyxwvutsrqp")
    chunks = [page(text, page=0, start_index=at) for at, text in ((900, "a"), (8, "b"))]
    assert [one["content"] for one in told(*chunks)] == ["b", "a"]


def test_pages_that_are_no_numbers_are_sorted_all_the_same() -> None:
    pages = [page("b", page="ii"), page("a", page=None), page("c", page=1), page("d")]
    forms = {str(document_messages(some)) for some in permutations(pages)}
    assert len(forms) == 1


@given(
    st.lists(
        st.builds(
            Document,
            st.text(max_size=5),
            metadata=st.fixed_dictionaries(
                {"source": st.sampled_from(["a.txt", "b/a.txt", "c.pdf", None])},
                optional={"page": st.one_of(st.integers(0, 3), st.text(max_size=1))},
            ),
        ),
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_any_set_of_documents_has_one_form(
    documents: list[Document], chance: Any
) -> None:
    shuffled = [*documents, *documents]
    chance.shuffle(shuffled)
    assert document_messages(shuffled) == document_messages(documents)


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from langchain_moonshot_cache.documents import document_messages\n"
        "for message in document_messages(sys.argv[1:]):\n"
        "    sys.stdout.buffer.write(message.text.encode() + b'\\n')\n"
    )
    for name in ("b.txt", "a.html", "c.json"):
        (tmp_path / name).write_text(f'{{"{name}": "灯"}}', "utf-8")
    paths = sorted(tmp_path.iterdir())
    printed = [
        subprocess.run(
            [sys.executable, "-c", program, *some],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=True,
        ).stdout
        for seed, some in (("1", paths), ("2", reversed(paths)))
    ]
    expected = [message.text for message in document_messages(paths)]
    assert printed[0] == printed[1]
    assert printed[0].decode().splitlines() == expected


# What cannot be told ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("Höhe".encode("latin-1"), r"byte 0xf6 at offset 1"),
        ("height".encode("utf-16"), r"byte 0xff at offset 0"),
        (b"PK\x03\x04\x00\x00", "holds NUL"),
    ],
)
def test_a_file_that_is_no_text_is_refused_by_name(
    tmp_path: Path, data: bytes, said: str
) -> None:
    path = tmp_path / "secret.txt"
    path.write_bytes(data)
    with pytest.raises(InvalidPromptError, match=said) as caught:
        document_messages([path])
    assert str(path) in str(caught.value)
    assert "save it as text in UTF-8" in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["guide.pdf", "guide.DOCX", "prices.xlsx"])
def test_a_format_that_needs_extraction_names_the_next_step(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"%PDF-1.7 readable as text, all of it")
    with pytest.raises(InvalidPromptError, match=r"is no text file: .* extract_file"):
        document_messages([path])


def test_what_is_no_text_is_extracted_by_whatever_is_given(tmp_path: Path) -> None:
    text, other = tmp_path / "a.txt", tmp_path / "b.pdf"
    text.write_text("one", "utf-8")
    other.write_bytes(b"%PDF-1.7")
    extracted: list[Path] = []

    def extract(path: Path) -> str:
        extracted.append(path)
        return "two"

    said = told(other, str(text), extract=extract)
    assert [one["content"] for one in said] == ["one", "two"]
    assert said[1]["file_type"] == "application/pdf"
    assert extracted == [other]


def test_the_endpoint_extracts_an_office_file(
    server: MoonshotServer, tmp_path: Path
) -> None:
    path = tmp_path / "lamp.docx"
    with ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w:p>The lamp burns oil.</w:p>")
    with MoonshotCachingClient(base_url=server.base_url, api_key=KEY) as client:
        messages = document_messages([path, path], extract=client.extract_file)
    assert messages == document_messages(
        Document("The lamp burns oil.", metadata={"source": "lamp.docx"})
    )
    assert len(server.requests(method="POST")) == 1
    assert len(server.requests(method="DELETE")) == 1


def test_half_of_a_surrogate_pair_is_refused_without_the_text() -> None:
    with pytest.raises(
        InvalidPromptError, match=r"'guide.pdf' holds half of"
    ) as caught:
        document_messages([page("sail \ud83d home")])
    assert "sail" not in str(caught.value)


def test_a_file_that_is_not_there_is_the_system_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        document_messages([tmp_path / "nowhere.txt"])


def test_an_order_that_does_not_exist_is_refused() -> None:
    order: Any = "sorted"
    with pytest.raises(ConfigurationError, match="'stable' or 'given'"):
        document_messages([], order=order)


def test_marks_and_line_ends_of_an_editor_make_no_other_document(
    tmp_path: Path,
) -> None:
    forms = [b"one\ntwo\n", b"\xef\xbb\xbfone\r\ntwo\r\n", b"one\rtwo\r"]
    messages = []
    for number, data in enumerate(forms):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "a.txt").write_bytes(data)
        messages += document_messages(folder / "a.txt")
    assert messages == [messages[0]] * 3


# In front of a model ----------------------------------------------------------------


@pytest.mark.parametrize("text", ["{", "}}", "{question}", "{{x}}", "{0}", "%s $x"])
@pytest.mark.parametrize("style", ["f-string", "mustache"])
def test_braces_are_never_taken_for_variables(
    server: MoonshotServer, text: str, style: Any
) -> None:
    asked = ("human", "{question}" if style == "f-string" else "{{question}}")
    prompt = ChatPromptTemplate(
        [*document_messages(Document(text)), asked], template_format=style
    )
    assert prompt.input_variables == ["question"]
    with model_of(server) as llm:
        chain = CachedPromptRunnable(prompt, model=llm) | llm
        chain.invoke({"question": "Which braces?"})
    [chat] = server.chats()
    assert json.loads(chat.messages[0]["content"])["content"] == text
    assert chat.messages[1]["content"] == "Which braces?"
    assert chat.cache_id


def test_a_set_of_documents_shares_one_cache_whatever_the_order(
    server: MoonshotServer,
) -> None:
    with model_of(server) as llm:
        for some in permutations(SET):
            prompt = ChatPromptTemplate([*document_messages(some), ASKED])
            chain = CachedPromptRunnable(prompt, model=llm) | llm
            chain.invoke({"question": "What does the lamp burn?"})
        assert server.creates() == 1
    chats = server.chats()
    assert {chat.cache_id for chat in chats} == {chats[0].cache_id}
    assert [len(chat.messages) for chat in chats] == [4] * 6


def test_a_warmed_set_of_documents_is_used_by_plain_messages(
    server: MoonshotServer,
) -> None:
    with model_of(server) as llm:
        warmed = llm.warm(document_messages(SET))
        assert isinstance(warmed, Ready)
        answer = llm.invoke([*document_messages(SET[::-1]), ("human", "Who sleeps?")])
    assert answer.response_metadata["moonshot_cache"]["outcome"] == "hit"
    assert server.creates() == 1


def test_the_model_answers_from_the_documents(server: MoonshotServer) -> None:
    with model_of(server) as llm:
        answer = llm.invoke([*document_messages(SET), ("human", "Who sleeps by day?")])
    assert "A keeper sleeps by day" in answer.text
