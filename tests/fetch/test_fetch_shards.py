"""`mtf fetch` from a list to shards: formats, columns, opt-outs, resumption."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from fetch_web import PICTURES
from host_log import HostLog, serving
from mtf.core.errors import BadInput
from mtf.crawl import recorded_web
from mtf.fetch import fetching
from mtf.fetch.options import FetchOptions, ListColumns

Options = Callable[..., FetchOptions]

OF_IMG2DATASET = [
    "caption", "url", "key", "status", "error_message", "width", "height", "original_width", "original_height", "exif",
    "sha256",
]  # fmt: skip
LICENSE = "https://creativecommons.org/licenses/by/4.0/"
ADDRESSES = [f"http://host-{number % 3}.example/{number % 6}.jpg" for number in range(50)]


def write_list(path: Path, urls: list[str], **columns: list[object]) -> None:
    pq.write_table(pa.table({"URL": urls, "TEXT": [f"caption {at}" for at in range(len(urls))], **columns}), path)


def read_table(folder: Path, name: str = "00000") -> list[dict[str, object]]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def fetch(options: FetchOptions, log: HostLog, *, processes: int = 1) -> fetching.FetchReport:
    with serving(log):
        return fetching.run(options, processes=processes, web=log.hosts)


def test_a_reader_of_webdataset_reads_every_sample_under_img2datasets_keys(
    options: Options, log: HostLog, tmp_path: Path
) -> None:
    write_list(tmp_path / "list.parquet", ADDRESSES, score=[at / 2 for at in range(50)])
    columns = ListColumns("URL", "TEXT", others=("score",))
    report = fetch(options("list.parquet", columns=columns), log)
    assert (report.shards, report.count, report.successes) == (3, 50, 50)
    tars = sorted(str(path) for path in (tmp_path / "out").glob("*.tar"))
    assert [Path(tar).name for tar in tars] == ["00000.tar", "00001.tar", "00002.tar"]
    samples = {each["__key__"]: each for each in webdataset.WebDataset(tars, shardshuffle=False, empty_check=False)}
    assert sorted(samples) == [f"{100 * (at // 20) + at % 20:07d}" for at in range(50)]
    for at in range(50):
        sample = samples[f"{100 * (at // 20) + at % 20:07d}"]
        row = json.loads(sample["json"])
        assert sample["jpg"] == PICTURES[at % 6]
        assert sample["txt"].decode() == row["caption"] == f"caption {at}"
        assert (row["url"], row["score"], row["status"]) == (ADDRESSES[at], at / 2, "success")
        assert row["sha256"] == hashlib.sha256(sample["jpg"]).hexdigest()
        assert [row["width"], row["height"]] == list(Image.open(io.BytesIO(sample["jpg"])).size)
        assert list(row)[: len(OF_IMG2DATASET) + 1] == ["score", *OF_IMG2DATASET]
    assert json.loads((tmp_path / "out" / "00002_stats.json").read_text())["successes"] == 10


def test_what_is_refused_is_a_row_with_its_reason_and_no_picture(
    options: Options, log: HostLog, tmp_path: Path
) -> None:
    paths = ["0.jpg", "noai.jpg", "private.jpg", "page.jpg", "half.jpg", "gone.jpg"]
    urls = [
        *(f"http://host-0.example/{path}" for path in paths),
        "http://127.0.0.1/1.jpg",
        "ftp://host-0.example/1.jpg",
    ]
    (tmp_path / "list.txt").write_text("\n".join(urls) + "\n")
    report = fetch(options("list.txt"), log)
    rows = read_table(tmp_path / "out")
    assert [row["url"] for row in rows] == urls
    found = [(row["status"], row["outcome"], row["robots"]) for row in rows]
    assert found == [
        ("success", "stored", "allow"),
        ("failed_to_download", "opted_out", "allow"),
        ("failed_to_download", "opted_out", "disallow"),
        ("failed_to_resize", "not_an_image", "allow"),
        ("failed_to_resize", "truncated", "allow"),
        ("failed_to_download", "http_error", None),
        ("failed_to_download", "refused_address", None),
        ("failed_to_download", "refused_address", None),
    ]
    assert "noai" in rows[1]["error_message"]
    assert ["x-robots-tag", "any automated use", "disallow"] in [each[:3] for each in json.loads(rows[1]["signals"])]
    assert log.counts("/private.jpg") == {}, "a disallowed address is not requested"
    assert report.outcomes["opted_out"] == 2
    stats = json.loads((tmp_path / "out" / "00000_stats.json").read_text())
    assert (stats["count"], stats["successes"], stats["failed_to_download"], stats["failed_to_resize"]) == (8, 1, 5, 2)


def test_a_site_that_says_what_nobody_can_read_does_not_end_the_run(
    options: Options, log: HostLog, tmp_path: Path
) -> None:
    """Addresses that are none, and half a surrogate pair, which no table can hold."""
    picture = "http://host-0.example/0.jpg"
    said = {"@type": "ImageObject", "contentUrl": picture, "license": f"{LICENSE}?\ud800", "creator": "Half \ud800"}
    page = f'<html><script type="application/ld+json">{json.dumps(said)}</script></html>'.encode()
    links = "".join(f'<{each}>; rel="license"; type="application/rsl+xml", ' for each in ("http://[", "http://xn--/"))
    robots = b"License: http://[\nLicense: http://xn--/\nUser-agent: *\nAllow: /\n"
    log.answers = {
        **log.answers,
        "/robots.txt": (200, {}, robots),
        "/said.html": (200, {"Content-Type": "text/html"}, page),
        "/0.jpg": (200, {"Content-Type": "image/jpeg", "Link": links}, PICTURES[0]),
    }
    write_list(tmp_path / "list.parquet", [picture], page=["http://host-0.example/said.html"])
    fetch(options("list.parquet", columns=ListColumns("URL", page="page")), log)
    assert [(row["outcome"], row["creator"]) for row in read_table(tmp_path / "out")] == [("stored", "Half")]


@pytest.mark.parametrize("output_format", ["files", "parquet"])
def test_the_other_formats_hold_the_same_samples(
    output_format: str, options: Options, log: HostLog, tmp_path: Path
) -> None:
    write_list(tmp_path / "list.parquet", [*ADDRESSES[:5], "http://host-0.example/gone.jpg"])
    fetch(options("list.parquet", columns=ListColumns("URL", "TEXT"), output_format=output_format), log)
    rows = {row["key"]: row for row in read_table(tmp_path / "out")}
    assert len(rows) == 6
    for at, key in enumerate(sorted(rows)[:5]):
        if output_format == "parquet":
            assert rows[key]["jpg"] == PICTURES[at]
        else:
            sample = tmp_path / "out" / "00000" / key
            assert sample.with_suffix(".jpg").read_bytes() == PICTURES[at]
            assert sample.with_suffix(".txt").read_text() == f"caption {at}"
            assert json.loads(sample.with_suffix(".json").read_text())["url"] == ADDRESSES[at]
    assert rows["0000005"]["status"] == "failed_to_download"
    assert rows["0000005"].get("jpg") is None


@pytest.mark.parametrize(
    "name", ["list.csv", "list.tsv", "list.jsonl", "list.csv.gz", "LIST.CSV.GZ", "list.txt", "folder"]
)
def test_every_kind_of_list_gives_the_same_addresses(name: str, options: Options, log: HostLog, tmp_path: Path) -> None:
    table = pa.table({"url": ADDRESSES[:30], "alt": ['a, "b"\n'] * 30})
    path = tmp_path / name
    columns = ListColumns(caption="alt")
    if name.endswith("txt"):
        path.write_text("".join(f"{url}\n" for url in ADDRESSES[:30]))
        columns = ListColumns()
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    elif name == "folder":
        path.mkdir()
        pq.write_table(table.slice(0, 5), path / "a.parquet")
        pq.write_table(table.slice(5), path / "b.parquet")
    else:
        delimiter = "\t" if name.endswith("tsv") else ","
        with pa.output_stream(str(path), compression="gzip" if name.lower().endswith("gz") else None) as file:
            pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(delimiter=delimiter))
    fetch(options(name, columns=columns), log)
    shards = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(shards) == (3 if name == "folder" else 2), "each file of a folder begins a new shard"
    rows = [row for shard in shards for row in pq.read_table(shard).to_pylist()]
    assert [row["url"] for row in rows] == ADDRESSES[:30]
    assert [row.get("caption") for row in rows] == [None if name == "list.txt" else 'a, "b"\n'] * 30


def test_several_processes_request_robots_once_for_each_host(
    options: Options, log: HostLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SHARDS_AT_ONCE", 1)
    log.gate = 2
    urls = ADDRESSES * 4
    for shard in range(10):
        urls[20 * shard] = f"http://gate-{shard}.example/0.jpg"
    write_list(tmp_path / "list.parquet", urls)
    report = fetch(options("list.parquet", columns=ListColumns("URL")), log, processes=2)
    assert report.successes == 200
    assert len(log.processes()) == 2
    assert log.shared_moments() == []
    assert set(log.counts("/robots.txt").values()) == {1}
    assert len(log.counts("/robots.txt")) == 3 + 10


def test_a_list_that_changed_is_refused_and_the_same_one_requests_nothing_again(
    options: Options, log: HostLog, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ADDRESSES))
    fetch(options("list.txt"), log)
    requests = len(log.asked)
    report = fetch(options("list.txt"), log)
    assert (report.kept, report.count, len(log.asked)) == (3, 50, requests)
    with pytest.raises(BadInput, match="its shards have another shard size"):
        fetch(options("list.txt", shard_size=30), log)
    (tmp_path / "list.txt").write_text("\n".join(ADDRESSES[1:]))
    with pytest.raises(BadInput, match="its shards have another list; name another folder"):
        fetch(options("list.txt"), log)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"address\nhttp://a.example/1.jpg\n", "no column 'url'; it has 'address'"),
        (b"url,n\nhttp://a.example/1.jpg\n", "list.csv: not a list that can be read: .*Expected 2 columns, got 1"),
        (b"url\n1\n2\n", "the column with addresses holds int64; texts are permitted"),
    ],
)
def test_a_bad_list_is_one_line(content: bytes, message: str, options: Options, log: HostLog, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        fetch(options("list.csv"), log)


SLOW = "http://slow.example/slow.jpg"


def test_a_killed_run_leaves_no_process_and_no_half_shard_and_the_next_one_continues(tmp_path: Path) -> None:
    """Two shards are fetched while the picture of a third one is on its way; then the main process is killed."""
    urls = [f"http://fast.example/{number}.jpg" for number in range(20)] + [SLOW]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    pictures = [recorded_web.Response(url, body=PICTURES[0]) for url in urls[:-1]]
    web = tmp_path / "web"
    recorded_web.write(web, [*pictures, recorded_web.Response(SLOW, body=PICTURES[1], delay_s=60.0)])
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mtf", "fetch", "list.txt", "--to", "out", "--web", "web", "--shard-size", "10"]
    command += ["--host-delay", "0", "--processes", "2", "--timeout", "120"]
    errors = tmp_path / "errors"
    with errors.open("w") as file:
        process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=file)
    while not all((out / f"0000{number}_stats.json").exists() for number in range(2)):
        assert process.poll() is None
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=300)
    assert alive == []
    assert "Traceback" not in errors.read_text(), "workers end quietly"
    assert not (out / "00002.tar").exists()
    recorded_web.write(web, [*pictures, recorded_web.Response(SLOW, body=PICTURES[1])])
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "21 addresses in 3 shards, 2 of them fetched before\n  21 pictures" in done.stdout
    assert not list(out.glob(".*")), "what the killed run left unfinished is gone"
