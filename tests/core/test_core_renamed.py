"""Names of yesterday are read for one version more, each with one line that names today's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from mtf import config
from mtf.cli import renamed_options
from mtf.comparison import run_figures
from mtf.config import Crop, Params
from mtf.config.renamed import KEYS, note_haar
from mtf.core import renamed
from mtf.core.errors import BadInput
from mtf.crawl import fetch_results
from mtf.schemas import takedown_file
from mtf.schemas.takedown_file import RequestKind

BEFORE = Path(__file__).with_name("params_before_renames.yaml")
LOOK = "0123456789abcdef"


@pytest.fixture(autouse=True)
def nothing_told_yet() -> Iterator[None]:
    for note in (renamed.warn_renamed, note_haar):
        note.cache_clear()
    yield
    for note in (renamed.warn_renamed, note_haar):
        note.cache_clear()


def test_the_parameters_of_the_version_before_are_read_and_the_new_names_told(
    sample_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    read = config.load(BEFORE)
    # The opt-outs that bind are those that the file names, not those that have come since.
    assert read.licenses.binding_opt_outs == ["robots.txt", "x-robots-tag", "meta-robots", "tdmrep", "iptc-data-mining"]
    opt_outs = {"binding_opt_outs": sample_params.licenses.binding_opt_outs}
    licenses = read.licenses.model_copy(update=opt_outs)
    # It has parameters of haar, which was the default then, and names no detector.
    assert read.crop == Crop(detector="haar")
    assert read.model_copy(update={"licenses": licenses, "crop": sample_params.crop}) == sample_params
    assert config.load(BEFORE) == read
    until = "the old name is read until version 0.2"
    *told, of_detector = capsys.readouterr().err.splitlines()
    assert of_detector.startswith(f"mtf: {BEFORE.name}: crop has cascade, scale_factor, min_neighbors, detection_side")
    assert told == [
        f"mtf: {BEFORE.name}: {old} is now called {new}; {until}"
        for old, new in [
            ("curate.flavour", "mode"),
            ("fairness.least_n", "min_n"),
            ("gates.least_images", "min_images"),
            ("gates.most_images", "max_images"),
        ]
    ]


def test_the_sample_and_the_template_have_the_new_names(capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(config.__file__).parents[3]
    texts = [(root / "params.yaml").read_text(), (root / "src/mtf/project/params.template.yaml").read_text()]
    config.load(root / "params.yaml")
    assert capsys.readouterr().err == ""
    assert [old for old in old_keys() if any(f"{old}:" in text for text in texts)] == []


def old_keys() -> list[str]:
    return [old for keys in KEYS.values() for old in keys]


def test_gates_that_only_warn_are_read_by_their_old_names_too() -> None:
    raw = yaml.safe_load(BEFORE.read_text())
    raw["gates"]["warn_only"] = ["least_images", "most_images", "drift"]
    assert config.parse(raw).gates.warn_only == ["min_images", "max_images", "drift"]


@pytest.mark.parametrize(("section", "old", "new"), [(s, old, new) for s in KEYS for old, new in KEYS[s].items()])
def test_an_old_name_beside_the_new_one_is_refused(section: str, old: str, new: str) -> None:
    raw = yaml.safe_load(BEFORE.read_text())
    raw[section][new] = raw[section][old]
    with pytest.raises(BadInput, match=rf"^params\.yaml: {section}\.{old}: is now {new}, which stands there too"):
        config.parse(raw)


def test_a_section_of_another_kind_is_refused_as_before() -> None:
    raw = yaml.safe_load(BEFORE.read_text())
    with pytest.raises(BadInput, match=r"^params\.yaml: curate: "):
        config.parse(raw | {"curate": ["flavour"]})


def test_takedowns_of_the_version_before_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "takedowns.csv"
    path.write_text(f"{','.join(takedown_file.COLUMNS)}\n2026-01-02,content_hash,{LOOK},asked,Ada,\n")
    (record,) = takedown_file.load(path).records
    assert record.kind is RequestKind.PERCEPTUAL_HASH
    assert takedown_file.load(path).perceptual_hashes == {int(LOOK, 16)}
    assert capsys.readouterr().err.splitlines() == [
        "mtf: takedowns.csv: kind content_hash is now called perceptual_hash; the old name is read until version 0.2"
    ]


def test_figures_of_the_version_before_are_shown() -> None:
    assert run_figures.format_mean_std({"mean": 0.5, "deviation": 0.1}) == run_figures.format_mean_std(
        {"mean": 0.5, "std": 0.1}
    )
    counts = {"addresses": 2, "searches": 1}
    assert (
        fetch_results.retriable_failures({"may_pass": counts})
        == fetch_results.retriable_failures({"retriable": counts})
        != ""
    )


def test_an_option_is_taken_by_its_old_name() -> None:
    app = typer.Typer()

    @app.command()
    def show(context: typer.Context, confidence: float = 0.5, sure: float | None = None) -> None:
        print(renamed_options.value_of(context, "confidence", confidence, old="sure", old_value=sure))

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, arguments, catch_exceptions=False).output

    assert run() == "0.5\n"
    assert run("--confidence", "0.7") == "0.7\n"
    assert "--sure is now called --confidence" in run("--sure", "0.9") and "0.9" in run("--sure", "0.9")
    with pytest.raises(BadInput, match="--sure: is now --confidence, which is given too"):
        run("--sure", "0.9", "--confidence", "0.9")
