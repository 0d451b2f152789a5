"""`mtf takedown add`: what a person names, and what it turns out to mean."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from dvc.repo import Repo
from PIL import Image
from small_project import HALF_MERGED
from typer.testing import CliRunner

from mtf import schemas
from mtf.cli import app
from mtf.config import Params
from mtf.core import shards
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.core.urls import address_key, same_address
from mtf.faces.perceptual_hash import picture_hash
from mtf.faces.quality import perceptual_hash
from mtf.schemas import takedown_file
from mtf.schemas.takedown_file import RequestKind
from mtf.takedown import requests
from mtf.takedown.requests import Request
from projects import ROOT, environment, run_in


def scene(seed: int) -> np.ndarray:
    """A picture with some structure, unlike that of other seeds."""
    rough = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(rough, (320, 240), interpolation=cv2.INTER_CUBIC)


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture
def workspace(tmp_path: Path) -> ProjectPaths:
    """Two identities with two pictures each, crawled."""
    project = ProjectPaths(tmp_path)
    project.data.mkdir()
    project.roster.write_text("identity,name,race,gender,age\nann,Ann,Blue,Males,Old\nbob,Bob,Blue,Males,Old\n")
    everything = []
    for number, name in enumerate(("ann", "bob")):
        rows = []
        with shards.writing(project.shard("crawl", name), "d") as shard:
            for seed in (2 * number, 2 * number + 1):
                data = jpeg(scene(seed))
                image_id = hashlib.sha256(data).hexdigest()
                offset, size = shard.add(f"{image_id}.jpg", data)
                rows.append(
                    {
                        "identity": name,
                        "image_id": image_id,
                        "url": f"https://p.example/{seed}.jpg",
                        "page_url": f"https://p.example/page/{seed}",
                        "title": None,
                        "source": "bing",
                        "claim": None,
                        "media_type": "image/jpeg",
                        "width": 320,
                        "height": 240,
                        "offset": offset,
                        "size_bytes": size,
                    }
                )
            shard.finish(schemas.frame(schemas.IMAGES, rows))
        everything += rows
    schemas.write(schemas.IMAGES, everything, project.table("crawl", "images"))
    fetches = [{"identity": row["identity"], "url": row["url"], "page_url": row["page_url"]} for row in everything]
    project.table("crawl", "fetches").parent.mkdir(exist_ok=True)
    pl.DataFrame(fetches).write_parquet(project.table("crawl", "fetches"))
    return project


def meaning(value: str, workspace: ProjectPaths, params: Params) -> list[tuple[RequestKind, str]]:
    records = requests.resolve(Request(value, "asked", "Ann"), workspace, params).records
    return [(record.kind, record.value) for record in records]


@pytest.mark.dvc
def test_an_identity_an_address_and_an_image_id_are_told_apart(workspace: ProjectPaths, sample_params: Params) -> None:
    for value, kind in [
        ("ann", RequestKind.IDENTITY),
        ("https://p.example/1.jpg", RequestKind.PICTURE),
        ("http://P.example/page/1", RequestKind.PAGE),
        ("https://elsewhere.example/new.jpg", RequestKind.PICTURE),
        ("ab" * 32, RequestKind.IMAGE_ID),
    ]:
        assert meaning(value, workspace, sample_params)[0] == (kind, value)


@pytest.mark.dvc
@pytest.mark.parametrize("value", ["carl", "../ann", "ftp://p.example/1.jpg", ""])
def test_what_names_nothing_is_refused_with_what_is_permitted(
    workspace: ProjectPaths, sample_params: Params, value: str
) -> None:
    with pytest.raises(BadInput, match="permitted: an identity of the roster"):
        meaning(value, workspace, sample_params)


@pytest.mark.dvc
def test_a_picture_file_finds_its_recompressed_copy_and_no_other(
    workspace: ProjectPaths, sample_params: Params, tmp_path: Path
) -> None:
    file = tmp_path / "their copy.jpg"
    file.write_bytes(jpeg(cv2.resize(scene(1), (200, 150)), quality=60))
    found = meaning(str(file), workspace, sample_params)
    stored = hashlib.sha256(jpeg(scene(1))).hexdigest()
    own = hashlib.sha256(file.read_bytes()).hexdigest()
    assert {value for kind, value in found if kind is RequestKind.IMAGE_ID} == {stored, own}
    assert [kind for kind, _ in found].count(RequestKind.PERCEPTUAL_HASH) == 1


@pytest.mark.dvc
def test_a_file_that_is_no_picture_is_refused(workspace: ProjectPaths, sample_params: Params, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("please")
    with pytest.raises(BadInput, match="not readable as a picture"):
        meaning(str(file), workspace, sample_params)


@pytest.mark.dvc
def test_requests_are_added_once_and_read_back(workspace: ProjectPaths, sample_params: Params) -> None:
    request = Request("ann", 'left, "for good"\nreally', "=Ann", "letter 7")
    records = requests.resolve(request, workspace, sample_params).records
    assert requests.append(workspace.takedowns, records) == records
    assert requests.append(workspace.takedowns, requests.resolve(request, workspace, sample_params).records) == []
    request_row, *pictures = takedown_file.load(workspace.takedowns).records
    assert {record.kind for record in pictures} == {RequestKind.IMAGE_ID, RequestKind.PERCEPTUAL_HASH}
    assert (request_row.kind, request_row.value, request_row.reason) == (
        RequestKind.IDENTITY,
        "ann",
        'left, "for good" really',
    )
    assert requests.match_counts(takedown_file.load(workspace.takedowns), workspace)[RequestKind.IDENTITY, "ann"] == 2


def hash_of(seed: int) -> str:
    return f"{picture_hash(jpeg(scene(seed)), max_pixels=10**6):016x}"


@pytest.mark.dvc
@pytest.mark.parametrize(
    ("value", "seeds"),
    [
        ("ann", (0, 1)),
        ("http://P.example/1.jpg#top", (1,)),
        ("https://p.example/page/1", (1,)),
        (hashlib.sha256(jpeg(scene(1))).hexdigest(), (1,)),
    ],
)
def test_content_and_looks_of_every_picture_meant_are_written_down(
    workspace: ProjectPaths, sample_params: Params, value: str, seeds: tuple[int, ...]
) -> None:
    found = meaning(value, workspace, sample_params)
    meant = {hashlib.sha256(jpeg(scene(seed))).hexdigest() for seed in seeds}
    assert {text for kind, text in found if kind is RequestKind.IMAGE_ID} == meant
    assert {text for kind, text in found if kind is RequestKind.PERCEPTUAL_HASH} == {hash_of(seed) for seed in seeds}
    assert len(found) == len(set(found))


@pytest.mark.dvc
def test_requests_are_counted_by_any_spelling_and_by_perceptual_hash(
    workspace: ProjectPaths, sample_params: Params
) -> None:
    request = Request("http://P.example/1.jpg#top", "asked", "Ann")
    records = requests.resolve(request, workspace, sample_params).records
    counts = requests.match_counts(takedown_file.Takedowns(tuple(records)), workspace)
    assert {kind: count for (kind, _), count in counts.items()} == {
        RequestKind.PICTURE: 1,
        RequestKind.IMAGE_ID: 1,
        RequestKind.PERCEPTUAL_HASH: None,
    }
    with_perceptual_hashes(workspace)
    counts = requests.match_counts(takedown_file.Takedowns(tuple(records)), workspace)
    assert counts[RequestKind.PERCEPTUAL_HASH, hash_of(1)] == 1


def with_perceptual_hashes(workspace: ProjectPaths) -> None:
    """Shards as the crawl leaves them once a takedown names a perceptual hash."""
    images = pl.read_parquet(workspace.table("crawl", "images"))
    for (name,), rows in images.partition_by("identity", as_dict=True).items():
        with shards.reader(workspace.shard("crawl", str(name))) as shard:
            pictures = [shard.read(row["offset"], row["size_bytes"]) for row in rows.iter_rows(named=True)]
        hashes = {
            "image_id": rows["image_id"],
            "content_hash": [picture_hash(each, max_pixels=10**6) for each in pictures],
        }
        buffer = io.BytesIO()
        pl.DataFrame(hashes, schema={"image_id": pl.String, "content_hash": pl.UInt64}).write_parquet(buffer)
        with shards.writing(workspace.shard("crawl", str(name)), "d") as shard:
            for image_id, data in zip(rows["image_id"], pictures, strict=True):
                shard.add(f"{image_id}.jpg", data)
            shard.add("responses.parquet", buffer.getvalue())
            shard.finish(rows)


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    texts = ["=1+1", '  "quoted", and more ', "-\ttab", "ünïcode 字", "@x;y", ""]
    records = [
        takedown_file.Takedown("2026-01-02", RequestKind.PICTURE, f"https://x.example/{number}?a=1,2", text, text, text)
        for number, text in enumerate(texts)
    ]
    requests.append(tmp_path / "takedowns.csv", records[:3])
    requests.append(tmp_path / "takedowns.csv", records)
    assert list(takedown_file.load(tmp_path / "takedowns.csv").records) == records


def test_requests_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "takedowns.csv"
    processes = [
        subprocess.Popen([sys.executable, "-c", ADD, str(path), str(number)], stdin=subprocess.PIPE)
        for number in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert len(takedown_file.load(path).records) == 3 * 20


ADD = """
import sys
from pathlib import Path
from mtf.takedown import requests
from mtf.schemas.takedown_file import RequestKind, Takedown
sys.stdin.read()
for number in range(20):
    record = Takedown("2026-01-02", RequestKind.IDENTITY, f"p{sys.argv[2]}-{number}", "asked", "them", "")
    requests.append(Path(sys.argv[1]), [record])
