"""`mtf fetch` with lists, folders and options that are wrong: one line says what, and nothing is lost."""

import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from host_log import HostLog, serving
from mtf.cli import app
from mtf.core.errors import BadInput, MtfError
from mtf.crawl import recorded_web
from mtf.fetch import fetching
from mtf.fetch.options import FetchOptions, ListColumns, limits

Options = Callable[..., FetchOptions]

URLS = [f"http://host-0.example/{number}.jpg" for number in range(6)]
INVALID_UTF8 = pa.Array.from_buffers(
    pa.string(), 1, [None, pa.py_buffer((0).to_bytes(4, "little") + (3).to_bytes(4, "little")), pa.py_buffer(b"a\xffb")]
)


def fetch(options: FetchOptions, log: HostLog) -> fetching.FetchReport:
    with serving(log):
        return fetching.run(options, processes=1, web=log.hosts)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for shard in sorted(folder.glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"url": URLS[:1], "alt": [["a"]]}, "column 'alt': holds list.*; texts are permitted"),
        ({"url": INVALID_UTF8}, "column 'url': a value that cannot be read: .*UTF8"),
        (
            {"url": URLS[:1], "day": pa.array([2_000_000_000], pa.date32())},
            "column 'day': a value that cannot be read",
        ),
        (
            {"url": URLS[:1], "day": pa.array([{"at": 2_000_000_000}], pa.struct([("at", pa.date32())]))},
            "column 'day': a value that cannot be read",
        ),
        ({"url": URLS[:1], "alt": [b"\xff"]}, "column 'alt': a value that cannot be read: .*UTF8"),
    ],
)
def test_a_value_that_no_row_can_hold_is_named_with_its_column(
    columns: dict[str, Any], message: str, options: Options, log: HostLog, tmp_path: Path
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    asked = ListColumns(caption="alt" if "alt" in columns else None, others=("day",) if "day" in columns else ())
    with pytest.raises(BadInput, match=rf"list\.parquet {message}"):
        fetch(options("list.parquet", columns=asked), log)


@pytest.mark.parametrize("name", ["list.parquet", "list.csv"])
def test_two_columns_of_one_name_are_refused(name: str, options: Options, log: HostLog, tmp_path: Path) -> None:
    if name.endswith("csv"):
        (tmp_path / name).write_text(f"url,url\n{URLS[0]},x\n")
    else:
        pq.write_table(pa.table([pa.array(URLS), pa.array(URLS)], names=["url", "url"]), tmp_path / name)
    with pytest.raises(BadInput, match="two columns are named 'url'; rename one of them"):
        fetch(options(name), log)


@pytest.mark.parametrize("name", ["list.csv.gz", "list.jsonl.gz", "list.txt.gz"])
@pytest.mark.parametrize("damage", ["half", "flipped"])
def test_a_damaged_gzip_file_is_one_line(
    name: str, damage: str, options: Options, log: HostLog, tmp_path: Path
) -> None:
    data = bytearray(gzip.compress(b"url\n" + "\n".join(URLS).encode()))
    if damage == "half":
        del data[-12:]
    else:
        data[12:20] = b"\xff" * 8
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=rf"{name}: not a list that can be read"):
        fetch(options(name), log)


def test_a_line_that_is_no_utf8_is_named(options: Options, log: HostLog, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"http://host-0.example/0.jpg\nhttp://host-0.example/\xe9.jpg\n")
    with pytest.raises(BadInput, match=r"list\.txt line 2: .* is not UTF-8; save the list as UTF-8"):
        fetch(options("list.txt"), log)


def test_a_byte_order_mark_belongs_to_no_address(options: Options, log: HostLog, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(URLS).encode())
    assert fetch(options("list.txt"), log).successes == len(URLS)


