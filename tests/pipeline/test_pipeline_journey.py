"""From a fresh clone to metrics: what a person sees, and what DVC makes of it afterwards.

All that needs the journey stands here: test processes share no fixtures, and a second file would make it again.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from projects import clone, environment, mtf, run_in

pytestmark = [pytest.mark.train, pytest.mark.lengthy(200)]

STEPS = ["takedown", "license", "face", "identity", "quality", "duplicate", "task_fit", "enough_images"]


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    """A clone after `make repro`, which knows nothing of this checkout's cache: read it, do not change it.

    Its environment is ours and counts as set up; a `make test` around us has no say in it.
    """
    folder = clone(tmp_path_factory.mktemp("journey") / "mtf")
    tools = folder / ".venv"
    tools.mkdir()
    (tools / "bin").symlink_to(Path(sys.executable).parent)
    (tools / ".ready").touch()
    said = run_in(folder, "env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "repro", timeout_s=1500)
    (folder / "build" / "said.txt").write_text(said)
    return folder


def metrics(project: Path, name: str) -> dict:
    return json.loads((project / "metrics" / f"{name}.json").read_text())


def test_every_stage_leaves_its_table_and_its_metrics(journey: Path) -> None:
    for stage, table in [
        ("crawl", "images"),
        ("crawl", "fetches"),
        ("crawl", "evidence"),
        ("crop", "faces"),
        ("screen", "screening"),
        ("curate", "curated"),
        ("split", "splits"),
    ]:
        assert pl.read_parquet(journey / "build" / stage / f"{table}.parquet").height > 100, table
    for name in ("crawl", "crop", "screen", "curate", "split", "evaluate", "release", "distribution"):
        assert metrics(journey, name), name


def test_the_demonstration_of_recall_runs_as_written(journey: Path, tmp_path: Path) -> None:
    """The blocks ```sh of docs/recall.md, in a copy of the finished project: three forms, one withdrawal, receipts."""
    project = tmp_path / "mtf"
    shutil.copytree(journey, project, symlinks=True)
    page = (project / "docs" / "recall.md").read_text(encoding="utf-8")
    demonstration = page.partition("## A demonstration")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", demonstration, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    run_in(project, "bash", "-ec", "".join(blocks))
    for form in ("folders", "parquet", "webdataset"):
        receipt = json.loads((project / f"{form}.json").read_text())
        assert receipt["found"] and not receipt["not_looked_at"]
    assert not list((project / "copies" / "folders").rglob("amber-lozenge*"))


def test_every_kind_of_dirt_of_the_sample_is_met(journey: Path) -> None:
    outcomes = set(pl.read_parquet(journey / "build/crawl/fetches.parquet")["outcome"])
    assert outcomes >= {
        "stored",
        "duplicate",
        "http_error",
        "timeout",
        "connection_failed",
        "not_an_image",
        "truncated",
        "too_large",
        "too_small",
        "opted_out",
        "refused_address",
    }
    reasons = set(pl.read_parquet(journey / "build/curate/exclusions.parquet")["reason"])
    assert reasons >= {
        "license_not_permitted",
        "license_contradiction",
        "no_evidence",
        "not_a_face",
        "wrong_person",
        "obstructed",
        "not_a_photograph",
        "blurred",
        "near_duplicate",
        "wrong_age_group",
        "childhood",
        "too_few_images",
        "conflict",
    }


def test_each_face_ends_in_the_data_set_or_with_a_reason(journey: Path) -> None:
    keys = ["identity", "face_id"]
    faces = pl.read_parquet(journey / "build/crop/faces.parquet").select(keys)
    kept = pl.read_parquet(journey / "build/curate/curated.parquet").select(keys)
    excluded = pl.read_parquet(journey / "build/curate/exclusions.parquet").select(keys)
    assert pl.concat([kept, excluded]).sort(keys).equals(faces.sort(keys))


def test_the_models_beat_guessing_on_every_task(journey: Path) -> None:
    for task, rows in metrics(journey, "evaluate").items():
        guess = rows["uniform_guess"]["accuracy"]
        assert rows["small_cnn"]["accuracy"] > guess + 0.2, task
        assert set(rows["small_cnn"]) >= {"accuracy", "precision", "recall", "f1"}


def test_make_repro_ends_with_the_funnel_the_metrics_and_where_to_look(journey: Path) -> None:
    said = (journey / "build" / "said.txt").read_text()
    assert said.startswith("==> dvc pull: data/, from the remote"), "a fresh clone has no data"
    shown = said.partition("results of the last run")[2]
    for word in ("not_a_face", "wrong_person", "small_cnn", "dvc metrics show", "build/release"):
        assert word.replace("_", " ") in shown.replace("_", " "), word


def test_nothing_is_done_again_when_nothing_changed(journey: Path) -> None:
    # As the interpreter leaves it, where the program is installed from the project's own folder.
    bytecode = journey / "src/mtf/crawl/__pycache__/crawl.cpython-311.pyc"
    bytecode.parent.mkdir(exist_ok=True)
    bytecode.write_bytes(b"bytecode")
    assert "Data and pipelines are up to date." in run_in(journey, "dvc", "repro")


@contextmanager
def limited_files(max_bytes: int) -> Generator[None]:
    """`ulimit -f` in place of a full disk: the same path, without an administrator.

    Meanwhile no bytecode is written: Python would cut it at the limit, and every later process would fail to load it.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as here:
        here.setattr(sys, "dont_write_bytecode", True)
        here.setenv("PYTHONDONTWRITEBYTECODE", "1")
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("stage", "lost", "max_bytes", "folder"),
    [
        ("crawl", ("shards/olive-torus.tar", "images.parquet"), 60_000, "build/crawl/shards"),
        ("crop", ("shards/olive-torus.tar", "faces.parquet"), 60_000, "build/crop/shards"),
        ("curate", ("curated.parquet",), 2_000, "build/curate"),
    ],
)
def test_a_stage_that_a_full_disk_stopped_ends_as_if_undisturbed(
    journey: Path, tmp_path: Path, stage: str, lost: tuple[str, ...], max_bytes: int, folder: str
) -> None:
    project = tmp_path / "mtf"
    for name in ("data", "metrics", "build/crawl", "build/crop", "build/screen", "build/curate"):
        shutil.copytree(journey / name, project / name, symlinks=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(journey / name, project)
    made = {name: (project / "build" / stage / name).read_bytes() for name in lost}
    for name in lost:
        (project / "build" / stage / name).unlink()
    with limited_files(max_bytes):
        full = mtf(project, stage)
    line = f"mtf: {folder}: file too large; raise the limit on the size of files (`ulimit -f`)\n"
    assert (full.returncode, full.stderr) == (2, line), full
    assert [*project.rglob("*.part")] == []
    run_in(project, "mtf", stage)
    if stage == "crawl":  # its shards tell when an address was asked
        images = pl.read_parquet(project / "build/crawl/images.parquet")
        assert images.equals(pl.read_parquet(journey / "build/crawl/images.parquet"))
    else:
        assert {name: (project / "build" / stage / name).read_bytes() for name in made} == made


def test_metrics_and_plots_are_shown_by_dvc(journey: Path, tmp_path: Path) -> None:
    shown = json.loads(run_in(journey, "dvc", "metrics", "show", "--json"))[""]["data"]
    tasks = [f"tasks/{name}" for name in ("recognition", "race", "gender", "age")]
    assert set(shown) == {f"metrics/headline/{name}.json" for name in ("data_set", *tasks, "multitask/equal", "gates")}
    assert {figure for file in shown.values() for figure in file["data"]} == {
        "faces", "people", "alpha", "accuracy", "gap", "failed",
    }  # fmt: skip
    for command in (("show",), ("diff", "--all")):
        printed = run_in(journey, "dvc", "metrics", *command).splitlines()
        assert max(len(line) for line in printed) <= 100 and any("race.json" in line for line in printed)
    page = tmp_path / "plots"
    run_in(journey, "dvc", "plots", "show", "--out", str(page))
    text = (page / "index.html").read_text()
    assert text.count("vegaEmbed('#") == 8
    assert "Faces left after each step of the funnel" in text


# Pictures planted in the sample, by their kind, and the audit code that each must get.
PLANTED = {
    "non_commercial": {"not_permitted": "error"},
    "no_derivatives": {"not_permitted": "error"},
    "claim_contradicted": {"contradiction": "error"},
    "file_contradicts_page": {"contradiction": "error"},
    "unstated": {"no_evidence": "error"},
    "claim_only": {"claim_only": "error"},
    "dead_page": {"claim_only": "error", "dead_source": "error"},
    # Left alone, and on record: these pictures are not held.
    "robots_header": {"opted_out": "warning"},
    "robots_meta": {"opted_out": "warning"},
    "robots_txt": {"opted_out": "warning"},
    "tdm_reserved": {"opted_out": "warning"},
    "content_usage": {"opted_out": "warning"},
    "content_signal": {"opted_out": "warning"},
    "rsl_link": {"opted_out": "warning"},
    "ai_txt": {"opted_out": "warning"},
    "iptc_mining": {"opted_out": "warning"},
    "c2pa_mining": {"opted_out": "warning"},
}
# The signal that the audit of opt-outs names for each kind, and for those that bind nothing.
OBEYED = {
    "robots_header": "x-robots-tag",
    "robots_meta": "meta-robots",
    "robots_txt": "robots.txt",
    "tdm_reserved": "tdmrep",
    "content_usage": "aipref",
    "content_signal": "content-signal",
    "rsl_link": "rsl",
    "ai_txt": "ai.txt",
    "iptc_mining": "iptc-data-mining",
    "c2pa_mining": "cawg",
}
RECORDED = {"tdm_policy": "tdm-policy", "cc_signals": "cc-signals", "unreadable_tdmrep": "unknown"}


def findings(journey: Path, audit: str, *, status: int) -> list[dict]:
    """Findings of `mtf audit AUDIT`, which has to end with `status`."""
    done = mtf(journey, "audit", audit, "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)["findings"]


def planted(journey: Path) -> dict[tuple[str, str], str]:
    """Kind of each address of the sample, by identity and address."""
    lines = (journey / "data/web/truth.jsonl").read_text().splitlines()
    return {(row["identity"], row["url"]): row["kind"] for row in map(json.loads, lines)}


def test_each_planted_case_ends_with_its_code_in_the_audit(journey: Path) -> None:
    """Every address of each kind, and no other address of the sample, has its findings."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for finding in findings(journey, "licenses", status=1):
        found.setdefault((finding["identity"], finding["url"]), {})[finding["code"]] = finding["level"]
        assert finding["reason"] and finding["recommendation"]
    kinds = planted(journey)
    assert set(PLANTED) <= set(kinds.values())
    for address, kind in kinds.items():
        assert found.get(address, {}) == PLANTED.get(kind, {}), (kind, address)
    # Pictures that may not be used are not in the data set, so the release's own audit holds.
    run_in(journey, "mtf", "audit", "release", "--quiet")


def test_each_planted_signal_ends_with_its_name_and_only_those_that_bind_keep_the_picture_away(journey: Path) -> None:
    found = {}
    for finding in findings(journey, "optouts", status=0):
        assert (finding["code"], finding["level"]) == ("opted_out", "warning")
        found[finding["identity"], finding["url"]] = (finding["reason"].partition(":")[0], bool(finding["image_id"]))
    wanted = {kind: (signal, False) for kind, signal in OBEYED.items()}
    wanted |= {kind: (signal, True) for kind, signal in RECORDED.items()}
    kinds = planted(journey)
    assert set(wanted) <= set(kinds.values())
    assert found == {address: wanted[kind] for address, kind in kinds.items() if kind in wanted}


def test_the_record_has_what_each_planted_signal_says_and_what_became_of_it(journey: Path, tmp_path: Path) -> None:
    run_in(journey, "mtf", "audit", "optouts", "--quiet", "--record", str(tmp_path / "signals.csv"))
    kinds = planted(journey)
    rows = [
        (kinds[row["identity"], row["url"]], row["signal"], row["answer"], row["policy"])
        for row in pl.read_csv(tmp_path / "signals.csv", infer_schema=False).iter_rows(named=True)
    ]
    disallowed = {(kind, signal, policy) for kind, signal, answer, policy in rows if answer == "disallow"}
    assert disallowed == {(kind, signal, "binds: the picture is not held") for kind, signal in OBEYED.items()}
    recorded = {(kind, answer) for kind, _, answer, policy in rows if policy.startswith("recorded: ")}
    assert recorded == {("tdm_policy", "terms"), ("cc_signals", "terms"), ("unreadable_tdmrep", "unknown")}


def test_the_release_carries_its_audit(journey: Path) -> None:
    carried = json.loads((journey / "build/release/audit.json").read_text())
    assert carried == json.loads(run_in(journey, "mtf", "audit", "release", "--json"))
    assert carried["compliant"] and carried["findings"] == []
    newest = pl.read_parquet(journey / "build/crawl/evidence.parquet")["checked_at"].max()
    assert carried["evidence_as_of"] <= newest.date().isoformat()


def exported(journey: Path, form: str, to: Path) -> Path:
    run_in(journey, "mtf", "release", "--format", form, "--to", str(to))
    return to


class TestTheReleaseOpensIn:
    """Each tool that the card names finds the faces of the metadata, split by split."""

    @pytest.fixture
    def table(self, journey: Path) -> pl.DataFrame:
        return pl.read_parquet(journey / "build/release/metadata.parquet")

    @pytest.fixture
    def by_split(self, table: pl.DataFrame) -> dict[str, int]:
        return dict(table["split"].value_counts().iter_rows())

    def test_croissant(self, journey: Path, table: pl.DataFrame) -> None:
        import mlcroissant

        opened = mlcroissant.Dataset(jsonld=str(journey / "build/release/croissant.json"))
        assert not opened.metadata.ctx.issues.errors
        files = {record["faces/file_name"].decode() for record in opened.records("faces")}
        assert files == set(table["file_name"])

    def test_torchvision(self, journey: Path, by_split: dict[str, int]) -> None:
        from torchvision.datasets import ImageFolder

        root = journey / "build/release/single_task/race_classification"
        opened = {split: ImageFolder(root / split.capitalize()) for split in by_split}
        assert {split: len(faces) for split, faces in opened.items()} == by_split
        assert {tuple(faces.classes) for faces in opened.values()} == {("Amber", "Blue", "Green", "Violet")}

    @pytest.mark.parametrize("form", ["the folders", "parquet"])
    def test_hugging_face(
        self, journey: Path, by_split: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        import datasets

        place = (str(journey / "build/release"), "race_classification")
        if form == "parquet":
            place = (str(exported(journey, form, tmp_path / "form")),)
        opened = datasets.load_dataset(*place, cache_dir=str(tmp_path / "cache"))
        assert {split: rows.num_rows for split, rows in opened.items()} == by_split

    def test_webdataset(self, journey: Path, by_split: dict[str, int], tmp_path: Path) -> None:
        import webdataset

        folder = exported(journey, "webdataset", tmp_path / "form")
        for split, count in by_split.items():
            parts = [str(path) for path in sorted(folder.glob(f"{split}-*.tar"))]
            samples = list(webdataset.WebDataset(parts, shardshuffle=False).decode("pil").to_tuple("jpg", "json"))
            assert len(samples) == count
            assert all({"title", "creator", "license"} <= set(row) and picture.size for picture, row in samples)

    @pytest.mark.mongodb
    def test_fiftyone(self, journey: Path, by_split: dict[str, int], tmp_path: Path) -> None:
        folder = exported(journey, "fiftyone", tmp_path / "form")
        code = (
            "import json, sys, fiftyone as fo\n"
            "kind = fo.types.LegacyFiftyOneDataset\n"
            "data = fo.Dataset.from_dir(dataset_dir=sys.argv[1], dataset_type=kind, progress=False)\n"
            "print(json.dumps(data.count_sample_tags()))\n"
        )
        own = {"FIFTYONE_DATABASE_DIR": str(tmp_path / "database"), "FIFTYONE_DO_NOT_TRACK": "true"}
        command = [sys.executable, "-c", code, str(folder)]
        done = subprocess.run(command, env=environment() | own, capture_output=True, text=True, timeout=300, check=True)
        assert json.loads(done.stdout.splitlines()[-1]) == by_split


@pytest.fixture(scope="module")
def without_one(journey: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The journey's copy after one identity asked to be removed, down to the split; and who it was."""
    folder = tmp_path_factory.mktemp("takedown") / "mtf"
    shutil.copytree(journey, folder, symlinks=True)
    gone = pl.read_parquet(folder / "build/split/splits.parquet")["identity"].sort()[0]
    run_in(folder, "mtf", "takedown", "add", gone, "--reason", "asked", "--requested-by", "themselves")
    run_in(folder, "dvc", "repro", "-q", "split")
    return folder, gone


def test_whoever_asks_to_be_removed_is_left_out_everywhere(without_one: tuple[Path, str], journey: Path) -> None:
    folder, gone = without_one
    fetches = pl.read_parquet(folder / "build/crawl/fetches.parquet")
    assert set(fetches.filter(identity=gone)["outcome"]) == {"taken_down"}
    for stage, table in (("crawl", "images"), ("crop", "faces"), ("screen", "screening"), ("split", "splits")):
        before, after = (pl.read_parquet(root / "build" / stage / f"{table}.parquet") for root in (journey, folder))
        assert gone in set(before["identity"]) - set(after["identity"]), table
        assert set(before["identity"]) - set(after["identity"]) == {gone}, table


def test_nobody_elses_shards_are_made_again_for_a_takedown(without_one: tuple[Path, str], journey: Path) -> None:
    """Not the crawl's: it tries again what failed, whoever's it is. Who has a picture that looks like one that was
    taken down loses it: of drawn people a few do.
    """
    folder, gone = without_one
    fetches = pl.read_parquet(folder / "build/crawl/fetches.parquet")
    touched = set(fetches.filter(outcome="taken_down")["identity"])
    assert gone in touched and len(touched) < 4
    for stage in ("crop", "screen"):
        for path in (journey / "build" / stage / "shards").glob("*.tar"):
            if path.stem not in touched:
                assert (folder / "build" / stage / "shards" / path.name).read_bytes() == path.read_bytes(), path


@pytest.fixture(scope="module")
def experiment(journey: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journey's copy after an experiment with the paper's detector, down to the split."""
    folder = tmp_path_factory.mktemp("experiment") / "mtf"
    shutil.copytree(journey, folder, symlinks=True)
    run_in(folder, "git", "add", "-A")
    run_in(folder, "git", "commit", "-q", "-m", "The journey's figures", "--allow-empty")
    run_in(folder, "dvc", "exp", "run", "-q", "--name", "papers", "-S", "crop.detector=haar", "split")
    return folder


def test_an_experiment_with_another_parameter_is_compared(experiment: Path) -> None:
    changed = json.loads(run_in(experiment, "dvc", "params", "diff", "--json"))
    assert changed["params.yaml"]["crop.detector"] == {"old": "centerface", "new": "haar"}
    figures = json.loads(run_in(experiment, "dvc", "metrics", "diff", "--json"))
    assert "faces" in figures["metrics/headline/data_set.json"]
    shown = run_in(experiment, "dvc", "exp", "show", "--only-changed", "--drop", "build|src").splitlines()
    assert any("papers" in line for line in shown) and any("haar" in line for line in shown)
    for command in (("params", "diff"), ("metrics", "diff")):
        shown += run_in(experiment, "dvc", *command).splitlines()
    assert max(len(line) for line in shown) <= 100


def test_decisions_outlive_another_detector(experiment: Path, journey: Path) -> None:
    """Boxes differ, the reviewers' work stays: decisions are keyed by image and box."""
    before, after = (
        pl.read_parquet(folder / "build/curate/curated.parquet").height for folder in (journey, experiment)
    )
    assert after > 0.85 * before


def test_a_finished_data_set_is_pulled_into_another_clone(journey: Path, tmp_path: Path) -> None:
    """All that the journey made: a colleague's clone has it without making anything."""
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(journey, here, symlinks=True)
    run_in(here, "dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"), "--force")
    run_in(here, "git", "add", "--all")
    run_in(here, "git", "commit", "--quiet", "--message", "The data set")
    run_in(here, "dvc", "push", "--quiet")
    run_in(tmp_path, "git", "clone", "--quiet", str(here), str(there))
    run_in(there, "dvc", "pull", "--quiet")
    assert "Data and pipelines are up to date." in run_in(there, "dvc", "repro")
    sums = "build/release/SHA256SUMS"
    assert (there / sums).read_bytes() == (here / sums).read_bytes()
