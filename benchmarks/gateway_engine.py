"""An engine for measuring gateways: it counts aloud, at its own pace.

It does as little as can be, so that what is measured is the gateway: it reads a request
to its end, looks whether it wants a stream, and answers numbers.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

CHUNKS = 60
PACE = 0.05
"""Seconds between two chunks: twenty tokens a second, in each of many streams."""

USAGE = {"prompt_tokens": 100_000, "completion_tokens": CHUNKS, "cached_tokens": 99_990}
WHOLE = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "137 metres"},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
).encode()
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def event(**fields: object) -> bytes:
    """Return one event of a stream, as one chunk of HTTP."""
    value = {"id": "x", "object": "chat.completion.chunk", **fields}
    data = b"data: " + json.dumps(value).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def choice(delta: dict[str, str], finish: str | None = None) -> list[dict[str, object]]:
    """Return the choices of a chunk."""
    return [{"index": 0, "delta": delta, "finish_reason": finish}]


EVENTS = [
    *(event(choices=choice({"content": f"{number} "})) for number in range(CHUNKS)),
    event(choices=choice({}, "stop")),
    event(choices=[], usage=USAGE),
]
END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, pace: float
) -> None:
    """Answer whatever is asked on a connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if b'"stream":true' in body:
                writer.write(STREAM_HEAD)
                for each in EVENTS:
                    writer.write(each)
                    await writer.drain()
                    await asyncio.sleep(pace)
                writer.write(END)
            else:
                writer.write(HEAD % len(WHOLE) + WHOLE)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until killed; say where."""
    pace = 0.0 if "--at-once" in sys.argv else PACE
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, pace=pace), "127.0.0.1", 0
    )
    host, port = server.sockets[0].getsockname()
    print(f"listening on http://{host}:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
