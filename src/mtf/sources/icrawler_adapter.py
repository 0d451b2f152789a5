"""Adapter of icrawler 0.6.10: addresses of result pages from its feeders, and Google's parser as a fallback.

The rest of icrawler is unused: its Bing parser matches `.jpg` only and drops page and title, its Flickr parser sends a
request for each photo, and its downloaders ignore robots.txt.
"""

from __future__ import annotations

import queue
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from icrawler.builtin.bing import BingFeeder
from icrawler.builtin.flickr import FlickrFeeder
from icrawler.builtin.google import GoogleFeeder, GoogleParser
from icrawler.utils import Signal


class EncodingBingFeeder(BingFeeder):
    """icrawler's feeder, with the keyword URL-encoded."""

    def feed(self, keyword: str, offset: int, max_num: int, filters: dict[str, str] | None = None) -> None:
        super().feed(quote_plus(keyword), offset, max_num, filters)


def bing_page_urls(query: str, *, max_results: int, filters: Mapping[str, str]) -> list[str]:
    """Addresses of all result pages of Bing, in order."""
    return _fed(EncodingBingFeeder, keyword=query, offset=0, max_num=max_results, filters=dict(filters) or None)


def google_page_urls(query: str, *, max_results: int, filters: Mapping[str, str]) -> list[str]:
    """Addresses of all result pages of Google, in order."""
    return _fed(GoogleFeeder, keyword=query, offset=0, max_num=max_results, filters=dict(filters) or None)


def flickr_page_urls(query: str, **options: Any) -> list[str]:
    """Addresses of all result pages of `flickr.photos.search`, in order; their `api_key` is empty.

    icrawler logs the addresses that it makes, so the key is added only when a request is sent.
    """
    return _fed(FlickrFeeder, apikey="", text=query, **options)


def google_picture_urls(content: bytes) -> list[str]:
    """Addresses of pictures that icrawler's parser finds on a result page of Google; may be empty."""
    try:
        tasks = GoogleParser(thread_num=1, signal=None, session=None).parse(_Response(content)) or []
        urls = [task["file_url"] for task in tasks]
    except ValueError:  # a malformed escape in an address
        return []
    # Its regular expression may run from one address into the next: with a quote inside it is no address.
    return [url for url in urls if not re.search(r"[\s\"'\\]", url)]


@dataclass
class _Response:
    content: bytes


def _fed(feeder_class: Any, **arguments: Any) -> list[str]:
    feeder = feeder_class(thread_num=1, signal=Signal(), session=None)
    feeder.out_queue = queue.SimpleQueue()  # its own is bounded and would wait for a reader
    feeder.feed(**arguments)
    return [feeder.out_queue.get() for _ in range(feeder.out_queue.qsize())]
