# SPDX-License-Identifier: Apache-2.0
"""Becomes OPA, and dies with the service: run as `python -I -S opa_child.py PARENT_PID PROGRAM ARGUMENT…`.

Where the kernel offers it (Linux), a service that is killed takes its OPA with it, so none is left behind.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process's life to the parent's and turn into `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)  # the parent died before it could be watched
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