def test_an_address_that_cannot_be_read_is_a_row_and_does_not_end_the_run(
    options: Options, log: HostLog, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\n".join([*URLS, "http://xn--/0.jpg", "http://[::1/0.jpg", "http:///0.jpg"]))
    report = fetch(options("list.txt"), log)
    assert dict(report.outcomes) == {"stored": len(URLS), "refused_address": 3}


def test_a_column_of_categories_is_a_column_of_texts(options: Options, log: HostLog, tmp_path: Path) -> None:
    table = pa.table({"url": pa.array(URLS).dictionary_encode(), "alt": pa.array(["x"] * 6).dictionary_encode()})
    pq.write_table(table, tmp_path / "list.parquet")
    assert fetch(options("list.parquet", columns=ListColumns(caption="alt")), log).successes == len(URLS)
    assert [row["caption"] for row in rows_of(tmp_path / "out")] == ["x"] * 6


def test_texts_of_a_csv_list_stay_as_they_are_written(options: Options, log: HostLog, tmp_path: Path) -> None:
    captions = [f"00{number}" for number in range(6)]
    lines = (f"{url},{caption},{at}" for at, (url, caption) in enumerate(zip(URLS, captions, strict=True)))
    (tmp_path / "list.csv").write_text("url,alt,number\n" + "\n".join(lines))
    fetch(options("list.csv", columns=ListColumns(caption="alt", others=("number",))), log)
    rows = rows_of(tmp_path / "out")
    assert [row["caption"] for row in rows] == captions
    assert [row["number"] for row in rows] == list(range(6))


def test_pages_may_begin_after_many_rows_without_one(options: Options, log: HostLog, tmp_path: Path) -> None:
    """Arrow takes the type of a column from the first 4 MiB; the rest of the list has pages nevertheless."""
    filler = f"{URLS[0]},,{'x' * 50_000}\n" * 100
    (tmp_path / "list.csv").write_text(f"url,page,rest\n{filler}{URLS[1]},http://host-0.example/page.jpg,x\n")
    report = fetch(options("list.csv", columns=ListColumns(page="page"), shard_size=200), log)
    assert (report.count, report.successes) == (101, 101)
    assert rows_of(tmp_path / "out")[-1]["page_url"] == "http://host-0.example/page.jpg"


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl"])
def test_other_columns_may_change_their_type_or_begin_late(
    name: str, options: Options, log: HostLog, tmp_path: Path
) -> None:
    """Arrow takes the types of all columns from the first 4 MiB."""
    rows: list[dict[str, Any]] = [{"url": URLS[0], "alt": None, "number": 1, "rest": "x" * 50_000}] * 100
    rows.append({"url": URLS[1], "alt": "late", "number": "unknown", "rest": "x"})
    if name.endswith("csv"):
        lines = [",".join(str(value or "") for value in row.values()) for row in rows]
        (tmp_path / name).write_text("\n".join(["url,alt,number,rest", *lines]))
    else:
        rows[-1]["more"] = 1
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    report = fetch(options(name, columns=ListColumns(caption="alt"), shard_size=200), log)
    assert (report.count, report.successes) == (101, 101)
    assert rows_of(tmp_path / "out")[-1]["caption"] == "late"


def test_an_empty_file_of_json_lines_has_no_addresses(options: Options, log: HostLog, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "0.jsonl").touch()
    (tmp_path / "parts" / "1.jsonl").write_text("\n".join(json.dumps({"url": url}) for url in URLS))
    report = fetch(options("parts"), log)
    assert (report.shards, report.successes) == (1, len(URLS))


def test_a_caption_that_looks_like_a_date_stays_as_it_is_written(
    options: Options, log: HostLog, tmp_path: Path
) -> None:
    (tmp_path / "list.jsonl").write_text(json.dumps({"url": URLS[0], "alt": "2024-01-01"}))
    fetch(options("list.jsonl", columns=ListColumns(caption="alt")), log)
    assert rows_of(tmp_path / "out")[0]["caption"] == "2024-01-01"


@pytest.mark.parametrize(
    "kept", [pa.array([1_001] * 6, pa.duration("us")), pa.array(["x"] * 6, pa.string_view())], ids=["duration", "view"]
)
def test_durations_and_string_views_are_kept(kept: pa.Array, options: Options, log: HostLog, tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": URLS, "more": kept}), tmp_path / "list.parquet")
    fetch(options("list.parquet", columns=ListColumns(others=("more",))), log)
    assert [row["more"] for row in rows_of(tmp_path / "out")] == kept.to_pylist()


def test_a_bad_list_ends_the_program_with_2(tmp_path: Path) -> None:
    """Also while Arrow reads ahead in threads of its own."""
    (tmp_path / "list.csv").write_text(f"address,alt\n{URLS[0]},x\n" * 100_000)
    command = [sys.executable, "-m", "mtf", "fetch", "list.csv", "--to", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "mtf: list.csv: no column 'url'; it has 'address', 'alt'\n"


def test_a_pipe_is_no_list(options: Options, log: HostLog, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.txt")
    with pytest.raises(BadInput, match=r"list\.txt: not a regular file"):
        fetch(options("list.txt"), log)


def test_shards_never_replace_a_list_nor_are_taken_for_one(options: Options, log: HostLog, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    pq.write_table(pa.table({"url": URLS}), folder / "00000.parquet")
    before = (folder / "00000.parquet").read_bytes()
    with pytest.raises(BadInput, match=r"--to: .*out has the list 00000\.parquet, which a shard could replace"):
        fetch(options("out/00000.parquet"), log)
    with pytest.raises(BadInput, match=r"--to: .*out is the folder of the lists; name another one"):
        fetch(options("out"), log)
    assert (folder / "00000.parquet").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["00000.parquet"]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "null"])
def test_a_shard_with_damaged_stats_is_fetched_again(
    content: str, options: Options, log: HostLog, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(URLS))
    fetch(options("list.txt"), log)
    (tmp_path / "out" / "00000_stats.json").write_text(content)
    report = fetch(options("list.txt"), log)
    assert (report.kept, report.successes) == (0, len(URLS))


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "7"])
def test_a_damaged_plan_is_one_line(content: str, options: Options, log: HostLog, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(URLS))
    fetch(options("list.txt"), log)
    (tmp_path / "out" / "_fetch" / "plan.json").write_text(content)
    with pytest.raises(BadInput, match=r"plan\.json: damaged, .*; name another folder with --to"):
        fetch(options("list.txt"), log)


def test_a_corrected_command_may_use_the_folder_if_no_shard_was_made(
    options: Options, log: HostLog, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"URL": URLS}), tmp_path / "list.parquet")
    with pytest.raises(BadInput, match="no column 'url'"):
        fetch(options("list.parquet"), log)
    assert fetch(options("list.parquet", columns=ListColumns("URL")), log).successes == len(URLS)


