# SPDX-License-Identifier: Apache-2.0
"""OPA as a child on loopback: started with one frozen bundle, watched, started again with back-off when it ends."""

import asyncio
import contextlib
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.errors import EngineUnusable, GatewayError

_OLDEST = (1, 17)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
TUNING = {"GOGC": "800"}
"""OPA holds a few megabytes and makes 0.2 MB of garbage a decision: collecting less often gives about a third more."""
_STEADY = 10.0
"""Seconds after which a run counts as good and the back-off starts anew."""
_CHILD = Path(__file__).with_name("opa_child.py")
_log = logging.getLogger(__name__)


def find(configured: str) -> str:
    """Return the path of the opa program; raises EngineUnusable that says how to get one."""
    beside = Path(__file__).resolve().parent.parent / ".tools/bin/opa"
    found = configured or (str(beside) if beside.is_file() else shutil.which("opa")) or ""
    if not found or not os.access(found, os.X_OK):
        raise EngineUnusable(
            f"there is no opa program{f' at {configured}' if configured else ' on PATH'}. In a source folder "
            "`make .tools/bin/opa` builds it; otherwise install OPA 1.17 or newer, or set engine.opa in assay.toml"
        )
    return found


def version(program: str) -> str:
    """Return `opa VERSION` as the program itself says."""
    try:
        said = subprocess.run([program, "version"], capture_output=True, timeout=30, check=False).stdout.decode()
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        said = ""
    match = re.search(r"^Version:\s*((\d+)\.(\d+)\S*)", said, re.MULTILINE)
    if match is None:
        raise EngineUnusable(f"{program} does not say which version of OPA it is")
    if (int(match[2]), int(match[3])) < _OLDEST:
        raise EngineUnusable(f"{program} is OPA {match[1]}; the policies need {_OLDEST[0]}.{_OLDEST[1]} or newer")
    return f"opa {match[1]}"


class OpaProcess:
    """A supervised OPA. `on_up` is awaited with host, port and token each time one has been started."""

    def __init__(self, program: str, bundle: Path, on_up: Callable[[str, int, str], Awaitable[None]]) -> None:
        """Take program, bundle folder and what to do when an OPA runs."""
        self._program, self._bundle, self._on_up = program, bundle, on_up
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start OPA and keep it running; raises EngineUnusable if the first start fails."""
        await self._spawn()
        self._watch = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the child by its own process id."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._end()

    async def _spawn(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        token = secrets.token_urlsafe(32)
        command = [self._program, "run", "--server", "--addr", f"127.0.0.1:{port}", "--bundle", str(self._bundle)]
        command += ["--authentication", "token", "--authorization", "basic", "--log-level", "error"]
        command += ["--log-format", "json", "--skip-version-check"]
        # The token goes by environment, which only this user can read; arguments are there for all to see.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._bundle),
            "ASSAY_OPA_TOKEN": token,
            **TUNING,
        }
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=None,
            env=environment,
        )
        up = asyncio.ensure_future(self._on_up("127.0.0.1", port, token))
        ended = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait((up, ended), return_when=asyncio.FIRST_COMPLETED)
            if not up.done():
                raise EngineUnusable(f"OPA ended with status {process.returncode} before it answered")
            await up
        finally:
            for task in (up, ended):
                task.cancel()
            await asyncio.gather(up, ended, return_exceptions=True)

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            started = asyncio.get_running_loop().time()
            code = await self._process.wait() if self._process is not None else -1
            if asyncio.get_running_loop().time() - started > _STEADY:
                pause = _FIRST_PAUSE
            _log.warning("OPA ended with status %s; starting it again in %.1f s", code, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            self.restarts += 1
            try:
                await self._spawn()
            except (GatewayError, OSError) as error:
                _log.warning("OPA did not start: %s", error)
                await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 3)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
