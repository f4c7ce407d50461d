"""Files and the text in them, seen over the wire."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from server_kit import Api, reason

if TYPE_CHECKING:
    import httpx

PURPOSE = {"purpose": "file-extract"}
UNKNOWN = "0" * 20


def upload(api: Api, data: bytes, *, name: str = "lamp.txt") -> dict[str, Any]:
    reply = api.post("/files", data=PURPOSE, files={"file": (name, data)})
    assert reply.status_code == 200, reply.text
    file: dict[str, Any] = reply.json()
    return file


def content(api: Api, file_id: str) -> httpx.Response:
    return api.get(f"/files/{file_id}/content")


def zipped(**parts: str) -> bytes:
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), text)
    return packed.getvalue()


def test_a_file_is_described_and_its_text_comes_in_the_vendor_s_form(api: Api) -> None:
    file = upload(api, "灯塔高一百米。".encode(), name="灯塔.md")
    file_id = file["id"]
    assert file == {
        "id": file_id,
        "object": "file",
        "bytes": 21,
        "created_at": int(api.server.clock.now()),
        "filename": "灯塔.md",
        "purpose": "file-extract",
        "status": "ok",
        "status_details": "",
    }
    assert api.get(f"/files/{file_id}").json() == file
    assert api.get("/files").json() == {"object": "list", "data": [file]}
    told = content(api, file_id).json()
    assert list(told) == ["content", "file_type", "filename", "title", "type"]
    assert told["content"] == "灯塔高一百米。"
    assert (told["filename"], told["type"]) == ("灯塔.md", "file")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"--",
        b"\r\n--x\r\n",
        b"\x0b\x1c one \r two \n",
        b"\xef\xbb\xbfone",
    ],
)
def test_a_file_arrives_byte_by_byte(api: Api, data: bytes) -> None:
    file = upload(api, data)
    assert file["bytes"] == len(data)
    assert content(api, file["id"]).json()["content"] == data.decode("utf-8-sig")


@pytest.mark.parametrize("name", ['a "b".txt', "100%25.txt", "a;b=c.txt", "灯.txt"])
def test_a_file_keeps_its_name(api: Api, name: str) -> None:
    assert upload(api, b"one", name=name)["filename"] == name


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (
            {"word__document_xml": "<w:p><w:t>A &amp; B</w:t></w:p><w:p>C</w:p>"},
            "A & B\nC",
        ),
        (
            {
                "ppt__slides__slide10_xml": "<a:p>last</a:p>",
                "ppt__slides__slide9_xml": "<a:p>first</a:p>",
            },
            "first\nlast",
        ),
        ({"xl__sharedStrings_xml": "<si><t>one</t></si><si>two</si>"}, "one\ntwo"),
    ],
)
def test_the_text_of_office_files_is_found(
    api: Api, parts: dict[str, str], text: str
) -> None:
    file = upload(api, zipped(**parts), name="lamp.docx")
    assert content(api, file["id"]).json()["content"] == text


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n\xe2\xe3\xcf\xd3",
        b"\x89PNG\r\n\x1a\n",
        b"one\0two",
        b"PK\x03\x04 and no archive",
        zipped(word__document_xml="<w:p>one</w:p>")[:-30],
        zipped(nothing="of the kind"),
    ],
)
def test_a_file_without_text_says_so_in_its_status(api: Api, data: bytes) -> None:
    file = upload(api, data)
    assert file["status"] == "error"
    assert "No text" in reason(content(api, file["id"]), 400)


def test_a_deleted_file_is_gone(api: Api) -> None:
    file_id = upload(api, b"one")["id"]
    deleted = api.delete(f"/files/{file_id}")
    assert deleted.json() == {"deleted": True, "id": file_id, "object": "file"}
    assert api.get("/files").json()["data"] == []
    for reply in (api.get(f"/files/{file_id}"), content(api, file_id)):
        reason(reply, 404)
    reason(api.delete(f"/files/{file_id}"), 404)


def test_files_belong_to_an_account(api: Api, stranger: Api) -> None:
    file_id = upload(api, b"one")["id"]
    assert stranger.get("/files").json()["data"] == []
    reason(content(stranger, file_id), 404)
    reason(stranger.delete(f"/files/{file_id}"), 404)
    assert content(api, file_id).status_code == 200


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"data": PURPOSE, "files": {"other": b"one"}}, "no file"),
        ({"files": {"file": b"one"}}, "file-extract"),
        ({"data": {"purpose": "batch"}, "files": {"file": b"one"}}, "file-extract"),
    ],
)
def test_an_upload_wants_a_file_and_its_purpose(
    api: Api, form: dict[str, Any], why: str
) -> None:
    assert why in reason(api.post("/files", **form), 400)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "boundary"),
        (b"--b\r\n", "boundary"),
        (b"one--b--", "boundary"),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n--b--', "no name"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\none\r\n--b--", "no name"),
        (b"--b\r\n\r\none\r\n--b--", "no name"),
    ],
)
def test_a_malformed_form_is_refused(api: Api, body: bytes, why: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert why in reason(api.post("/files", content=body, headers=headers), 400)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", ""])
def test_a_body_that_is_no_form_is_refused(api: Api, kind: str) -> None:
    headers = {"Content-Type": kind}
    reply = api.post("/files", content=b"--b\r\n\r\n\r\n--b--", headers=headers)
    assert "multipart/form-data" in reason(reply, 415)


def test_an_unknown_file_is_not_found(api: Api) -> None:
    reason(api.get(f"/files/{UNKNOWN}"), 404)
