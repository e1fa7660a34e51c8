# SPDX-License-Identifier: Apache-2.0
"""A load of HTTP requests over a fixed number of connections, each waiting for its answer before the next.

Written on bare asyncio protocols and httptools so that the load costs little beside what it measures; it runs in a
process of its own.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import uvloop


class Connection(asyncio.Protocol):
    """One connection that keeps asking until it is told to stop."""

    def __init__(self, request: Callable[[int], bytes], numbers: "count[int]", ended: asyncio.Event) -> None:
        """Take what makes request number n, the numbers, and what says that it is over."""
        self._request, self._numbers, self._ended = request, numbers, ended
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0
        self.latencies: list[float] = []
        self.failures = 0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not a subclass
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Note the time and ask again."""
        self.latencies.append(time.perf_counter() - self._sent)
        if self._parser.get_status_code() != 200:
            self.failures += 1
        self._parser = httptools.HttpResponseParser(self)
        if self._ended.is_set():
            if self._transport is not None:
                self._transport.close()
        else:
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        """Be done."""
        if not self.closed.done():
            self.closed.set_result(None)

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        if self._transport is not None:
            self._transport.write(self._request(next(self._numbers)))


async def run(
    url: str, headers: dict[str, str], bodies: list[bytes], connections: int, seconds: float
) -> dict[str, Any]:
    """Load `url` for some seconds and return the seconds it took, every latency in ms, and failures."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    ended, numbers = asyncio.Event(), count()
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda: Connection(lambda n: requests[n % len(requests)], numbers, ended), host, port
        )
        for _ in range(connections)
    ]
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    ended.set()
    await asyncio.wait_for(asyncio.gather(*(protocol.closed for _, protocol in made)), 30)
    elapsed = time.perf_counter() - started
    return {
        "seconds": elapsed,
        "latencies_ms": [round(1000 * latency, 4) for _, protocol in made for latency in protocol.latencies],
        "failures": sum(protocol.failures for _, protocol in made),
    }


def main() -> None:
    """Read the load from a file and print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path, help="JSON: url, headers, bodies, connections, seconds")
    plan = json.loads(parser.parse_args().plan.read_text("utf-8"))
    bodies = [json.dumps(body).encode() for body in plan["bodies"]]
    result = uvloop.run(run(plan["url"], plan["headers"], bodies, plan["connections"], plan["seconds"]))
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
