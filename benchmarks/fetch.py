"""Time to fetch 12,000 made-up JPEGs of about 142 KiB from a local nginx: `mtf fetch`, the crawl, and img2dataset.

    .venv/bin/python benchmarks/fetch.py [--pictures 12000] [--rounds 3] [--rival-env FOLDER]

- All use the same server, the same cores and 64 concurrent requests. In each round they run one after the other;
  medians count. Each is timed from the call to its end, without the interpreter's start, but with that of its own
  processes. As a command, `mtf fetch` and img2dataset are timed from the interpreter's start to its end.
- `mtf fetch` asks 64 hosts for robots.txt, tdmrep.json and ai.txt, obeys the signals of headers, metadata and
  manifests, hashes, and writes tars for webdataset with a row per address, as img2dataset does.
- The crawl does everything after the search, for 64 identities: the same, and evidence, and a tar per identity. The
  pictures have no pages here. A live crawl also fetches a page per picture, which img2dataset does not.
- img2dataset runs with 2 processes of 32 threads, without resizing and re-encoding, with sha256, to webdataset. Its
  samples are compared with those of `mtf fetch`: the same keys, members, columns and digests.
- The limit is what a C client (wrk) receives and drops from the same server on the same cores.

Needs /usr/sbin/nginx, and wrk for the limit. Installs img2dataset with uv into the folder `--rival-env` if it is not
there.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
import pyarrow.parquet as pq

from loopback_web import address
from mtf.core import parallel_map

NGINX = Path("/usr/sbin/nginx")
UV = Path(sys.executable).parent / "uv"
TARGET = 4.0
REQUESTS = 64
SHARD_SIZE = 1000
LIMIT_S = 5
ROBOTS = """User-agent: *
Disallow: /private/
Disallow: /*?session=
Allow: /
Content-Signal: search=yes
"""

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
    urls, output, shard_size = sys.argv[1:]
    begin, own_begin = time.monotonic(), time.process_time()
    download(url_list=urls, output_folder=output, input_format="txt", output_format="webdataset", processes_count=2,
             thread_count=32, resize_mode="no", disable_all_reencoding=True, compute_hash="sha256", enable_wandb=False,
             number_sample_per_shard=int(shard_size), save_additional_columns=None)
    seconds, own_s = time.monotonic() - begin, time.process_time() - own_begin
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("seconds", seconds, own_s + workers.ru_utime + workers.ru_stime)
"""

OURS = """
import resource, sys, time
from pathlib import Path

import psutil

sys.path.insert(0, sys.argv[1])
from loopback_web import Loopback
from mtf.core import parallel_map
from mtf.fetch import PRELOADED

if __name__ == "__main__" and sys.argv[2] == "command":
    parallel_map.process_context(PRELOADED)  # as `mtf.cli.fetch` does

from mtf.config import Licenses
from mtf.fetch import fetching
from mtf.fetch.options import FetchOptions, limits

if __name__ == "__main__":
    what, urls, output = sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    port, count, requests, shard_size = map(int, sys.argv[5:])
    web = Loopback(port)
    crawl = limits(per_host_delay_s=0.0, per_host_concurrency=16, concurrency=requests)
    binding = tuple(Licenses.model_fields["binding_opt_outs"].default)
    options = FetchOptions(urls, output, crawl, shard_size=shard_size, binding=binding)
    if what == "crawl":
        import crawl_shares
    begin, own_begin = time.monotonic(), time.process_time()
    if what in ("fetch", "command"):
        stored = fetching.run(options, web=web).successes
    else:
        stored = crawl_shares.crawl(crawl, web, output, count, binding)
    seconds, own_s = time.monotonic() - begin, time.process_time() - own_begin
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The fork server, and with it the workers, which have ended.
    workers_s = sum(sum(child.cpu_times()[:4]) for child in psutil.Process().children())
    print("stored", stored)
    print("seconds", seconds, own_s + ended.ru_utime + ended.ru_stime + workers_s)
"""

WRK = """
local number = 0
request = function()
  number = (number + 7) % COUNT
  return wrk.format("GET", string.format("/%05d.jpg", number))
end
"""


@dataclass(frozen=True)
class Speed:
    """Speed of a run. Processor time is of the fetching processes, without nginx; it varies less than wall time.

    as_command: images per second from the interpreter's start to its end.
    """

    images_per_s: float
    cpu_ms: float
    as_command: float


def main() -> None:
    arguments = _arguments()
    speeds: dict[str, list[Speed]] = {"mtf fetch": [], "mtf crawl": [], "img2dataset": []}
    as_command: list[Speed] = []
    with tempfile.TemporaryDirectory(prefix="mtf-fetch-") as name:
        folder = Path(name)
        sizes = make_pictures(folder / "pictures", arguments.pictures)
        (folder / "pictures" / "robots.txt").write_text(ROBOTS)
        print(f"{len(sizes)} pictures, {np.mean(sizes) / 1024:.0f} KiB on average; {parallel_map.cores()} cores")
        rival_python = install_rival(arguments.rival_env)
        with nginx(folder) as port:
            for number in range(arguments.rounds):
                speeds["mtf fetch"].append(speed_of_ours("fetch", folder, port, len(sizes)))
                as_command.append(speed_of_ours("command", folder, port, len(sizes)))
                speeds["mtf crawl"].append(speed_of_ours("crawl", folder, port, len(sizes)))
                speeds["img2dataset"].append(speed_of_rival(folder, port, len(sizes), rival_python))
                if number == 0:
                    print(f"same samples: {compared(folder / 'fetch', folder / 'rival', len(sizes))}")
                for each in ("fetch", "command", "crawl", "rival"):
                    shutil.rmtree(folder / each)
            limit = limit_of_server(folder, port, len(sizes))
    medians = {name: median(own) for name, own in speeds.items()}
    for name, speed in medians.items():
        print(f"{name:12} {speed.images_per_s:7.0f} images/s  {speed.cpu_ms:6.2f} ms of processor time per image")
    print(limit)
    rival = medians["img2dataset"]
    for name in ("mtf fetch", "mtf crawl"):
        ratio, cpu_ratio = medians[name].images_per_s / rival.images_per_s, rival.cpu_ms / medians[name].cpu_ms
        print(f"{name:12} {ratio:5.1f} times img2dataset (target: {TARGET:g}); by processor time {cpu_ratio:.1f}")
    command, other = median(as_command).as_command, rival.as_command
    print(f"as a command {command:7.0f} against {other:.0f} images/s, {command / other:.1f} times")


def median(speeds: list[Speed]) -> Speed:
    return Speed(
        statistics.median(each.images_per_s for each in speeds),
        statistics.median(each.cpu_ms for each in speeds),
        statistics.median(each.as_command for each in speeds),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rival-env", type=Path, default=Path.home() / ".cache" / "mtf-benchmarks" / "img2dataset")
    return parser.parse_args()


def speed_of_ours(what: str, folder: Path, port: int, count: int) -> Speed:
    """Speed of `mtf fetch`, as a function or as a command, or of the crawl; each writes into the folder `what`."""
    urls = folder / "our-urls.txt"
    urls.write_text("".join(f"{address(number)}\n" for number in range(count)))
    script = folder / "ours.py"
    script.write_text(OURS)
    command = [sys.executable, script, Path(__file__).parent, what, urls, folder / what]
    command += [port, count, REQUESTS, SHARD_SIZE]
    begin = time.monotonic()
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    whole_s = time.monotonic() - begin
    if run.returncode or f"stored {count}" not in run.stdout:
        raise SystemExit(f"{what} failed:\n{run.stdout}{run.stderr[-2000:]}")
    return _speed(run.stdout, count, whole_s)


def _speed(output: str, count: int, whole_s: float) -> Speed:
    seconds, cpu_s = (float(word) for word in output.rpartition("seconds ")[2].split()[:2])
    return Speed(count / seconds, 1000 * cpu_s / count, count / whole_s)


def compared(ours: Path, rival: Path, count: int) -> str:
    """Compare the shards of `mtf fetch` with img2dataset's. Raises SystemExit for a difference that a reader meets."""
    names = sorted(path.name for path in rival.iterdir() if path.is_file())
    if missing := [name for name in names if not (ours / name).exists()]:
        raise SystemExit(f"img2dataset writes {missing[0]}, mtf does not")
    for table in sorted(rival.glob("*.parquet")):
        own, other = pq.read_table(ours / table.name), pq.read_table(table)
        if lacking := [name for name in other.column_names if name not in own.column_names]:
            raise SystemExit(f"{table.name}: mtf lacks the column {lacking[0]}")
        # Without encoding anew, img2dataset leaves width and height empty.
        shown = ["key", "status", "error_message", "exif", "sha256"]
        if own.select(shown).to_pylist() != other.sort_by("key").select(shown).to_pylist():
            raise SystemExit(f"{table.name}: the rows differ")
        if _members(ours / f"{table.stem}.tar") != _members(rival / f"{table.stem}.tar"):
            raise SystemExit(f"{table.stem}.tar: the members differ")
    stats = [json.loads(path.read_text()) for path in ours.glob("*_stats.json")]
    if sum(each["successes"] for each in stats) != count:
        raise SystemExit("the stats do not add up")
    return f"{len(names)} files of the same names, their keys, members, sizes and digests"


def _members(path: Path) -> dict[str, int | None]:
    """Name → size of each member; of JSON the name alone."""
    with tarfile.open(path) as tar:
        return {each.name: None if each.name.endswith(".json") else each.size for each in tar}


def limit_of_server(folder: Path, port: int, count: int) -> str:
    """Rate at which wrk receives from the server and drops, with one thread and as many connections as the fetchers."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return "limit        not measured: wrk is not installed"
    script = folder / "requests.lua"
    script.write_text(WRK.replace("COUNT", str(count)))
    server = [each for each in psutil.process_iter(["name"]) if each.info["name"] == "nginx"]
    before = _cpu_s(server)
    command = [wrk, "-t1", f"-c{REQUESTS}", f"-d{LIMIT_S}", "-s", script, f"http://127.0.0.1:{port}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", output)[1])
    server_ms = 1000 * (_cpu_s(server) - before) / requests
    return (
        f"limit        {requests / LIMIT_S:7.0f} images/s received and dropped by a C client (wrk); "
        f"{server_ms:.2f} ms of the server's processor time per image"
    )


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes if each.is_running())


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
    """Speed of img2dataset, which writes into the folder `rival`."""
    urls = folder / "urls.txt"
    urls.write_text("".join(f"http://127.0.0.1:{port}/{number:05d}.jpg\n" for number in range(count)))
    script = folder / "rival.py"
    script.write_text(RIVAL)
    command = [python, script, urls, folder / "rival", str(SHARD_SIZE)]
    begin = time.monotonic()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    whole_s = time.monotonic() - begin
    if run.returncode:
        raise SystemExit(f"img2dataset failed:\n{run.stderr[-2000:]}")
    return _speed(run.stdout, count, whole_s)


if __name__ == "__main__":
    main()
