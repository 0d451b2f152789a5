"""Upload of a release to the hub and to Zenodo, against servers of their APIs on loopback."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import made_project
import pytest
from made_project import made_params
from typer.testing import CliRunner
from upload_services import TOKEN, Hub, Zenodo, serving

from mtf import cli
from mtf.core.errors import BadInput, GateFailed, MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.gates import outcome
from mtf.pipeline import release, release_upload
from mtf.release.upload import destination

HUB = "hf://made-up/people"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in destination.TOKEN_VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub()) as service:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{service.address}")
        yield service


@pytest.fixture
def zenodo() -> Iterator[Zenodo]:
    with serving(Zenodo()) as service:
        yield service


def publish(project: ProjectPaths, to: str, token: Path | None = None, **options: object) -> None:
    release_upload.publish(project, made_params(), to=to, token_file=token, **options)


def sent_form(project: ProjectPaths) -> dict[str, bytes]:
    folder = project.stage("upload") / "parquet"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_hub_gets_every_file_of_the_form_and_a_tag(released: ProjectPaths, hub: Hub, token_file: Path, capsys):
    publish(released, HUB, token_file, private=True)
    assert hub.files == sent_form(released)
    assert any(name.startswith("data/train-") for name in hub.files)
    assert (hub.tags, hub.is_private) == (["v0.1.0"], True)
    shown = capsys.readouterr()
    assert f"uploaded; http://{hub.address}/datasets/made-up/people" in shown.out
    assert TOKEN not in shown.out + shown.err


def test_an_interrupted_upload_to_the_hub_sends_only_the_rest(released: ProjectPaths, hub: Hub, token_file: Path):
    hub.refuse_once = ["^/lfs/"]
    with pytest.raises(MtfError, match="run the same command again to go on"):
        publish(released, HUB, token_file)
    assert hub.files == {}
    there = set(hub.objects)
    assert there
    before = len(hub.sent("PUT", "^/lfs/"))
    publish(released, HUB, token_file)
    assert hub.files == sent_form(released)
    assert len(hub.sent("PUT", "^/lfs/")) - before == len(hub.objects) - len(there) > 0


def test_what_a_new_version_lacks_is_gone_from_the_hub(released: ProjectPaths, hub: Hub, token_file: Path):
    publish(released, HUB, token_file)
    hub.files["data/train-00009-of-00010.parquet"] = b"withdrawn"
    publish(released, HUB, token_file)
    assert hub.files == sent_form(released)


def test_zenodo_gets_one_zip_with_the_form_and_a_draft_that_nobody_published(
    released: ProjectPaths, zenodo: Zenodo, token_file: Path, capsys
):
    publish(released, f"zenodo://{zenodo.address}", token_file)
    [number] = zenodo.depositions
    files = zenodo.stored[number]
    assert set(files) - {name for name in files if name.endswith(".zip")} == {
        "README.md", "LICENSE.txt", "CITATION.cff", "DATASHEET.md",
    }  # fmt: skip
    [archive] = [data for name, data in files.items() if name.endswith(".zip")]
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == sent_form(released)
    stated = zenodo.depositions[number]["metadata"]
    assert stated["description"].startswith("<p>Made-up people: 15 licensed faces of 3 people")
    assert (stated["upload_type"], stated["version"], stated["license"]) == ("dataset", "0.1.0", "cc-by-sa-4.0")
    assert stated["creators"] == [{"name": "The makers of Made-up people"}]
    assert zenodo.sent("POST", "publish") == []
    shown = capsys.readouterr()
    assert f"publish it there: http://{zenodo.address}/uploads/{number}" in shown.out
    assert TOKEN not in shown.out + shown.err


def test_an_interrupted_upload_to_zenodo_goes_on_in_the_same_draft(
    released: ProjectPaths, zenodo: Zenodo, token_file: Path
):
    zenodo.refuse_once = [r"\.zip$"]
    with pytest.raises(BadInput, match="made to fail; run the same command again to go on"):
        publish(released, f"zenodo://{zenodo.address}", token_file)
    sent = len(zenodo.sent("PUT", "/api/files/"))
    publish(released, f"zenodo://{zenodo.address}", token_file)
    assert len(zenodo.depositions) == 1
    assert [path.rpartition(".")[2] for path in zenodo.sent("PUT", "/api/files/")[sent:]] == ["zip"]


def test_a_published_record_of_zenodo_gets_a_new_version_without_the_old_files(
    released: ProjectPaths, zenodo: Zenodo, token_file: Path
):
    publish(released, f"zenodo://{zenodo.address}", token_file)
    zenodo.depositions[1000]["submitted"] = True
    zenodo.stored[1000]["made-up-people-0.0.9.zip"] = b"withdrawn"
    publish(released, f"zenodo://{zenodo.address}/1000", token_file)
    assert set(zenodo.depositions) == {1000, 1001}
    assert "made-up-people-0.0.9.zip" not in zenodo.stored[1001] and len(zenodo.stored[1001]) == 5


@pytest.mark.parametrize("service", ["hub", "zenodo"])
def test_a_refused_or_missing_token_is_said_without_showing_it(
    released: ProjectPaths, hub: Hub, zenodo: Zenodo, tmp_path: Path, service: str, capsys
):
    wrong = tmp_path / "wrong"
    wrong.write_text("another-token")
    to = HUB if service == "hub" else f"zenodo://{zenodo.address}"
    with pytest.raises(BadInput, match=r"token.*401") as refused:
        publish(released, to, wrong)
    shown = capsys.readouterr()
    assert "another-token" not in str(refused.value) + shown.out + shown.err
    assert hub.files == {} and zenodo.depositions == {}
    if service == "zenodo":
        with pytest.raises(BadInput, match="no token; set ZENODO_TOKEN, or name a --token-file"):
            publish(released, to)


def test_a_dry_run_names_the_files_and_sends_nothing(released: ProjectPaths, hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(released.root)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    done = CliRunner().invoke(cli.app, ["release", "--to", HUB, "--dry-run"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert any(line.startswith("release: Made-up people 0.1.0 → hf://made-up/people: ") for line in lines)
    assert sum(line.endswith("README.md") for line in lines) == 1
    assert lines[-2:] == ["release: token: given", "release: a dry run; nothing was sent"]
    assert hub.requests == [] and TOKEN not in done.output


def test_what_the_gates_refuse_is_not_uploaded(project: ProjectPaths, hub: Hub, token_file: Path):
    made_project.release(project, made_params())
    (project.stage("validate") / outcome.NAME).unlink()
    with pytest.raises(GateFailed, match="the gates have not been checked"):
        publish(project, HUB, token_file)
    assert hub.requests == []


def test_a_release_that_was_changed_or_is_not_complete_is_not_uploaded(
    project: ProjectPaths, hub: Hub, token_file: Path
):
    made_project.release(project, made_params())
    picture = next((project.stage("release") / "multi_task").rglob("*.jpg"))
    kept = picture.read_bytes()
    picture.unlink()
    picture.write_bytes(kept[:-1])
    with pytest.raises(BadInput, match="changed since the release was built; build it again"):
        publish(project, HUB, token_file)
    picture.unlink()
    with pytest.raises(BadInput, match="not as SHA256SUMS lists it"):
        publish(project, HUB, token_file)
    (project.stage("release") / "SHA256SUMS").unlink()
    with pytest.raises(BadInput, match="the release is not complete"):
        publish(project, HUB, token_file)
    assert hub.requests == []


@pytest.mark.parametrize("to", ["hf://people", "zenodo://", "s3://bucket", "hf://a/b/c", "zenodo://h/x"])
def test_another_destination_is_named_with_the_permitted_ones(to: str):
    with pytest.raises(BadInput, match=r"--to: .* is not permitted; permitted: hf://OWNER/NAME, zenodo://"):
        destination.parsed(to)


@pytest.mark.parametrize("text", ["", "two lines\nof it", "x" * 5000])
def test_a_file_without_a_token_is_named(tmp_path: Path, text: str):
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(BadInput, match="no token; permitted: one line") as refused:
        destination.token(destination.Service.HUB, path)
    assert not text or text[:20] not in str(refused.value)


def test_another_size_for_one_run_enlarges_no_face_unless_asked(project: ProjectPaths, capsys):
    params = made_params()
    made_project.release(project, params)
    shutil.rmtree(project.stage("release"))
    capsys.readouterr()
    release.run(project, params, size_px=65)
    assert (
        "3 of 18 faces have fewer than 65 pixels and keep their own size, 60 at least; none" in capsys.readouterr().out
    )
    release.run(project, params, size_px=65, enlarge=True)
    assert "3 of 18 faces were enlarged to 65 × 65 pixels" in capsys.readouterr().out
    with pytest.raises(BadInput, match="--size: 5000 is not permitted; permitted: 16 to 4096"):
        release.run(project, params, size_px=5000)
