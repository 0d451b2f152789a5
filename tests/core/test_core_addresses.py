"""Spellings of one address have one key, and other addresses have others."""

from __future__ import annotations

from urllib.parse import quote

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mtf.core.urls import address_key, among, same_address

LABELS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=2, max_size=3).map(".".join).filter(lambda host: not host.startswith("www."))
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="?#%/&=+;\\ \u00a0[]")
PATHS = st.lists(st.text(CHARACTERS.filter(lambda char: not char.isspace()), min_size=1, max_size=6), max_size=4)
ADDRESSES = st.tuples(HOSTS, PATHS)


def spelled(host: str, path: list[str], *, safe: str = "") -> str:
    return f"https://{host}/{'/'.join(quote(part, safe=safe) for part in path)}"


@settings(max_examples=70, deadline=None)
@given(ADDRESSES, st.sampled_from(["http", "HTTPS", "https"]), st.sampled_from(["", "www.", "WWW."]))
def test_the_spellings_of_an_address_have_one_key(address: tuple[str, list[str]], scheme: str, www: str) -> None:
    host, path = address
    one = spelled(host, path)
    default = {"http": ":80", "https": ":443"}[scheme.lower()]
    others = [
        spelled(host, path, safe="!$'()*,:@-._~"),
        f"{scheme}://{www}{host.upper()}{one.removeprefix(f'https://{host}')}#there",
        f"{scheme}://{host}{default}{one.removeprefix(f'https://{host}')}",
        one.replace("%C3", "%c3"),
        f"https://{host}/{'/'.join(path)}",
    ]
    assert {address_key(other) for other in others} == {address_key(one)}
    assert address_key(f"https://{address_key(one)}") == address_key(one)


@settings(max_examples=70, deadline=None)
@given(ADDRESSES, ADDRESSES)
def test_other_addresses_have_other_keys(one: tuple[str, list[str]], other: tuple[str, list[str]]) -> None:
    assert same_address(spelled(*one), spelled(*other)) == (one == other)


@settings(max_examples=40, deadline=None)
@given(st.lists(ADDRESSES, min_size=1, max_size=6), st.integers(0, 5))
def test_a_row_is_found_by_any_spelling_of_its_address(addresses: list[tuple[str, list[str]]], number: int) -> None:
    wanted = addresses[number % len(addresses)]
    rows = pl.LazyFrame({"url": [spelled(*address) for address in addresses]})
    key = address_key(spelled(*wanted, safe="!$'()*,:@"))
    assert among(rows, "url", {key}).collect().height == sum(address == wanted for address in addresses)