def test_shards_with_exif_are_not_continued_without(options: Options, log: HostLog, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(URLS * 5))
    fetch(options("list.txt"), log)
    with pytest.raises(BadInput, match="its shards have another exif; name another folder"):
        fetch(options("list.txt", has_exif=False), log)


@pytest.mark.parametrize("contact", ["a@example.org\r\nX-Other: 1", "", "zoë@example.org", "a\x1b[31m"])
def test_a_contact_that_no_header_can_hold_is_refused(contact: str, options: Options) -> None:
    with pytest.raises(BadInput, match=r"--contact: .* is not permitted; permitted: an address or e-mail in ASCII"):
        options("list.txt", contact=contact)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("concurrency", 0, "--requests: 0 is not permitted; permitted: 1 or more"),
        ("per_host_delay_s", float("nan"), "--host-delay: nan is not permitted; permitted: a finite number"),
        ("timeout_s", 0.0, r"--timeout: 0\.0 is not permitted; permitted: more than 0"),
    ],
)
def test_a_bad_limit_is_named_by_its_option(field: str, value: float, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        limits(**{field: value})


def test_a_folder_without_a_recorded_web_is_named_by_its_option(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(URLS[0])
    command = [sys.executable, "-m", "mtf", "fetch", "list.txt", "--to", "out", "--web", "nothing"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "mtf: --web: nothing: no recorded web; permitted: a folder with responses.jsonl\n"


@pytest.mark.parametrize(("output_format", "processes"), [("webdataset", "2"), ("files", "1"), ("parquet", "1")])
def test_a_full_disk_is_one_line_with_the_folder(output_format: str, processes: str, tmp_path: Path) -> None:
    """`ulimit -f` in place of a full disk."""
    large = io.BytesIO()
    Image.frombytes("RGB", (200, 200), random.Random(1).randbytes(120_000)).save(large, "PNG")
    urls = [f"http://host.example/{number}.png" for number in range(20)]
    recorded_web.write(tmp_path / "web", [recorded_web.Response(url, body=large.getvalue()) for url in urls])
    (tmp_path / "list.txt").write_text("\n".join(urls))
    command = [sys.executable, "-m", "mtf", "fetch", "list.txt", "--to", "out", "--web", "web", "--host-delay", "0"]
    command += ["--shard-size", "10", "--processes", processes, "--format", output_format]
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000,) * 2); "
        "from mtf.__main__ import main; main()"
    )
    failed = subprocess.run(
        [sys.executable, "-c", limited, *command[3:]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert failed.stderr == "mtf: out: file too large; raise the limit on the size of files (`ulimit -f`)\n"
    assert failed.returncode == 2
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "20 addresses in 2 shards\n  20 pictures" in done.stdout
    assert [path.name for path in (tmp_path / "out").glob(".*")] == []


@pytest.mark.parametrize(
    ("hidden", "says"),
    [
        pytest.param((), "no cluster answers at 127.0.0.1:1 ", marks=pytest.mark.ray),
        (("ray",), "needs the package ray; "),
    ],
)
def test_a_cluster_that_cannot_be_used_is_named_by_the_option(
    hidden: Sequence[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(URLS))
    for name in hidden:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    arguments = ["fetch", str(tmp_path / "list.txt"), "--to", str(tmp_path / "out"), "--ray", "127.0.0.1:1"]
    with pytest.raises(MtfError) as raised:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    message = str(raised.value)
    assert message.startswith(f"--ray: {says}")
    assert message.endswith(", or leave --ray out")
    assert "compute." not in message
