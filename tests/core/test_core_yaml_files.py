"""params.yaml and card.yaml: read as DVC reads them, and bounded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dvc.utils.serialize import dumps_yaml
from dvc.utils.serialize import parse_yaml as read_by_dvc

from mtf import config
from mtf.core import yaml_files
from mtf.core.errors import BadInput
from mtf.release import card

ROOT = Path(__file__).parents[2]
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")

# Plain values that YAML 1.1 and 1.2 read differently, and what each is by YAML 1.2.
DIFFERENT = {
    "1e-05": 1e-05,
    "3e-3": 0.003,
    "1E5": 1e5,
    "010": 10,
    "0o10": 8,
    "1:30": "1:30",
    "190:20:30.15": "190:20:30.15",
    "No": "No",
    "yes": "yes",
    "on": "on",
    "Off": "Off",
    "y": "y",
    "True": True,
    "~": None,
    "1_000": 1000,
    "0x1F": 31,
    "+12": 12,
    ".5": 0.5,
}


@pytest.mark.parametrize(("text", "value"), DIFFERENT.items())
def test_a_plain_value_is_what_dvc_takes_it_for(text: str, value: object) -> None:
    read = yaml_files.parse(f"a: {text}\n", "params.yaml")["a"]
    assert (read, type(read)) == (value, type(value))
    assert read == read_by_dvc(f"a: {text}\n", "params.yaml")["a"]


@pytest.mark.parametrize("value", [1e-05, 0.003, 1e22, "No", "010", "1:30", "1e3", ["No", "Yes"], None, True, "null"])
def test_a_value_that_dvc_writes_is_read_as_it_was(value: object) -> None:
    assert yaml_files.parse(dumps_yaml({"a": value}), "params.yaml")["a"] == value


@pytest.mark.parametrize(
    ("old", "new", "read"),
    [
        ("learning_rate: 0.003", "learning_rate: 1e-05", lambda got: got.train.recipes["small"].learning_rate == 1e-05),
        ("weight_decay: 0.01", "weight_decay: 1e-06", lambda got: got.train.recipes["small"].weight_decay == 1e-06),
        ("margin_share: 0.2", "margin_share: 2e-1", lambda got: got.crop.margin_share == 0.2),
        ("seed: 42", "seed: 010", lambda got: got.seed == 10),
        ("[Males, Females]", "[No, Yes]", lambda got: got.tasks["gender"].labels == ["No", "Yes"]),
    ],
)
def test_params_yaml_is_read_as_dvc_writes_it(tmp_path: Path, old: str, new: str, read: object) -> None:
    assert PARAMS.count(old) >= 1
    (tmp_path / "params.yaml").write_text(PARAMS.replace(old, new, 1), encoding="utf-8")
    assert read(config.load(tmp_path / "params.yaml"))  # type: ignore[operator]


_LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a:\n  b: false\n  b: true\n", "line 3: b: stands twice; permitted: each key once in its section"),
        ("{a: 1, a: 2}\n", "line 1: a: stands twice; permitted: each key once in its section"),
        (_LAUGHS, "line 5: more than 20000 values, aliases counted each time; write fewer"),
        (f"a: [{'1,' * 30_000}]\n", "line 1: more than 20000 values, aliases counted each time; write fewer"),
        ("a: &a [*a]\n", "line 1: alias *a stands inside its own anchor; write the values out"),
        ("a: &a\n  <<: *a\n", "line 2: alias *a stands inside its own anchor; write the values out"),
        (f"a: {'[' * 5000}\n", "line 1: nested deeper than 32 levels, the most that is permitted"),
        (f"a: {'{b: ' * 5000}\n", "line 1: nested deeper than 32 levels, the most that is permitted"),
        ("#" * 2**18, "larger than 131072 bytes, the largest permitted size"),
        (f"a: {'9' * 5000}\n", "not readable as YAML: Exceeds the limit (4300 digits) for integer string conversion"),
        ("a: 2027-13-45\n", "not readable as YAML: month must be in 1..12"),
        ("a: !!bool x\n", "not readable as YAML: 'x'"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: not readable as YAML: could not determine a constr"),
        ("? [1, 2]\n: 3\n", "key: (1, 2) is not permitted; permitted: text or a number"),
        ("a: \x1b[31m\n", "line 1: not readable as YAML: a control character; permitted: text without any"),
        ("a: 1\n---\nb: 2\n", "line 2: not readable as YAML: but found another document"),
        ("<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n", "has conflict markers of git: choose one side of each"),
    ],
)
@pytest.mark.parametrize("name", ["params.yaml", "card.yaml"])
def test_a_file_that_is_no_plain_yaml_is_refused_in_one_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        config.load(file) if name == "params.yaml" else card.load(file)
    assert str(refused.value).startswith(name)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_infinite_parameter_is_refused(tmp_path: Path) -> None:
    text = PARAMS.replace("learning_rate: 0.003", "learning_rate: .inf", 1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"learning_rate: inf is not permitted; permitted: a finite number"):
        config.load(tmp_path / "params.yaml")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "params.yaml")
    with pytest.raises(BadInput, match="not a regular file"):
        config.load(tmp_path / "params.yaml")
