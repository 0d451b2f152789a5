"""Machine-readable reservations, and which of them concern us."""

from __future__ import annotations

import json

import pytest

from mtf.rights.signals import opt_outs, tdmrep


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["noai"], "x-robots-tag: noai"),
        (["NoImageAI, nofollow"], "x-robots-tag: noimageai"),
        (["nofollow", "noindex"], "x-robots-tag: noindex"),
        (["none"], "x-robots-tag: none"),
        (["mtf: noai"], "x-robots-tag: noai"),
        (["*: noai"], "x-robots-tag: noai"),
        (["noimageindex, otherbot: noai"], "x-robots-tag: noimageindex"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "x-robots-tag: noai"),
        (["unavailable_after: Sat, 25 Jun 2030 15:00:00 GMT, noai"], "x-robots-tag: noai"),
        (["unavailable_after: Saturday, 25-Jun-30, 15:00:00 GMT, noai"], "x-robots-tag: noai"),
        (["unavailable_after: x, 2030-06-25T15:00:00+00:00, noai"], "x-robots-tag: noai"),
        (["otherbot: unavailable_after: Sat, 25 Jun 2030 15:00:00 GMT, noai"], None),
        (["360spider: noai, nofollow"], None),
        (["max-snippet:20, noindex"], "x-robots-tag: noindex"),
        (["otherbot: noai"], None),
        (["otherbot: nofollow, noai"], None),
        (["googlebot: noindex", "nofollow"], None),
        (["nofollow, noarchive"], None),
        (["index, noairplane"], None),
        ([""], None),
        ([], None),
    ],
)
def test_a_header_binds_us_unless_it_speaks_to_another_robot(values: list[str], said: str | None) -> None:
    assert opt_outs.of_headers([("X-Robots-Tag", value) for value in values]) == said


def test_tdmrep_in_a_header() -> None:
    assert opt_outs.of_headers([("TDM-Reservation", "1")]) == "tdmrep: header tdm-reservation 1"
    assert opt_outs.of_headers([("tdm-reservation", "0")]) is None


@pytest.mark.parametrize(
    ("metas", "headers", "said"),
    [
        ([("robots", "noai")], [], "meta-robots: noai"),
        ([("ROBOTS", "NOIMAGEINDEX")], [], "meta-robots: noimageindex"),
        ([("mtf", "noindex")], [], "meta-robots: noindex"),
        ([("googlebot", "noindex")], [], None),
        ([("robots", "index,follow")], [], None),
        ([("tdm-reservation", "1")], [], "tdmrep: meta tdm-reservation 1"),
        ([("tdm-reservation", "0")], [("tdm-reservation", "1")], None),
        ([], [("tdm-reservation", "1")], "tdmrep: header tdm-reservation 1"),
        ([("robots", "noai")], [("x-robots-tag", "noindex")], "meta-robots: noai; x-robots-tag: noindex"),
    ],
)
def test_a_pages_meta_elements_come_before_its_headers(
    metas: list[tuple[str, str]], headers: list[tuple[str, str]], said: str | None
) -> None:
    assert opt_outs.of_page(metas, headers=headers) == said


RULES = tdmrep.read_tdmrep(
    json.dumps(
        [
            {"location": "/open/", "tdm-reservation": 0},
            {"location": "/open/closed/", "tdm-reservation": 1},
            {"location": "/*.jpg$", "tdm-reservation": 1},
            {"location": "/exact$", "tdm-reservation": 1, "tdm-policy": "https://example.org/policy.json"},
            {"location": "/a*b*c", "tdm-reservation": "1"},
            {"location": "/f%C3%BCr/", "tdm-reservation": 1},
        ]
    ).encode()
)


@pytest.mark.parametrize(
    ("path", "is_reserved"),
    [
        ("/photo.jpg", True),
        ("/photo.jpg?size=1", False),
        ("/photo.jpeg", False),
        ("/open/photo.jpg", False),  # the first rule that matches holds
        ("/open/closed/x", False),
        ("/exact", True),
        ("/exactly", False),
        ("/axxbxxcxx", True),
        ("/acb", False),
        ("/f%C3%BCr/x", True),
        ("/für/x", True),
        ("/", False),
        ("", False),
    ],
)
def test_a_sites_file_reserves_by_patterns_of_paths(path: str, is_reserved: bool) -> None:
    said = tdmrep.of_tdmrep(RULES, f"https://example.org{path}")
    assert (said is not None) == is_reserved
    assert said is None or said.startswith("tdmrep: /.well-known/tdmrep.json reserves /")


def test_an_answers_own_header_comes_before_the_sites_file() -> None:
    rules = tdmrep.read_tdmrep(b'[{"location": "/", "tdm-reservation": 1}]')
    assert tdmrep.of_tdmrep(rules, "https://example.org/x") is not None
    assert tdmrep.of_tdmrep(rules, "https://example.org/x", headers=[("TDM-Reservation", "0")]) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        b'[{"location": 1, "tdm-reservation": 1}, "x", null, {"location": "/"}]',
        b'[{"location": "/", "tdm-reservation": 7}]',
        b'{"location": "/' + b"a" * 2_000 + b'", "tdm-reservation": 1}',
        b'[{"location": "/", "tdm-reservation": "yes"}, {"location": "/", "tdm-reservation": 0}]',
        b"[" + b'{"location":"/","tdm-reservation":1},' * 100_000 + b"0]",
        b"[" + b'{"location":"/x","tdm-reservation":0},' * 5_001 + b'{"location":"/","tdm-reservation":1}]',
        b"\xff\xfe",
        b"3",
    ],
)
def test_a_file_that_cannot_be_read_is_unknown_and_no_permission(body: bytes) -> None:
    said = tdmrep.of_tdmrep(tdmrep.read_tdmrep(body), "https://example.org/photo.jpg")
    assert said == "unknown: tdmrep in /.well-known/tdmrep.json not readable"


def test_an_entry_that_cannot_be_read_hides_no_reservation_behind_it() -> None:
    rules = tdmrep.read_tdmrep(b'[{"location": "/", "tdm-reservation": 7}, {"location": "/", "tdm-reservation": 1}]')
    assert tdmrep.of_tdmrep(rules, "https://example.org/x") == "tdmrep: /.well-known/tdmrep.json reserves /"


def test_an_empty_list_of_rules_reserves_nothing() -> None:
    assert tdmrep.of_tdmrep(tdmrep.read_tdmrep(b"[]"), "https://example.org/x") is None


def test_a_pattern_full_of_stars_takes_no_time() -> None:
    rules = (tdmrep.TdmRule("/" + "*a" * 400 + "$", True),)
    assert tdmrep.of_tdmrep(rules, "https://example.org/" + "a" * 50_000 + "b") is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED", "iptc-data-mining: DMI-PROHIBITED"),
        ("DMI-PROHIBITED-AIMLTRAINING", "iptc-data-mining: DMI-PROHIBITED-AIMLTRAINING"),
        ("http://ns.useplus.org/ldf/vocab/DMI-ALLOWED", None),
        ("http://ns.useplus.org/ldf/vocab/DMI-UNSPECIFIED", None),
        (None, None),
    ],
)
def test_the_files_own_metadata_may_prohibit_mining(value: str | None, said: str | None) -> None:
    assert opt_outs.of_data_mining(value) == said
