# SPDX-License-Identifier: Apache-2.0
"""`assay serve`: the service, until it is told to stop."""

import asyncio
import contextlib
import gc
import ipaddress
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import uvicorn
import uvloop

from gateway import logs
from gateway.app import build_app, running
from gateway.cli.options import home_option
from gateway.errors import SettingsInvalid
from gateway.home import Home

_GRACE = 10


class _Server(uvicorn.Server):
    """A server that says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGTERM and SIGINT into an orderly end; the base class would raise them again afterwards."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then print the one line that scripts wait for."""
        await super().startup(sockets)
        click.echo(self._url)


@click.command()
@home_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8088, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--tls-cert", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="PEM certificate chain.")
@click.option("--tls-key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="PEM private key.")
@click.option("--behind-proxy", is_flag=True, help="TLS ends at a proxy in front: allow plain HTTP beyond loopback.")
def command(home: Path, host: str, port: int, tls_cert: Path | None, tls_key: Path | None, behind_proxy: bool) -> None:
    """Run the decision service until SIGTERM or Ctrl-C.

    Prints one line with its URL when ready; logs are JSON lines on standard error.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if tls_cert is None and not behind_proxy and not _loopback(host):
        raise click.UsageError(
            "bearer keys do not travel in the clear: give --tls-cert and --tls-key, or --behind-proxy if TLS ends there"
        )
    logs.configure()
    uvloop.run(_serve(Home.open(home), host, port, tls_cert, tls_key, behind_proxy=behind_proxy))


async def _serve(home: Home, host: str, port: int, cert: Path | None, key: Path | None, *, behind_proxy: bool) -> None:
    with _listen(host, port) as listener:
        async with running(home) as service:
            config = uvicorn.Config(
                build_app(service),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                # Only a proxy may say by which address it was asked.
                proxy_headers=behind_proxy,
                ssl_certfile=cert,
                ssl_keyfile=key,
                timeout_graceful_shutdown=_GRACE,
            )
            scheme = "https" if cert else "http"
            shown = f"[{host}]" if ":" in host else host
            server = _Server(config, f"{scheme}://{shown}:{listener.getsockname()[1]}")
            _collect_less()
            await server.serve(sockets=[listener])


def _collect_less() -> None:
    """Let Python look for cycles less often: a decision makes many objects and hardly a cycle. It gives some 6 %."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise SettingsInvalid(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
