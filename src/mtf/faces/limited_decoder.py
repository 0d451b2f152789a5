"""Decoding in a process of its own, with limits on its processor time and memory.

A decoder is C code that nothing can interrupt in its own process. A picture that may cost much is decoded here instead;
the process that asked goes on.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# The wall clock bounds what no limit of the system bounds: a process that waits, and systems without such limits.
WALL_TIMES_CPU = 60
_MAX_MEMORY_BYTES = 4 * 1024**3
_NOT_DECODED = 3
_SHAPE_BYTES = 12


class OverLimit(Exception):
    """Decoding exceeds its limit; the message says which."""


def decode(data: bytes, flags: int, *, cpu_s: int) -> np.ndarray | None:
    """Pixels as `cv2.imdecode(data, flags)` gives them, uint8; None if it cannot decode them.

    cpu_s: limit on the processor time, in seconds; the wall clock may take WALL_TIMES_CPU times as long.

    Raises OverLimit.
    """
    import numpy as np

    command = [sys.executable, "-I", str(Path(__file__)), str(flags), str(cpu_s)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=WALL_TIMES_CPU * cpu_s, check=False)
    except subprocess.TimeoutExpired:
        raise OverLimit(f"decoding takes more than {WALL_TIMES_CPU * cpu_s} s") from None
    if done.returncode < 0:
        raise OverLimit(f"decoding takes more than {cpu_s} s of processor time, or too much memory")
    if done.returncode != 0:
        return None
    shape = [int(size) for size in np.frombuffer(done.stdout[:_SHAPE_BYTES], "<u4") if size]
    return np.frombuffer(done.stdout, np.uint8, offset=_SHAPE_BYTES).reshape(shape).copy()


def _limit(cpu_s: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the wall clock alone
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS does not limit the address space
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))


def _main(flags: int, cpu_s: int) -> int:
    _limit(cpu_s)
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    try:
        pixels = cv2.imdecode(np.frombuffer(sys.stdin.buffer.read(), np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        return _NOT_DECODED
    shape = np.zeros(_SHAPE_BYTES // 4, "<u4")
    shape[: pixels.ndim] = pixels.shape
    sys.stdout.buffer.write(shape.tobytes())
    sys.stdout.buffer.write(pixels.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), int(sys.argv[2])))
