"""params.yaml: one line that names the key, the value and what is permitted."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtf import config
from mtf.config import messages
from mtf.core.errors import BadInput
from mtf.sources import registry
from projects import mtf

ROOT = Path(__file__).parents[2]


@pytest.fixture
def raw() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load((ROOT / "params.yaml").read_text()))


def test_the_repositorys_parameters_are_valid(raw: dict[str, Any]) -> None:
    assert config.parse(raw).crop.detector == "centerface"


def test_a_file_that_names_no_detector_but_has_parameters_of_haar_is_read_as_haar(
    raw: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    raw["crop"] = {"cascade": "frontalface_alt", "min_neighbors": 4, "margin_share": 0.3}
    crop = config.parse(raw, name="older.yaml").crop
    assert (crop.detector, crop.cascade, crop.min_neighbors) == ("haar", "frontalface_alt", 4)
    assert config.parse(raw, name="older.yaml").crop == crop
    assert capsys.readouterr().err == (
        "mtf: older.yaml: crop has cascade, min_neighbors of the detector haar and names no detector: read as "
        "detector: haar; write that line, or remove these keys for the default\n"
    )


@pytest.mark.parametrize(
    ("crop", "detector"),
    [
        ({}, "centerface"),
        ({"min_face_share": 0.2, "margin_share": 0.1}, "centerface"),
        ({"detector": "centerface", "cascade": "frontalface_alt"}, "centerface"),
        ({"detector": "haar"}, "haar"),
    ],
)
def test_a_file_that_names_a_detector_or_nothing_of_haar_is_read_as_it_stands(
    raw: dict[str, Any], crop: dict[str, Any], detector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    raw["crop"] = crop
    assert config.parse(raw).crop.detector == detector
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p["crop"].update(scale_facto=1.2), ["crop.scale_facto", "unknown key", "scale_factor"]),
        (lambda p: p["crop"].update(scale_factor="1.2"), ["crop.scale_factor", "'1.2'", "number"]),
        (lambda p: p["crop"].update(scale_factor=0.9), ["crop.scale_factor", "0.9", "more than 1"]),
        (lambda p: p["crop"].update(cascade="cats"), ["crop.cascade", "'cats'", "'frontalface_default'"]),
        (
            lambda p: p["train"]["recipes"]["small"].update(max_epochs=True),
            ["train.recipes.small.max_epochs", "True", "whole number"],
        ),
        (lambda p: p["train"].update(tasks=["hair"]), ["train.tasks", "'hair'", "recognition"]),
        (lambda p: p["tasks"]["age"].update(labels=["Old"]), ["tasks.age", "two labels"]),
        (lambda p: p["tasks"]["race"].update(labels=["A\nB", "C"]), ["tasks.race.labels.0", "'A\\nB'"]),
        (lambda p: p["tasks"]["age"]["years"].update(Child=[0, 17]), ["tasks.age", "Child", "Young"]),
        (lambda p: p["crawl"]["sources"].append({"kind": "altavista"}), ["crawl.sources.1", "altavista", "'bing'"]),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "google", "licenses": ["free"]}),
            ["crawl.sources.1", "'free'", "noncommercial,modify"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "folder", "path": "x", "licence": "?"}),
            ["crawl.sources.1.licence", "unknown key", "license"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "openverse", "licenses": ["cc-by"]}),
            ["crawl.sources.1", "licenses: 'cc-by' is not a filter of openverse", "'by-sa'", "'pdm'"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "openverse", "license_types": ["free"]}),
            ["crawl.sources.1", "license_types: 'free'", "'modification'"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "openverse", "page_size": 21}),
            ["crawl.sources.1", "page_size: 21", "without a token_variable", "1 to 20"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "openverse", "token": "x"}),
            ["crawl.sources.1.token", "unknown key", "token_variable"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "commons", "by": "author"}),
            ["crawl.sources.1.by", "'author'", "'search' or 'category'"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "commons", "licenses": ["by"]}),
            ["crawl.sources.1.licenses", "unknown key", "max_results"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "flickr", "licenses": [4, 17]}),
            ["crawl.sources.1", "licenses: 17 is not a filter of flickr", "15, 16]"],
        ),
        (
            lambda p: p["crawl"]["sources"].append({"kind": "flickr", "max_results": 4001}),
            ["crawl.sources.1.max_results", "4001", "4000 or less"],
        ),
        (lambda p: p["project"].update(contact="nobody"), ["project.contact", "'nobody'"]),
        (lambda p: p.pop("split"), ["split", "missing"]),
        (
            lambda p: p["crawl"].update(hosts={"a.example": {"speed": 3}}),
            ["crawl.hosts.a.example.speed", "unknown key", "permitted: concurrency", "megabits_per_s"],
        ),
        (lambda p: p.update(extra=1), ["extra", "unknown key", "seed"]),
        (lambda p: p.update(splits=p.pop("split")), ["splits: unknown key; is split meant?", "(and 1 more;"]),
        (
            lambda p: p["crawl"].update(hosts={"Bad host!": {"concurrency": 1}}),
            ["crawl.hosts: 'Bad host!' is not permitted; permitted: the name of a host"],
        ),
        (
            lambda p: p["gates"].update(label_share={"gender": [0.9, 0.1]}),
            ["gates.label_share.gender: [0.9, 0.1]: the smallest permitted value is above the largest"],
        ),
        (
            lambda p: p["gates"].update(label_share=3),
            ["gates.label_share: 3 is not permitted; permitted: a list, or keys"],
        ),
        (
            lambda p: p["tasks"]["age"].update(years={"Young": [18, 55], "Old": [50, 120]}),
            ["tasks.age: years: Young [18, 55] and Old [50, 120] both have the age 50"],
        ),
    ],
)
def test_a_bad_parameter_is_named_with_its_value_and_what_is_permitted(
    raw: dict[str, Any], change: Callable[[dict[str, Any]], Any], says: list[str]
) -> None:
    change(raw)
    with pytest.raises(BadInput) as caught:
        config.parse(raw)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("params.yaml: ")
    assert [word for word in says if word not in message] == []
    assert not [word for word in ("function-", "[key]", "pattern", "should be", "tuple", "dict") if word in message]


def test_all_problems_are_listed_and_a_valid_file_has_none(raw: dict[str, Any]) -> None:
    assert config.problems(raw) == []
    raw["splits"] = raw.pop("split")
    raw["seed"] = "one"
    first, *others = config.problems(raw)
    assert first.startswith("splits: unknown key; is split meant?")
    assert others == ["split: missing", "seed: 'one' is not permitted; permitted: a whole number"]


def test_every_form_that_a_value_must_have_is_said_in_words() -> None:
    schemas = [config.Params.model_json_schema(), *(source.model_json_schema() for source in registry.classes())]
    patterns = set(re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(schemas)))
    assert {json.loads(pattern) for pattern in patterns} <= set(messages.PATTERNS)
    assert patterns


@pytest.mark.parametrize(
    "source", [{"kind": "flickr", "key_variable": ""}, {"kind": "openverse", "token_variable": ""}]
)
def test_a_key_in_place_of_its_variables_name_is_refused_and_not_repeated(
    raw: dict[str, Any], source: dict[str, str]
) -> None:
    secret = "0123456789abcdef" * 2
    raw["crawl"]["sources"].append({name: value or secret for name, value in source.items()})
    with pytest.raises(BadInput, match="never the key itself") as caught:
        config.parse(raw)
    assert secret not in str(caught.value)
    assert f"crawl.sources.1.{list(source)[1]}: the name of an environment variable" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"), [("a: [1", "not readable as YAML"), ("- 1", "a mapping of sections"), ("", "mapping")]
)
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as caught:
        config.load(path)
    assert "\n" not in str(caught.value)


def test_ages_fall_into_the_papers_groups(raw: dict[str, Any]) -> None:
    age = config.parse(raw).tasks["age"]
    assert [age.label_of_age(years) for years in (17, 18, 49, 50, 90)] == [None, "Young", "Young", "Old", "Old"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p["licenses"].update(permitted=["BAD"]), "licenses.permitted: 'BAD' is not permitted"),
        (lambda p: p["release"].update(license="FOO"), "release.license: 'FOO' is not permitted"),
        (
            lambda p: p["crawl"].update(sources=[{"kind": "folder", "path": "mine", "license": "BAR"}], web=None),
            "crawl.sources: mine: license: 'BAR' is not permitted",
        ),
    ],
)
@pytest.mark.parametrize("stage", ["crawl", "release"])
def test_a_license_that_is_none_stops_every_stage_before_it_begins(
    tmp_path: Path, raw: dict[str, Any], change: Callable[[dict[str, Any]], None], says: str, stage: str
) -> None:
    change(raw)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    done = mtf(tmp_path, stage)
    assert done.returncode == 2
    assert done.stderr.startswith(f"mtf: params.yaml: {says}; permitted: ") and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
