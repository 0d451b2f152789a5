"""What is said at each carrier, and whether a face data set may go on: vectors from the specifications' examples."""

from __future__ import annotations

import gzip
import zlib
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protego import Protego

from mtf.config.pipeline import Licenses, OptOutSignal
from mtf.crawl.content_encoding import BodyLimit, decoded
from mtf.rights.evidence.source_page import read_page
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals import robots_file, rsl, usage_preferences
from mtf.rights.signals.preferences import Answer, Signal, opt_outs
from mtf.sources.fetch_failure import FetchFailed

PAGE = "https://site.example/people/ann"
PICTURE = "https://site.example/people/ann.jpg"


def of_robots(text: str | bytes, url: str = PICTURE) -> list[str]:
    body = text.encode() if isinstance(text, str) else text
    robots = robots_file.parse(body, agent="mtf")
    refused = [] if robots.rules.can_fetch(url, "mtf") else ["robots.txt"]
    return refused + [text.partition(":")[0] for text in opt_outs(robots.preferences(url))]


def test_every_signal_can_be_named_by_the_policy() -> None:
    assert {str(signal) for signal in Signal} == set(get_args(OptOutSignal))
    in_force = Licenses.model_validate({"permitted": ["CC0-1.0"]}).binding_opt_outs
    assert set(get_args(OptOutSignal)) - set(in_force) == {"tdm-policy", "cc-signals", "unknown"}


# (header name, value) pairs → the signals that reserve a use of ours
HEADERS = [
    ([("Content-Usage", "train-ai=n")], ["aipref"]),
    ([("Content-Usage", "train-ai=y")], []),
    ([("Content-Usage", "train-ai=n, search=y")], ["aipref"]),
    ([("content-usage", "search=n")], ["aipref"]),
    ([("Content-Usage", "bots=n")], ["aipref"]),
    ([("Content-Usage", "bots=n, train-ai=y")], []),
    ([("Content-Usage", "bots=y, train-ai=n")], ["aipref"]),
    ([("Content-Usage", "train-genai=n")], ["aipref"]),
    ([("Content-Usage", "train-ai=n;reason=rights")], ["aipref"]),
    ([("Content-Usage", "train-ai=y, train-ai=n")], ["aipref"]),
    ([("Content-Usage", "train-ai=n"), ("Content-Usage", "search=y")], ["aipref"]),
    ([("Content-Usage", "exact-thing=n")], []),
    ([("Content-Usage", "train-ai")], []),
    ([("Content-Usage", "train-ai=maybe")], []),
    ([("Content-Usage", "Train-AI=n")], ["unknown"]),
    ([("Content-Usage", "train-ai=n,,")], ["unknown"]),
    ([("Content-Usage", "train-ai=\u00f6")], ["unknown"]),
    ([("Content-Usage", "x=1, " * 2_000 + "train-ai=y")], ["unknown"]),
    ([("Content-Usage", "ai=n;exceptions=cc-cr")], ["aipref", "cc-signals"]),
    ([("Content-Usage", "genai=n;exceptions=cc-cr-ec")], ["aipref", "cc-signals"]),
    ([("Content-Usage", "ai=y;exceptions=cc-cr")], ["cc-signals"]),
    ([("Content-Usage", 'ai=y;exceptions="cc-cr"')], []),
    ([("Content-Signal", "search=yes, ai-train=no")], ["content-signal"]),
    ([("Content-Signal", "search=yes,ai-train=no")], ["content-signal"]),
    ([("content-signal", "AI-Train=No")], ["content-signal"]),
    ([("Content-Signal", "ai-train=yes, search=yes, ai-input=yes")], []),
    ([("Content-Signal", "ai-input=no")], []),
    ([("Content-Signal", "search=no")], ["content-signal"]),
    ([("Content-Signal", "ai-train=perhaps")], ["unknown"]),
    ([("Content-Signal", "ai-train")], ["unknown"]),
    ([("TDM-Reservation", "1"), ("tdm-policy", "https://site.example/policy.json")], ["tdmrep", "tdm-policy"]),
    ([("tdm-reservation", "0")], []),
    ([("tdm-reservation", "0"), ("tdm-reservation", "1")], ["tdmrep"]),
    ([("tdm-reservation", "yes")], ["unknown"]),
    ([("tdm-reservation", "0"), ("tdm-reservation", "yes")], ["unknown"]),
    ([("X-Robots-Tag", "nofollow, " * 1_000 + "noai")], ["unknown"]),
    ([("X-Robots-Tag", "noai, " + "nofollow, " * 1_000)], ["x-robots-tag"]),
    ([("X-Robots-Tag", "noai noimageai")], ["x-robots-tag"]),
    ([("X-Robots-Tag", "noindex noai")], ["x-robots-tag"]),
    ([("X-Robots-Tag", "noml")], ["x-robots-tag"]),
    ([("X-Robots-Tag", "otherbot: nofollow noai")], []),
    ([("X-Robots-Tag", "nofollow"), ("Content-Usage", "train-ai=n")], ["aipref"]),
    ([("X-Robots-Tag", "noai"), ("Content-Signal", "ai-train=no")], ["x-robots-tag", "content-signal"]),
]


