"""Memory of `mtf fetch` over 1,000,000 addresses of 20,000 hosts; a local nginx answers with pictures of 304 bytes.

    .venv/bin/python benchmarks/fetch_many.py [--addresses 1000000] [--hosts 20000]

304 bytes are about what an answer without body takes: so the number of addresses counts, not their bytes. Each host is
asked for robots.txt, tdmrep.json and ai.txt. Prints the largest resident memory of one process, and of all together,
at a tenth of the addresses and at the end. Needs /usr/sbin/nginx.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

import fetch as benchmark

SIZE_BYTES = 304
SHARD_SIZE = 10_000
POLL_S = 0.5
MAX_PROCESS_MIB = 700

RUN = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from loopback_web import Loopback
from mtf.config import Licenses
from mtf.fetch import fetching
from mtf.fetch.options import FetchOptions, limits

if __name__ == "__main__":
    crawl = limits(per_host_delay_s=0.0, concurrency=128, min_side_px=1)
    binding = tuple(Licenses.model_fields["binding_opt_outs"].default)
    options = FetchOptions(Path(sys.argv[2]), Path(sys.argv[3]), crawl, shard_size=10_000, binding=binding)
    print("stored", fetching.run(options, web=Loopback(int(sys.argv[4]))).successes)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mtf-fetch-") as name:
        folder = Path(name)
        pictures = folder / "pictures"
        pictures.mkdir()
        (pictures / "one.jpg").write_bytes(small_picture())
        (pictures / "robots.txt").write_text(benchmark.ROBOTS)
        benchmark.CONFIG = benchmark.CONFIG.replace(
            "root {folder}/pictures;", "root {folder}/pictures; location /p/ {{ try_files /one.jpg =404; }}"
        )
        write_list(folder / "list.parquet", arguments.addresses, arguments.hosts)
        with benchmark.nginx(folder) as port:
            measure(folder, port, arguments.addresses)


def small_picture() -> bytes:
    """A grey JPEG of 8 × 8 pixels, brought to SIZE_BYTES by a comment (ITU T.81, section B.2.4.5)."""
    data = cv2.imencode(".jpg", np.full((8, 8), 128, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 1])[1].tobytes()
    comment = SIZE_BYTES - len(data) - 4
    if comment < 0:
        return data
    return data[:2] + b"\xff\xfe" + (comment + 2).to_bytes(2, "big") + b"x" * comment + data[2:]


def write_list(path: Path, addresses: int, hosts: int) -> None:
    with pq.ParquetWriter(path, pa.schema([("url", pa.string())])) as writer:
        for start in range(0, addresses, 100_000):
            numbers = range(start, min(start + 100_000, addresses))
            # Neighbours of a list are of many hosts, and a host comes again all over the list.
            urls = [f"http://host-{number * 7919 % hosts}.example/p/{number}.jpg" for number in numbers]
            writer.write_table(pa.table({"url": urls}))


def measure(folder: Path, port: int, addresses: int) -> None:
    script = folder / "run.py"
    script.write_text(RUN)
    out = folder / "out"
    command = [sys.executable, script, Path(__file__).parent, folder / "list.parquet", out, port]
    start = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    largest = total = 0.0
    is_early = True
    while process.poll() is None:
        one, all_of_them = memory_mib(process.pid)
        largest, total = max(largest, one), max(total, all_of_them)
        done = len(list(out.glob("*_stats.json"))) * SHARD_SIZE
        if is_early and done >= addresses / 10:
            is_early = False
            print(f"after {done:,} addresses: {largest:,.0f} MiB in one process, {total:,.0f} MiB in all")
        time.sleep(POLL_S)
    output = process.stdout.read() if process.stdout else ""
    if process.returncode or f"stored {addresses}" not in output:
        raise SystemExit(f"not every picture was stored: {output}")
    seconds = time.monotonic() - start
    print(f"after {addresses:,} addresses: {largest:,.0f} MiB in one process, {total:,.0f} MiB in all")
    print(f"{addresses / seconds:,.0f} addresses/s; permitted: {MAX_PROCESS_MIB} MiB in one process")
    if largest > MAX_PROCESS_MIB:
        raise SystemExit("missed")


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory of the largest process below `pid` and itself, and of all."""
    sizes = []
    try:
        main_process = psutil.Process(pid)
        for each in [main_process, *main_process.children(recursive=True)]:
            try:
                sizes.append(each.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        pass
    return max(sizes, default=0.0), sum(sizes)


if __name__ == "__main__":
    main()