"""


@pytest.fixture
def one_version(workspace: ProjectPaths, monkeypatch: pytest.MonkeyPatch, dvc: str) -> ProjectPaths:
    """The workspace, committed; there is a remote whose plugin is not installed."""
    for name, value in environment().items():
        if name.startswith(("GIT_", "DVC_", "PATH")):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(workspace.root)
    run_in(workspace.root, "git", "init", "-q")
    Repo.init(str(workspace.root))
    (workspace.root / ".dvc" / "config").write_text("['remote \"far\"']\n    url = gs://faces/store\n")
    with Repo(str(workspace.root)) as repo:
        repo.add(str(workspace.root / "build"))
    run_in(workspace.root, "git", "add", "-A")
    run_in(workspace.root, "git", "commit", "-q", "-m", "v1")
    return workspace


def test_who_only_older_versions_know_can_be_named(one_version: ProjectPaths, sample_params: Params) -> None:
    workspace = one_version
    old = pl.read_parquet(workspace.table("crawl", "images"))
    gone = old.filter(identity="ann")["image_id"].sort().to_list()
    schemas.write(schemas.IMAGES, old.filter(identity="bob"), workspace.table("crawl", "images"))
    fetches = pl.read_parquet(workspace.table("crawl", "fetches"))
    fetches.filter(identity="bob").write_parquet(workspace.table("crawl", "fetches"))
    workspace.roster.write_text("identity,name,race,gender,age\nbob,Bob,Blue,Males,Old\n")

    found = meaning("ann", workspace, sample_params)
    hashes = [(RequestKind.PERCEPTUAL_HASH, each) for each in sorted((hash_of(0), hash_of(1)))]
    assert found == [(RequestKind.IDENTITY, "ann"), *((RequestKind.IMAGE_ID, image_id) for image_id in gone), *hashes]
    (of_page,) = old.filter(page_url="https://p.example/page/1")["image_id"]
    found = meaning("http://p.example/page/1", workspace, sample_params)
    assert found == [
        (RequestKind.PAGE, "http://p.example/page/1"),
        (RequestKind.IMAGE_ID, of_page),
        (RequestKind.PERCEPTUAL_HASH, hash_of(1)),
    ]
    with pytest.raises(BadInput, match="dvc fetch --all-commits"):
        meaning("nobody", workspace, sample_params)


def test_pictures_that_only_older_versions_have_of_somebody_are_meant_too(
    one_version: ProjectPaths, sample_params: Params
) -> None:
    old = pl.read_parquet(one_version.table("crawl", "images"))
    kept = old.filter(pl.col("url") != "https://p.example/1.jpg")
    schemas.write(schemas.IMAGES, kept, one_version.table("crawl", "images"))
    found = meaning("ann", one_version, sample_params)
    assert {value for kind, value in found if kind is RequestKind.PERCEPTUAL_HASH} == {hash_of(0), hash_of(1)}


def half_merged_twice(root: Path) -> None:
    """Two commits with a dvc.yaml that nobody can read, and one that put it right."""
    (root / "dvc.yaml").write_text(HALF_MERGED)
    for number in range(2):
        (root / "note").write_text(str(number))
        run_in(root, "git", "add", "-A")
        run_in(root, "git", "commit", "-q", "-m", "half merged")
    (root / "dvc.yaml").unlink()
    run_in(root, "git", "commit", "-q", "-a", "-m", "put right")


def test_a_version_that_cannot_be_read_is_named_and_stops_no_request(
    one_version: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "track", str)
    (one_version.root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    half_merged_twice(one_version.root)
    (warning,) = [line for line in adding("ann").splitlines() if "WARNING" in line]
    assert "could not be read" in warning and "'dvc.yaml'" in warning and warning.count("corrupted") == 1
    assert takedown_file.load(one_version.takedowns).records[0].value == "ann"


def test_who_is_unknown_is_refused_with_the_versions_that_could_not_be_read(
    one_version: ProjectPaths, sample_params: Params
) -> None:
    half_merged_twice(one_version.root)
    with pytest.raises(BadInput, match=r"could not be read: .*'dvc\.yaml'"):
        meaning("nobody", one_version, sample_params)


def test_a_broken_pipeline_in_the_folder_stops_no_request(one_version: ProjectPaths, sample_params: Params) -> None:
    (one_version.root / "dvc.yaml").write_text(HALF_MERGED)
    resolved = requests.resolve(Request("ann", "asked", "Ann"), one_version, sample_params)
    assert resolved.pictures == 2 and "at workspace" in resolved.unreadable_versions[0]


@pytest.mark.parametrize("name", ["HEAD~1", "HEAD~1:build.dvc"])
def test_a_damaged_history_stops_no_request(one_version: ProjectPaths, sample_params: Params, name: str) -> None:
    """A commit or a file of one is lost, as a disk that was full or a killed git leaves it."""
    (one_version.root / "note").write_text("v2")
    run_in(one_version.root, "git", "add", "-A")
    run_in(one_version.root, "git", "commit", "-q", "-m", "v2")
    lost = run_in(one_version.root, "git", "rev-parse", name).strip()
    (one_version.root / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    resolved = requests.resolve(Request("ann", "asked", "Ann"), one_version, sample_params)
    assert resolved.pictures == 2
    (fault,) = resolved.unreadable_versions
    assert fault.startswith("all older ones: git ") and lost in fault


def test_a_machine_without_git_stops_no_request(
    one_version: ProjectPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "track", str)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    (one_version.root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (warning,) = [line for line in adding("ann").splitlines() if "WARNING" in line]
    assert "were not looked through: all older ones: git is not installed: no `git` is on the PATH" in warning
    records = takedown_file.load(one_version.takedowns).records
    assert (RequestKind.IDENTITY, "ann") in {(record.kind, record.value) for record in records}


def test_a_request_in_a_shallow_clone_says_what_is_not_there(
    one_version: ProjectPaths, sample_params: Params, tmp_path_factory: pytest.TempPathFactory
) -> None:
    beside = tmp_path_factory.mktemp("clone")
    run_in(one_version.root, "git", "commit", "-q", "--allow-empty", "-m", "v2")
    run_in(beside, "git", "clone", "-q", "--depth=1", f"file://{one_version.root}", "shallow")
    request = Request("https://p.example/page/1", "asked", "Ann")
    (fault,) = requests.resolve(request, ProjectPaths(beside / "shallow"), sample_params).unreadable_versions
    assert "this clone is shallow" in fault and "git fetch --unshallow" in fault


def published(seed: int, size_px: int) -> bytes:
    """The crop of a face as a release has it: its square, resized and saved anew."""
    return jpeg(cv2.resize(scene(seed)[40:200, 60:220], (size_px, size_px), interpolation=cv2.INTER_LANCZOS4), 75)


@pytest.fixture
def with_faces(workspace: ProjectPaths) -> ProjectPaths:
    """One face in each picture, cut out and screened."""
    images = pl.read_parquet(workspace.table("crawl", "images"))
    grey = [cv2.cvtColor(scene(seed)[40:200, 60:220, ::-1], cv2.COLOR_BGR2GRAY) for seed in range(4)]
    faces = images.select("identity", "image_id", face_id=pl.col("image_id").str.slice(0, 32))
    hashes = pl.Series("hash", [perceptual_hash(each) for each in grey], pl.UInt64)
    for stage, table, rows in (("crop", "faces", faces), ("screen", "screening", faces.with_columns(hashes))):
        workspace.stage(stage).mkdir(parents=True)
        rows.write_parquet(workspace.table(stage, table))
    return workspace


@pytest.mark.dvc
@pytest.mark.parametrize("is_named", [True, False])
def test_a_published_crop_means_the_picture_that_it_was_cut_from(
    with_faces: ProjectPaths, sample_params: Params, tmp_path: Path, is_named: bool
) -> None:
    source = hashlib.sha256(jpeg(scene(1))).hexdigest()
    file = tmp_path / (f"ann-{source[:32]}.jpg" if is_named else "from the web.jpg")
    file.write_bytes(published(3 if is_named else 1, 512))  # a face_id in the name decides before the hash
    here = sample_params.model_copy(update={"compute": sample_params.compute.model_copy(update={"workers": 1})})
    resolved = requests.resolve(Request(str(file), "asked", "Ann"), with_faces, here)
    found = {(record.kind, record.value) for record in resolved.records}
    assert {(RequestKind.IMAGE_ID, source), (RequestKind.PERCEPTUAL_HASH, hash_of(1))} < found
    assert resolved.pictures == 1 and len(resolved.records) == 4


def adding(value: str) -> str:
    words = ["takedown", "add", value, "--reason", "asked", "--requested-by", "Ann"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_how_many_pictures_match_is_said_and_none_is_a_warning(
    one_version: ProjectPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "track", str)
    (one_version.root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    file = tmp_path / "stranger.jpg"
    file.write_bytes(jpeg(scene(9)))
    assert "2 pictures match" in adding("ann")
    assert "1 picture matches" in adding("https://p.example/2.jpg")
    assert "WARNING: no picture here matches; if one should, check the spelling" in adding("https://p.example/22.jpg")
    assert "WARNING: no picture here matches this file" in adding(str(file))


def test_a_column_of_addresses_is_matched_as_each_address_is() -> None:
    spellings = [
        "https://P.example/a?b=1#top",
        "http://p.example/a?b=1",
        " http://p.example/a?b=1 ",
        "http://p.example/A?b=1",
        "http://p.example/a",
        "http://p.example",
        "HTTP://p.example/",
        "http://p.example/?q",
        "http://p.example?q#x",
        "http://p.example:8080/a",
        "http://p.example/a/p.example/a",
        "http://www.p.example:80/a",
        "https://user@P.example:443/a",
        "https://p.example:80/a",
        "http://p.example/é.jpg",
        "http://p.example/%C3%A9.jpg",
        "http://p.example/%c3%a9.%6Apg",
        "http://p.example/%E9.jpg",
        "http://p.example/a%2Fb.jpg",
        "http://p.example/a/b.jpg",
        "http://p.example/(b).jpg",
        "http://p.example/%28b%29.jpg",
        "http://p.example/?q=a b",
        "http://p.example/?q=a%20b",
        "http://p.example/?q=a&b",
        "http://p.example/?q=a%26b",
        "http://münchen.example",
        "http://XN--MNCHEN-3YA.example/",
        "http://[broken",
        "http://p.example:port/",
        "file:data/mine/a%20b.jpg",
        "file:data/mine/A%20b.jpg",
    ]
    pictures = pl.LazyFrame({"url": [*spellings, None]})
    for wanted in spellings:
        one = takedown_file.Takedowns((takedown_file.Takedown("", RequestKind.PICTURE, wanted, "", "", ""),))
        found = takedown_file.named_by_address(pictures, one, RequestKind.PICTURE, "url").collect()["url"].to_list()
        assert found == [url for url in spellings if one.of_picture(url)], wanted


@pytest.mark.parametrize(
    "spellings",
    [
        ("https://x.example/é.jpg", "http://x.example/%C3%A9.jpg", "https://X.example:443/%c3%a9.jpg#top"),
        ("http://www.x.example:80/File_(1).jpg", "https://x.example./File_%281%29.jpg"),
        ("https://münchen.example/?q=a b", "https://xn--mnchen-3ya.example/?q=a%20b"),
    ],
)
def test_spellings_of_one_address_are_one(spellings: tuple[str, ...]) -> None:
    assert len({address_key(each) for each in spellings}) == 1
    assert all(same_address(spellings[0], each) for each in spellings)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://x.example/a%2Fb", "https://x.example/a/b"),
        ("https://x.example/?q=a%26b", "https://x.example/?q=a&b"),
        ("https://x.example/%E9", "https://x.example/%E8"),
        ("https://x.example/A", "https://x.example/a"),
        ("https://x.example:8080/", "https://x.example/"),
        ("https://x.example/%253F", "https://x.example/%3F"),
    ],
)
def test_addresses_that_may_lead_elsewhere_are_not(one: str, other: str) -> None:
    assert not same_address(one, other)
    assert address_key(f"https://{address_key(one)}") == address_key(one), "a key is its own key"


@pytest.mark.usefixtures("dvc_process")
def test_a_request_is_tracked_where_no_dvc_is_on_the_path(
    one_version: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an environment that nobody activated; why DVC refuses is said."""
    monkeypatch.setenv("PATH", os.defpath)
    with pytest.raises(BadInput, match=r"^data: dvc add failed: ERROR: .*already tracked by SCM.*git rm"):
        requests.track(one_version)
    run_in(one_version.root, "git", "rm", "-r", "-q", "--cached", "data")
    requests.track(one_version)
    assert (one_version.root / "data.dvc").is_file()
