"""`mtf models` and `mtf audit models`: the files of trained weights, where they lie, and whether they may be used."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from mtf.cli import app
from mtf.core.errors import BadInput
from mtf.faces import model_files
from mtf.faces.model_files import MODEL_FILES, ModelFile

NETWORK = b"a network" * 1000


@pytest.fixture
def root(tmp_path, monkeypatch, sample_params):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(sample_params.model_dump(mode="json", exclude_none=True)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def entry(monkeypatch):
    """A model file of its own, which no package brings."""
    made = ModelFile(
        name="toy",
        used_for="embedding",
        file="toy.onnx",
        size_bytes=len(NETWORK),
        sha256=hashlib.sha256(NETWORK).hexdigest(),
        license="LicenseRef-Non-Commercial-Research",
        trained_on="nobody",
        url="http://127.0.0.1:9/toy.onnx",
    )
    monkeypatch.setitem(MODEL_FILES, "toy", made)
    return made


@pytest.fixture
def mirror(tmp_path_factory):
    """The address of a server on loopback with the file."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "toy.onnx").write_bytes(NETWORK)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            """Nothing: the tests' output is theirs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/toy.onnx"
        server.shutdown()
        thread.join()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def set_params(root: Path, section: str, **values: object) -> None:
    settings = yaml.safe_load((root / "params.yaml").read_text())
    settings.setdefault(section, {}).update(values)
    (root / "params.yaml").write_text(yaml.safe_dump(settings))


def test_the_list_names_every_file_with_its_license_and_state(root):
    code, output = run("models", "list", "--json")
    rows = {row["name"]: row for row in json.loads(output)}
    assert code == 0
    wanted = {"centerface", "yunet", "mtcnn-pnet", "haar-eye", "dlib", "sface", "facenet", "imagenet-resnet50"}
    assert wanted <= rows.keys()
    assert (rows["dlib"]["license"], rows["dlib"]["state"]) == ("CC0-1.0", "there")
    assert (rows["sface"]["state"], rows["sface"]["path"]) == ("missing", "models/face_recognition_sface_2021dec.onnx")
    assert all(row["sha256"] and row["trained_on"] and row["people"] and row["size_bytes"] for row in rows.values())
    _, table = run("models", "list")
    assert "dlib: embedding, 21.4 MiB, there\n  license CC0-1.0, sha256 55533b28\n" in table
    assert "mtcnn-pnet: detector, 28 KiB, there\n" in table


def test_every_license_of_the_list_is_in_the_catalogue(root):
    from mtf.project import model_table
    from mtf.rights.licenses import catalogue

    for known in model_table.entries():
        for license in filter(None, (known.license, known.data_license)):
            assert catalogue.get(license) is not None, known.name


def test_the_files_of_the_installed_packages_are_the_listed_ones(root):
    """Size and digest of each file that a package of the environment brings."""
    from mtf.project import model_table

    packaged = [known for known in model_table.entries() if known.package and known.package.found()]
    assert {"centerface", "dlib", "mtcnn-onet", "haar-frontalface-default"} <= {known.name for known in packaged}
    for known in packaged:
        path = known.package.found()
        assert known.is_copy(path), known.name
        assert path.stat().st_size == known.size_bytes, known.name


def test_a_file_is_fetched_from_a_mirror_and_then_needs_no_network(root, entry, mirror):
    code, output = run("models", "fetch", "toy", "--from", mirror)
    assert (code, output) == (0, "toy: models/toy.onnx, sha256 as published\n")
    assert (root / "models" / "toy.onnx").read_bytes() == NETWORK
    code, _ = run("models", "fetch", "toy")  # nobody listens at its own address
    assert code == 0
    assert entry.located("a test", root=root) == root / "models" / "toy.onnx"


def test_a_file_that_a_package_brings_needs_no_fetch(root):
    code, output = run("models", "fetch", "dlib")
    assert code == 0
    assert "face_recognition_models" in output
    assert not (root / "models").exists()


def test_without_a_network_the_line_says_where_to_put_the_file(root, entry):
    with pytest.raises(
        BadInput, match=rf"^toy: http://127\.0\.0\.1:9/toy\.onnx: .*; or put toy\.onnx at {root}/models"
    ):
        run("models", "fetch", "toy")


def test_an_unknown_name_lists_the_known_ones(root):
    with pytest.raises(BadInput, match=r"'buffalo' is not permitted; permitted: centerface, dlib, "):
        run("models", "fetch", "buffalo")


