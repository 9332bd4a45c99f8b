"""How the benchmarks measure: one thread, the best of interleaved rounds, ratios within one run.

A time in seconds says little about another machine; a ratio to `np.exp` on the same array in the
same run says more. Rounds are interleaved, so that whatever else the machine does hits both, and
the clock is the processor time of this process: waiting for a core is not counted.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import process_time
from typing import Any

from steering_strength.theory import files

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def single_threaded() -> None:
    """Start again with one thread unless that is already so: BLAS reads this at import."""
    if any(os.environ.get(name) != "1" for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def best_times(tasks: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the least processor time of each task, in seconds, over interleaved rounds."""
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            start = process_time()
            task()
            best[name] = min(best[name], process_time() - start)
    return best


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    import numpy
    import scipy

    return {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "machine": platform.machine(),
        "system": platform.platform(),
        "processor": _processor(),
    }


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record, and say so."""
    files.output_folder(path.parent)
    print(f"wrote {files.write_json(path, record)}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
