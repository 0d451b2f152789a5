"""Time to fetch 3,000 made-up JPEGs of about 144 KB from a local nginx: this project's crawl and img2dataset.

    .venv/bin/python benchmarks/fetch.py [--pictures 3000] [--rival-env FOLDER]

- Both use the same server, the same cores and 64 concurrent requests. Both are timed from the call to its end, without
  the interpreter's start.
- The crawl does everything after the search, for 16 identities: robots.txt and tdmrep.json, media type and completeness
  by header, sha256, license metadata of the file, and a tar per identity with a row per address. The pictures have no
  pages here. A live crawl also fetches a page per picture, which img2dataset does not.
- img2dataset runs with 2 processes of 32 threads, without resizing and re-encoding, with sha256, and writes tars with a
  row per address.

Needs /usr/sbin/nginx. Installs img2dataset with uv into the folder `--rival-env` if it is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mtf.config import Crawl
from mtf.core import parallel_map
from mtf.crawl import store
from mtf.crawl.collector import Collector, CrawlContext
from mtf.crawl.crawler import AT_ONCE
from mtf.crawl.fetch_results import each_content_once
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.spool import Spool
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.candidate import Candidate
from mtf.sources.local_sources import LocalSources

NGINX = Path("/usr/sbin/nginx")
UV = Path(sys.executable).parent / "uv"
TARGET = 4.0
REQUESTS = 64
IDENTITIES = 16
BINDING = ("robots.txt", "x-robots-tag", "meta-robots", "tdmrep")

CONFIG = """
worker_processes auto;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 100000;
  types {{ image/jpeg jpg; }}
  client_body_temp_path {folder}/t1;
  proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}; root {folder}/pictures; }}
}}
"""

RIVAL = """
import resource, sys, time
from img2dataset import download

if __name__ == "__main__":
    urls, output = sys.argv[1:]
    begin, own_begin = time.monotonic(), time.process_time()
    download(url_list=urls, output_folder=output, input_format="txt", output_format="webdataset", processes_count=2,
             thread_count=32, resize_mode="no", disable_all_reencoding=True, compute_hash="sha256", enable_wandb=False,
             number_sample_per_shard=1000, save_additional_columns=None)
    seconds, own_s = time.monotonic() - begin, time.process_time() - own_begin
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("seconds", seconds, own_s + workers.ru_utime + workers.ru_stime)
"""


@dataclass(frozen=True)
class Speed:
    """Speed of a run. Processor time is of the fetching processes, without nginx; it varies less than wall time."""

    images_per_s: float
    cpu_ms: float


class Loopback:
    """Replacement of the live web: every address leads to the local nginx."""

    def __init__(self, port: int) -> None:
        self._origin = f"http://127.0.0.1:{port}"

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        host, _, path = url.removeprefix("http://").partition("/")
        return f"{self._origin}/{path}", {"Host": host}


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="mtf-fetch-") as name:
        folder = Path(name)
        sizes = make_pictures(folder / "pictures", arguments.pictures)
        print(f"{len(sizes)} pictures, {np.mean(sizes) / 1024:.0f} KiB on average; {parallel_map.cores()} cores")
        rival_python = install_rival(arguments.rival_env)
        with nginx(folder) as port:
            ours = speed_of_ours(folder, port, len(sizes))
            rival = speed_of_rival(folder, port, len(sizes), rival_python)
    for name, speed in (("mtf", ours), ("img2dataset", rival)):
        print(f"{name:12} {speed.images_per_s:7.0f} images/s  {speed.cpu_ms:6.2f} ms of processor time per image")
    ratio, cpu_ratio = ours.images_per_s / rival.images_per_s, rival.cpu_ms / ours.cpu_ms
    print(f"ratio        {ratio:7.1f}  (target: {TARGET:g}); by processor time {cpu_ratio:.1f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--rival-env", type=Path, default=Path.home() / ".cache" / "mtf-benchmarks" / "img2dataset")
    return parser.parse_args()


def make_pictures(folder: Path, count: int) -> list[int]:
    """Write different JPEGs of noise of about 144 KB. Returns their sizes in bytes."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    sizes = []
    for number in range(count):
        pixels = random.integers(0, 255, (330, 368, 3), dtype=np.uint8)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        (folder / f"{number:05d}.jpg").write_bytes(data)
        sizes.append(len(data))
    return sizes


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """Serve `folder/pictures` on a free port of 127.0.0.1. Yields the port."""
    folder.chmod(0o755)  # nginx's workers run as another user
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port))
    process = subprocess.Popen([NGINX, "-c", config, "-e", folder / "error.log"])
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("nginx did not start")


