"""What may befall a worker; a module of its own, so that a new process has little to import."""

from __future__ import annotations

import os
import signal


def failing(task: str) -> str:
    if task == "second":
        raise ValueError("a worker has an accident")
    return task


def dying(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task