def test_check_names_a_file_that_is_missing_or_another(root, entry):
    assert run("models", "check")[0] == 0
    (root / "models").mkdir()
    (root / "models" / "toy.onnx").write_bytes(NETWORK + b"!")
    with pytest.raises(BadInput, match=r"^models: not as published: toy; `mtf models fetch toy` fetches it"):
        run("models", "check")
    set_params(root, "screen", embedding="sface")
    with pytest.raises(BadInput, match=r"not as published: sface, toy"):
        run("models", "check")


def audit(*options: str) -> tuple[int, dict]:
    code, output = run("audit", "models", "--json", *options)
    return code, json.loads(output)


def test_weights_whose_license_permits_the_policys_uses_are_compliant(root):
    set_params(root, "screen", embedding="dlib")
    set_params(root, "crop", detector="centerface")
    code, report = audit()
    assert (code, report["compliant"]) == (0, True)
    assert [file["name"] for file in report["files"]] == [
        "centerface",
        "dlib",
        "dlib-landmarks",
        "haar-eye",
        "occlusion",
    ]
    codes = {(finding["name"], finding["code"], finding["level"]) for finding in report["findings"]}
    assert ("centerface", "restricted_data", "warning") in codes
    assert ("dlib", "unstated_data", "warning") in codes


def test_research_only_weights_fail_under_a_commercial_policy_and_pass_under_another(root, monkeypatch):
    set_params(root, "screen", embedding="sface")
    research = replace(MODEL_FILES["sface"], license="LicenseRef-Non-Commercial-Research")
    monkeypatch.setattr("mtf.faces.embeddings.sface.WEIGHTS", research)
    code, report = audit()
    assert code == 1
    [error] = [finding for finding in report["findings"] if finding["level"] == "error"]
    assert (error["code"], error["name"]) == ("not_permitted", "sface")
    assert "does not grant: commercial" in error["reason"]
    settings = yaml.safe_load((root / "params.yaml").read_text())
    set_params(root, "licenses", permitted=[*settings["licenses"]["permitted"], "CC-BY-NC-4.0"])
    assert audit()[0] == 0


def test_a_list_of_permitted_licenses_decides_alone(root):
    set_params(root, "models", permitted=["CC0-1.0"])
    code, report = audit()
    assert code == 1
    assert {finding["reason"] for finding in report["findings"] if finding["code"] == "not_permitted"} == {
        "LicenseRef-Intel-OpenCV is not in models.permitted",
        "Apache-2.0 is not in models.permitted",
        "MIT is not in models.permitted",
    }
    set_params(root, "models", permitted=["MITT"])
    with pytest.raises(BadInput, match=r"^params\.yaml: models\.permitted: 'MITT' is not permitted"):
        audit()


def test_data_under_restricted_terms_fails_where_the_policy_refuses_it(root):
    set_params(root, "crop", detector="centerface")
    set_params(root, "models", restricted_data="refuse")
    code, report = audit()
    assert code == 1
    assert [f["name"] for f in report["findings"] if f["level"] == "error"] == ["centerface"]


def test_weights_of_your_own_need_a_license_that_you_state_by_digest(root):
    (root / "models").mkdir()
    (root / "models" / "own.onnx").write_bytes(NETWORK)
    set_params(root, "screen", embedding="sface", embedding_weights="models/own.onnx")
    sha256 = hashlib.sha256(NETWORK).hexdigest()
    code, output = run("audit", "models", "--plain")
    assert code == 1
    assert output.splitlines()[0].startswith(
        "unknown_license\terror\town.onnx\tno license is known for own.onnx, sha256"
    )
    assert sha256 in output
    set_params(root, "models", licenses={sha256: "MIT"})
    assert run("audit", "models", "--quiet") == (0, "")


def test_initial_weights_of_trainings_are_audited(root):
    set_params(root, "train", models=["small_cnn", "resnet50-pretrained"])
    _, report = audit()
    assert "imagenet-resnet50" in [file["name"] for file in report["files"]]
    code, output = run("audit", "models")
    assert code == 0
    assert output.endswith("Compliant.\n")


def test_an_entry_cannot_be_registered_twice_with_other_content(entry):
    assert model_files.register(entry) is entry
    with pytest.raises(ValueError, match="'toy' is registered already"):
        model_files.register(replace(entry, license="MIT"))
