"""Cost of the bounds on decoding: their share of the work on usual pictures, and hostile files with and without them.

    python benchmarks/decoding_bounds.py [--pictures 300]

Processor time on one thread. The files are those of the tests: 3,000 scans of 1,200 × 1,200 pixels, 12 MB of fill bytes
and a million segments before the picture.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

import crawled_project
from detectors import pictures
from mtf.config import Crop
from mtf.faces import crop as cut
from mtf.faces import decoding_bounds, detectors, opencv

MAX_PIXELS = 10**8


def seconds(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def hostile() -> dict[str, bytes]:
    buffer = io.BytesIO()
    Image.new("L", (1200, 1200), 90).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rfind(b"\xff\xda")
    return {
        "3,000 scans": data[:last] + data[last:-2] * 3_000 + data[-2:],
        "12 MB of fill bytes": data[:2] + b"\xff" * 12_000_000 + data[2:],
        "1,000,000 segments": data[:2] + b"\xff\xe5\x00\x02" * 1_000_000 + data[2:],
    }


def parsed(data: bytes) -> None:
    """Header by Pillow and pixels by OpenCV, as without bounds."""
    with Image.open(io.BytesIO(data)):
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=300, help="Congress portraits")
    arguments = parser.parse_args()
    opencv.use_one_thread()
    for title, data in hostile().items():
        without, with_bounds = seconds(lambda: parsed(data)), seconds(lambda: decoding_bounds.excess(data))  # noqa: B023
        print(f"{title}, {len(data):,} bytes: {without:.2f} s without bounds, {1000 * with_bounds:.1f} ms to refuse it")
    if not crawled_project.REAL_DATA.is_dir():
        sys.exit(f"decoding_bounds: no real pictures at {crawled_project.REAL_DATA}")
    crop = Crop()
    detector = detectors.create(crop)
    walk = whole = 0.0
    for _, data in pictures("congress/portraits.tar", arguments.pictures):
        walk += seconds(lambda: decoding_bounds.excess(data))  # noqa: B023
        whole += seconds(lambda: cut.cut_faces(data, crop, max_pixels=MAX_PIXELS, detector=detector))  # noqa: B023
    share = walk / whole
    print(f"walk: {1000 * walk / arguments.pictures:.3f} ms a portrait, {share:.2%} of its crop by {crop.detector}")


if __name__ == "__main__":
    main()