@pytest.mark.parametrize(("headers", "signals"), HEADERS)
def test_headers(headers: list[tuple[str, str]], signals: list[str]) -> None:
    stated = optouts.of_headers(headers)
    assert [text.partition(":")[0] for text in (stated or "").split("; ") if text] == signals


GROUP = "User-agent: *\n"
ROBOTS = [
    (GROUP + "Content-Usage: train-ai=n", ["aipref"]),
    (GROUP + "Content-Usage: train-ai=y", []),
    (GROUP + "Allow: /\nContent-Usage: train-ai=n\nContent-Usage: /people/ train-ai=y", []),
    (GROUP + "Content-Usage: train-ai=y\nContent-Usage: /people/ train-ai=n", ["aipref"]),
    (GROUP + "Content-Usage: /other/ train-ai=n", []),
    (GROUP + "Content-Usage: /*.jpg$ train-ai=n", ["aipref"]),
    (GROUP + "Content-Usage: /people/ train-ai=y\nContent-Usage: /people/ train-ai=n", ["aipref"]),
    (GROUP + "Content-Usage: train-ai=n # for now", ["aipref"]),
    (GROUP + "Content-Usage: ai=n;exceptions=cc-cr\nAllow: /", ["aipref", "cc-signals"]),
    (GROUP + "Content-Usage: ai=n\nContent-Usage: /people/ x=n;exceptions=cc-cr-op", ["cc-signals"]),
    ("User-agent: otherbot\nContent-Usage: train-ai=n", []),
    ("User-agent: mtf\nAllow: /\n\n" + GROUP + "Content-Usage: train-ai=n", []),
    ("User-agent: mtf/0.1.0\nContent-Usage: train-ai=n", ["aipref"]),
    ("User-agent: a\nUser-agent: mtf\nContent-Usage: train-ai=n", ["aipref"]),
    (GROUP + "Content-Signal: search=yes, ai-train=no\nAllow: /", ["content-signal"]),
    (GROUP + "Content-signal: search=yes,ai-train=yes", []),
    (GROUP + "content-signal: ai-input=no", []),
    ("Content-Signal: ai-train=no\n" + GROUP + "Allow: /", ["content-signal"]),
    (GROUP + "Content-Signal: ai-train=no\nContent-Usage: train-ai=y", ["content-signal"]),
    ("# Content-Signal: ai-train=no\n" + GROUP + "Allow: /", []),
    (b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /\r\n", ["robots.txt"]),
    ("\ufeffUser-agent: *\r\nDisallow: /\r\n".encode("utf-16-le"), ["robots.txt"]),
    ("\ufeffUser-agent: *\nDisallow: /\n".encode("utf-16-be"), ["robots.txt"]),
    ("\ufeffUser-agent: *\nDisallow: /\n".encode("utf-32-le"), ["robots.txt"]),
    ("User-agent: mtf/0.1.0\nDisallow: /", ["robots.txt"]),
    ("User-agent: MTF/0.1.0 (x; +mailto:y)\nDisallow: /", ["robots.txt"]),
    ("User-agent: mtfish\nDisallow: /", []),
    (GROUP + "Disallow: /people/", ["robots.txt"]),
    (GROUP + "Disallow: /other/\n" * 60_000 + "Disallow: /people/", ["robots.txt"]),
    (GROUP + "Content-Usage: /other/ train-ai=y\n" * 5_001, ["unknown"]),
]


@pytest.mark.parametrize(("text", "signals"), ROBOTS, ids=range(len(ROBOTS)))
def test_robots_txt(text: str | bytes, signals: list[str]) -> None:
    assert of_robots(text) == signals


AI_TXT = [
    ("User-Agent: *\nDisallow: *.jpg", ["ai.txt"]),
    ("User-Agent: *\nAllow: *.jpg\nDisallow: *.png", []),
    ("User-Agent: *\nDisallow: /", ["ai.txt"]),
    ("User-Agent: *\nDisallow: /\nAllow: *.jpg", []),
    ("User-Agent: *\nAllow: /people/\nDisallow: /people/", ["ai.txt"]),
    ("User-Agent: otherbot\nDisallow: /", []),
    ("User-Agent: mtf\nUser-Agent: otherbot\nDisallow: /", ["ai.txt"]),
    ("User-Agent: mtf\n\nUser-Agent: otherbot\nDisallow: /", ["ai.txt"]),
    ("User-Agent: *\n" + "Allow: /a\n" * 5_001, ["unknown"]),
    ("<!doctype html><p>User-Agent: * Disallow: /</p>", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "signals"), AI_TXT, ids=range(len(AI_TXT)))
def test_ai_txt(text: str, signals: list[str]) -> None:
    stated = robots_file.ai_txt_preferences(robots_file.parse_ai_txt(text.encode(), agent="mtf"), PICTURE)
    assert [text.partition(":")[0] for text in opt_outs(stated)] == signals


def document(content: str, url: str = "/") -> bytes:
    return f'<rsl xmlns="https://rslstandard.org/rsl"><content url="{url}">{content}</content></rsl>'.encode()


def licensed(inner: str) -> bytes:
    return document(f"<license>{inner}</license>")


RSL = [
    (licensed('<permits type="usage">all</permits>'), []),
    (licensed('<permits type="usage">search</permits>'), ["rsl"]),
    (licensed('<permits type="usage">ai-train search</permits>'), []),
    (licensed('<permits type="usage">train-ai</permits>'), []),
    (licensed('<prohibits type="usage">ai-train</prohibits>'), ["rsl"]),
    (licensed('<prohibits type="usage">ai-all</prohibits>'), ["rsl"]),
    (licensed('<permits type="usage">all</permits><prohibits type="usage">ai-train</prohibits>'), ["rsl"]),
    (licensed('<permits type="usage">all</permits><payment type="free"/>'), []),
    (licensed('<permits type="usage">all</permits><payment type="attribution"/>'), []),
    (licensed('<permits type="usage">ai-train</permits><payment type="purchase"/>'), ["rsl"]),
    (licensed('<permits type="usage">ai-train</permits><payment type="subscription"/>'), ["rsl"]),
    (licensed('<permits type="geo">EU</permits>'), []),
    (
        document(
            '<license><permits type="usage">search</permits></license>'
            '<license><permits type="usage">all</permits></license>'
        ),
        [],
    ),
    (document('<license><prohibits type="usage">all</prohibits></license>', "/people/*"), ["rsl"]),
    (document('<license><prohibits type="usage">all</prohibits></license>', "/other/*"), []),
    (document('<license><prohibits type="usage">all</prohibits></license>', "https://site.example/*"), ["rsl"]),
    (document('<license><prohibits type="usage">all</prohibits></license>', "https://other.example/*"), []),
    (document(""), ["unknown"]),
    (b"<rsl><content", ["unknown"]),
    (b"<html><body>not found</body></html>", ["unknown"]),
    (b"", ["unknown"]),
    (b'<!DOCTYPE r [<!ENTITY a "ai-train"><!ENTITY b "&a;&a;">]><rsl><content url="/"/></rsl>', ["unknown"]),
    (b"<rsl>" + b" " * rsl.MAX_BYTES + b"</rsl>", ["unknown"]),
    (
        b"<rsl>"
        + b'<content url="/a"><license/></content>' * rsl.MAX_CONTENTS
        + b'<content url="/people/"><license><prohibits>all</prohibits></license></content></rsl>',
        ["unknown"],
    ),
]


@pytest.mark.parametrize(("body", "signals"), RSL)
def test_rsl_documents(body: bytes, signals: list[str]) -> None:
    stated = rsl.preferences(rsl.read(body), PICTURE, found_in="https://site.example/license.xml")
    assert [text.partition(":")[0] for text in opt_outs(stated)] == signals


def test_the_most_specific_content_of_an_rsl_document_decides() -> None:
    body = (
        b'<rsl><content url="/"><license><prohibits type="usage">all</prohibits></license></content>'
        b'<content url="/people/*"><license><permits type="usage">all</permits></license></content></rsl>'
    )
    assert [each.answer for each in rsl.preferences(rsl.read(body), PICTURE, found_in="")] == [Answer.ALLOW]
    assert [each.answer for each in rsl.preferences(rsl.read(body), "https://a.example/x", found_in="")] == [
        Answer.DISALLOW
    ]


@pytest.mark.parametrize(
    ("value", "documents"),
    [
        ('<https://a.example/l.xml>; rel="license"; type="application/rsl+xml"', ["https://a.example/l.xml"]),
        ("</l.xml>; rel=license; type=application/rsl+xml", ["https://site.example/l.xml"]),
        ('<https://a.example/l>; rel="license"', []),
        ('<https://a.example/l>; rel="author"; type="application/rsl+xml"', []),
        ('<a>; rel=next, </l.xml>; type="application/rsl+xml"; rel="license x"', ["https://site.example/l.xml"]),
        ('<javascript:alert(1)>; rel="license"; type="application/rsl+xml"', []),
        ('<http://[>; rel="license"; type="application/rsl+xml"', []),
    ],
)
def test_link_headers_that_name_rsl_documents(value: str, documents: list[str]) -> None:
    assert rsl.links_of_headers([("Link", value)], PAGE) == documents


def test_a_license_line_of_robots_txt_is_for_all_robots() -> None:
    robots = robots_file.parse(
        b"License: https://a.example/l.xml\nUser-agent: x\nLicense: ftp://a.example/l\nLicense: http://[\nDisallow: /",
        agent="mtf",
    )
    assert robots.licenses == ("https://a.example/l.xml",)


def test_a_content_with_an_address_that_cannot_be_read_is_that_of_no_picture() -> None:
    body = b'<rsl xmlns="https://rslstandard.org/rsl"><content url="http://["><license/></content></rsl>'
    assert rsl.preferences(rsl.read(body), PAGE, found_in="l.xml") == []


def test_pages_name_rsl_documents_and_hold_them() -> None:
    linked = b'<html><head><link rel="license" type="application/rsl+xml" href="/l.xml"></head></html>'
    assert read_page(linked, page_url=PAGE, picture_url=PICTURE).rsl_links == ("https://site.example/l.xml",)
    inline = b'<html><head><script type="application/rsl+xml">' + licensed('<prohibits type="usage">all</prohibits>')
    stated = read_page(inline + b"</script></head></html>", page_url=PAGE, picture_url=PICTURE)
    assert stated.opt_out is not None
    assert stated.opt_out.startswith("rsl: page prohibits all")


IPTC = [
    (["DMI-PROHIBITED-GENAIMLTRAINING"], ["iptc-data-mining"]),
    (["http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING"], ["iptc-data-mining"]),
    (["DMI-PROHIBITED-SEECONSTRAINT"], ["iptc-data-mining"]),
    (["DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR"], ["iptc-data-mining"]),
    (["DMI-ALLOWED", "DMI-PROHIBITED"], ["iptc-data-mining"]),
    (["DMI-ALLOWED"], []),
    (["DMI-UNSPECIFIED"], []),
    (["DMI-SOMETHING-NEW"], ["unknown"]),
    ([], []),
]


@pytest.mark.parametrize(("values", "signals"), IPTC)
def test_terms_of_iptc(values: list[str], signals: list[str]) -> None:
    assert [text.partition(":")[0] for text in opt_outs(optouts.data_mining_preferences(values))] == signals


@pytest.mark.parametrize(
    ("meta", "opt_out"),
    [
        (("robots", "noai noimageai"), "meta-robots: noai"),
        (("robots", "index noml"), "meta-robots: noml"),
        (("tdm-policy", "https://site.example/p.json"), "tdm-policy: meta https://site.example/p.json"),
    ],
)
def test_meta_elements(meta: tuple[str, str], opt_out: str) -> None:
    body = f'<html><head><meta name="{meta[0]}" content="{meta[1]}"></head></html>'.encode()
    assert read_page(body, page_url=PAGE, picture_url=PICTURE).opt_out == opt_out


RULES = st.lists(
    st.tuples(
        st.sampled_from(["Allow", "Disallow"]), st.text("ab/*$.", min_size=1, max_size=6).map(lambda text: f"/{text}")
    ),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(rules=RULES, path=st.text("ab/.", max_size=8))
def test_what_is_allowed_is_what_protego_says_however_the_file_is_written(
    rules: list[tuple[str, str]], path: str
) -> None:
    lines = [f"{name}: {pattern}" for name, pattern in rules]
    url = f"https://site.example/{path}"
    expected = Protego.parse("\n".join(["User-agent: mtf", *lines])).can_fetch(url, "mtf")
    written = "\r\n".join(["User-agent: mtf/0.1.0 (+x)", *lines, "Content-Usage: train-ai=y"])
    for body in (written.encode(), b"\xef\xbb\xbf" + written.encode(), ("\ufeff" + written).encode("utf-16-le")):
        assert robots_file.parse(body, agent="mtf").rules.can_fetch(url, "mtf") == expected


def test_a_file_is_cut_after_a_whole_line() -> None:
    body = b"User-agent: *\nDisallow: /private\nDisallow: /"
    assert robots_file.whole_lines(body, len(body) - 1) == b"User-agent: *\nDisallow: /private\n"
    assert robots_file.whole_lines(body, len(body)) == body


RAW = zlib.compressobj(wbits=-15)
RAW_DEFLATE = RAW.compress(b"noai") + RAW.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"no") + gzip.compress(b"ai"), "gzip"),
        (gzip.compress(b"noai"), "gzip, identity"),
        (zlib.compress(b"noai"), "deflate"),
        (RAW_DEFLATE, "deflate"),
        (b"noai", "none"),
        (b"noai", "utf-8"),
        (gzip.compress(gzip.compress(b"noai")), "gzip, gzip"),
    ],
    ids=["two members", "gzip and identity", "zlib", "deflate", "none", "charset", "twice"],
)
def test_a_body_is_read_whole_in_every_encoding_that_servers_use(body: bytes, encoding: str) -> None:
    assert decoded(body, encoding, BodyLimit(100)) == b"noai"


