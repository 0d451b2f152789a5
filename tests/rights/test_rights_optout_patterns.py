"""Patterns of tdmrep.json mean what the same patterns mean in robots.txt, where protego decides."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import example, given, settings
from hypothesis import strategies as st
from protego import Protego

from mtf.rights.signals import tdmrep

HOST = "https://photos.example.org"
AGENT = "mtf"
# Few letters, so that patterns meet paths; one that is written in two ways, as itself and percent-encoded.
LETTERS = st.sampled_from(["a", "b", "/", ".", "-", "é", "%C3%A9", "%20"])
PATHS = st.lists(LETTERS, max_size=8).map(lambda letters: "/" + "".join(letters))
QUERIES = st.sampled_from(["", "?a", "?b=a", "?a/b"])
PATTERNS = st.tuples(
    st.lists(st.one_of(LETTERS, st.just("*")), max_size=6).map(lambda letters: "/" + "".join(letters)),
    st.sampled_from(["", "$"]),
).map("".join)


def protego_disallows(pattern: str, url: str) -> bool:
    return not Protego.parse(f"User-agent: *\nDisallow: {pattern}\n").can_fetch(url, AGENT)


@settings(max_examples=200, deadline=None)
@given(pattern=PATTERNS, path=PATHS, query=QUERIES)
@example(pattern="/*/a$", path="/b/a/a", query="")
@example(pattern="/a*b*a", path="/aba", query="")
@example(pattern="/é", path="/%C3%A9/b", query="")
def test_a_pattern_reserves_what_protego_would_disallow(pattern: str, path: str, query: str) -> None:
    url = HOST + quote(path, safe="/%") + query
    rules = [tdmrep.TdmRule(pattern, reserved=True)]
    assert (tdmrep.of_tdmrep(rules, url) is not None) == protego_disallows(pattern, url)


@settings(max_examples=50, deadline=None)
@given(patterns=st.lists(st.tuples(PATTERNS, st.booleans()), max_size=5), path=PATHS)
def test_of_several_rules_the_first_that_matches_decides(patterns: list[tuple[str, bool]], path: str) -> None:
    """TDMRep's order, unlike robots.txt's: not the longest pattern, the first."""
    url = HOST + quote(path, safe="/%")
    rules = [tdmrep.TdmRule(pattern, reserved) for pattern, reserved in patterns]
    first = next((reserved for pattern, reserved in patterns if protego_disallows(pattern, url)), False)
    assert (tdmrep.of_tdmrep(rules, url) is not None) == first