def speed_of_ours(folder: Path, port: int, count: int) -> Speed:
    begin, cpu_begin = time.monotonic(), time.process_time()
    outcomes = asyncio.run(_crawl(folder / "ours", port, count))
    seconds, cpu_s = time.monotonic() - begin, time.process_time() - cpu_begin
    if outcomes != {"stored": count}:
        raise SystemExit(f"not every picture was stored: {outcomes}")
    return Speed(count / seconds, 1000 * cpu_s / count)


async def _crawl(folder: Path, port: int, count: int) -> dict[str, int]:
    pace = {"concurrency": REQUESTS, "per_host_concurrency": REQUESTS, "per_host_delay_s": 0.0}
    crawl = Crawl.model_validate({"sources": [{"kind": "bing"}]} | pace)
    places = asyncio.Semaphore(AT_ONCE)
    with ThreadPoolExecutor(1) as examiner:
        async with HttpFetcher(crawl, user_agent="mtf benchmark", web=Loopback(port)) as fetcher:
            context = CrawlContext(
                crawl, fetcher, SignalsClient(fetcher, BINDING), Takedowns(), LocalSources((), Path()), examiner
            )
            identities = np.array_split(np.arange(count), IDENTITIES)
            jobs = (_one(f"person-{at}", numbers, folder, context, places) for at, numbers in enumerate(identities))
            outcomes = await asyncio.gather(*jobs)
    return dict(sum(outcomes, Counter()))


async def _one(
    identity: str, numbers: np.ndarray, folder: Path, context: CrawlContext, places: asyncio.Semaphore
) -> Counter[str]:
    """One identity's share, as the stage works on it once its search is done."""
    candidates = [Candidate(f"http://pictures.example/{number:05d}.jpg", "bing", int(number)) for number in numbers]
    async with places:
        with Spool(folder) as spool:
            collector = Collector(identity, context, spool, {}, renew=False, judge_anew=False)
            fetches = each_content_once(await collector.obtain_all(candidates))
            path = folder / "shards" / f"{identity}.tar"
            await asyncio.to_thread(store.write, path, identity, fetches, store.Inputs("", "", ""))
    return Counter(str(fetch.outcome) for fetch in fetches)


def install_rival(folder: Path) -> Path:
    """Python of an environment with img2dataset, which is created if it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    if subprocess.run([python, "-c", "import img2dataset"], capture_output=True, check=False).returncode:
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--python", python, "img2dataset", "setuptools<81"], check=True
        )
    return python


def speed_of_rival(folder: Path, port: int, count: int, python: Path) -> Speed:
    urls = folder / "urls.txt"
    urls.write_text("".join(f"http://127.0.0.1:{port}/{number:05d}.jpg\n" for number in range(count)))
    script = folder / "rival.py"
    script.write_text(RIVAL)
    run = subprocess.run([python, script, urls, folder / "rival"], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"img2dataset failed:\n{run.stderr[-2000:]}")
    stored = sum(_pictures_in(path) for path in (folder / "rival").glob("*.tar"))
    if stored != count:
        raise SystemExit(f"img2dataset stored {stored} of {count}")
    seconds, cpu_s = (float(word) for word in run.stdout.rpartition("seconds ")[2].split()[:2])
    return Speed(count / seconds, 1000 * cpu_s / count)


def _pictures_in(path: Path) -> int:
    import tarfile

    with tarfile.open(path) as tar:
        return sum(name.endswith(".jpg") for name in tar.getnames())


if __name__ == "__main__":
    main()