def test_an_empty_body_is_empty_in_every_encoding() -> None:
    assert [decoded(b"", encoding, BodyLimit(100)) for encoding in ("gzip", "deflate", "identity")] == [b""] * 3


def test_a_body_with_bytes_after_its_last_member_is_read() -> None:
    assert decoded(gzip.compress(b"noai") + b"\0\0 more", "gzip", BodyLimit(100)) == b"noai"


def test_a_body_of_very_many_members_is_refused() -> None:
    with pytest.raises(FetchFailed, match="more than 100 gzip members"):
        decoded(gzip.compress(b"") * 100_000, "gzip", BodyLimit(10**7))


def test_a_line_of_two_megabytes_of_blanks_is_parsed() -> None:
    """With a pattern that backtracks this takes hours."""
    body = b"User-agent: *\nDisallow: /a" + b" " * 2_000_000 + b"b\nDisallow: /people/\n"
    assert of_robots(body) == ["robots.txt"]
    assert robots_file.parse_ai_txt(body, agent="mtf")[-1] == ("/people/", Answer.DISALLOW)


def test_a_flood_of_terms_fills_no_evidence_and_hides_no_opt_out_of_another_signal() -> None:
    content = "".join(
        f'<content url="/"><license><permits>use-{number}</permits></license></content>' for number in range(1_000)
    )
    stated = rsl.preferences(rsl.read(f"<rsl>{content}</rsl>".encode()), PICTURE, found_in="license.xml")
    assert len(stated) == 1_000
    after = usage_preferences.of_content_usage("train-ai=n", found_in="header Content-Usage")
    texts = [text.partition(":")[0] for text in opt_outs([*stated, *after])]
    assert texts == ["rsl"] * 20 + ["aipref"]


def test_usage_preferences_of_one_statement_are_all_kept() -> None:
    stated = usage_preferences.of_content_usage("train-ai=n, search=y", found_in="test")
    assert [(str(each.use), str(each.answer)) for each in stated] == [
        ("training of models", "disallow"),
        ("search", "allow"),
    ]
