"""Sentences on the origin of the pictures: sources, hosts, period, licenses, consents, opt-outs, removals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import polars as pl

from mtf.core.counts import number
from mtf.duties.tables import View
from mtf.schemas import EvidenceStatus, FetchOutcome, Reason
from mtf.schemas.takedown_file import RequestKind
from mtf.sources import registry
from mtf.sources.base import FROM_THE_WEB, SECONDARY_DATA_ANALYSIS

# The template of the AI Office asks for the top 10 % of the domain names, by size.
TOP_SHARE = 0.1
# A short list is given whole.
MIN_HOSTS = 10
_MAX_NAMED = 1000


def counted(values: Iterable[object], *, most: int = _MAX_NAMED) -> str:
    """Values with their numbers, the most frequent first: `a (3), b (1)`."""
    counts = sorted(Counter(map(str, values)).items(), key=lambda each: (-each[1], each[0]))
    named = ", ".join(f"{value.replace('_', ' ')} ({count:,})" for value, count in counts[:most])
    return named + (f", and {len(counts) - most:,} more" if len(counts) > most else "")


def is_from_the_web(source: str) -> bool:
    """True if the source with this name finds its pictures on the web."""
    found = registry.find(source)
    return found is not None and found.data_collection_type in FROM_THE_WEB


def is_data_set(source: str) -> bool:
    """True if the source with this name is a published data set."""
    found = registry.find(source)
    return found is None or found.data_collection_type == SECONDARY_DATA_ANALYSIS


def sources(view: View) -> str:
    images = view.images
    people = images["identity"].n_unique()
    return f"{number(images.height, 'picture')} of {number(people, 'person', 'people')} come from {_sources(images)}."


def _sources(images: pl.DataFrame) -> str:
    return counted(images["source"]) or "no source"


def data_sets(view: View) -> str:
    images = view.images.filter(_of_kind(view.images, is_data_set))
    if images.is_empty():
        return "No picture comes from a published data set."
    return f"{number(images.height, 'picture')} from published data sets: {_sources(images)}."


def local_files(view: View) -> str | None:
    images = view.images
    own = images.filter(~_of_kind(images, is_data_set), ~_of_kind(images, is_from_the_web))
    if own.is_empty():
        return "No picture comes from files that were handed over."
    return f"{number(own.height, 'picture')} from files that were handed over: {_sources(own)}."


def crawled(view: View) -> str:
    images = view.images.filter(_of_kind(view.images, is_from_the_web))
    if images.is_empty():
        return "No picture was crawled from the web."
    return f"{number(images.height, 'picture')} were crawled from the web, found by {_sources(images)}."


def _of_kind(images: pl.DataFrame, is_of_kind: Callable[[str], bool]) -> pl.Expr:
    return pl.col("source").is_in([name for name in images["source"].unique() if is_of_kind(name)])


def addresses(view: View) -> str:
    fetches = view.fetches
    return f"{number(fetches.height, 'address', 'addresses')} were looked at: {counted(fetches['outcome'])}."


def period_of(times: pl.Series) -> list[str]:
    """First and last day (YYYY-MM-DD) of times; empty if there are none."""
    days = times.drop_nulls().dt.strftime("%Y-%m-%d")
    return [] if days.is_empty() else [str(days.min()), str(days.max())]


def fetched(view: View) -> list[str]:
    """First and last day on which a picture was fetched; empty if none was."""
    return period_of(view.fetches.filter(pl.col("outcome") == FetchOutcome.STORED)["fetched_at"])


def period(view: View) -> str | None:
    days = fetched(view)
    if not days:
        return None
    return f"The pictures were fetched {f'from {days[0]} to {days[1]}' if days[0] != days[1] else f'on {days[0]}'}."


def latest(view: View) -> str | None:
    days = fetched(view)
    return f"The last picture was fetched on {days[1]}." if days else None


def top_hosts(images: pl.DataFrame) -> tuple[list[tuple[str, int]], int]:
    """Hosts with the most pictures, with their numbers, and the number of all hosts.

    The first 10 % of the hosts, but at least MIN_HOSTS; pictures without a host (files) are left out.
    """
    hosts = Counter(host for url in images["url"] if (host := _host(url)))
    ordered = sorted(hosts.items(), key=lambda each: (-each[1], each[0]))
    return ordered[: max(MIN_HOSTS, math.ceil(TOP_SHARE * len(ordered)))], len(ordered)


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        return None


def main_domains(view: View) -> str:
    hosts, of = top_hosts(view.images)
    if not hosts:
        return "No picture has an address on the web."
    names = ", ".join(f"{host} ({count:,})" for host, count in hosts)
    return f"The domain names with the most pictures, {len(hosts):,} of {of:,}: {names}."


def crawler(view: View) -> str:
    if not any(map(is_from_the_web, view.images["source"].unique())):
        return "No crawler was used: no picture comes from the web."
    return (
        "The crawler is called mtf. Each request names the program and its version, the project "
        f"{view.params.project.name}, and {view.params.project.contact} for complaints."
    )


def crawler_behaviour(view: View) -> str | None:
    if not any(map(is_from_the_web, view.images["source"].unique())):
        return None
    crawl = view.params.crawl
    return (
        f"The crawler sends a host at most {crawl.per_host_concurrency} requests at once, with "
        f"{crawl.per_host_delay_s:g} s between two requests; these hosts have limits of their own: "
        f"{', '.join(name for name, limits in crawl.hosts.items() if limits is not None) or 'none'}. It reads no page "
        "behind a login or a payment, and solves no captcha."
    )


def binding_signals(view: View) -> str:
    signals = view.params.licenses.binding_opt_outs
    if not signals:
        return "No machine-readable opt-out binds: licenses.binding_opt_outs is empty."
    return f"These machine-readable opt-outs are read and heeded: {', '.join(signals)}."


def opted_out_addresses(view: View) -> str:
    count = view.fetches.filter(pl.col("outcome") == FetchOutcome.OPTED_OUT).height
    return f"No picture was kept from {number(count, 'address', 'addresses')} because of an opt-out."


def opted_out_pictures(view: View) -> str:
    held = view.evidence.filter(pl.col("opt_out").is_not_null()).height
    return f"Of the pictures that are held, {number(held, 'has', 'have')} an opt-out on record."


def opted_out_faces(view: View) -> str:
    left_out = view.exclusions.filter(pl.col("reason") == Reason.OPTED_OUT).height
    return f"{number(left_out, 'face was', 'faces were')} left out of the data set because of an opt-out."


def evidence(view: View) -> str:
    return f"Licenses, as the sources state them: {counted(view.evidence['stated'])}."


def licenses(view: View) -> str:
    stated = view.evidence.filter(pl.col("stated") == EvidenceStatus.STATED)
    return f"Stated licenses of the pictures: {counted(stated['license']) or 'none'}."


def basis(view: View) -> str:
    policy = view.params.licenses
    by_license = f"a license that the policy permits ({', '.join(policy.permitted)})"
    if policy.accept_claim:
        by_license += ", also one that only a search engine claims"
    if policy.accept_unstated:
        by_license += ", or without any stated license"
    purposes = ", ".join(purpose.replace("_", " ") for purpose in view.params.release.purposes)
    by_consent = f"the consent of the person to {purposes}, valid on {view.params.release.date}"
    ground = {"license": by_license, "consent": by_consent, "both": f"{by_license}, and {by_consent}"}[policy.basis]
    return f"A picture is used by {ground}."


def consents(view: View) -> str | None:
    given = view.consent
    if given.is_empty():
        return None
    forms = counted(f"{form} {version}" for form, version in given.select("form", "form_version").iter_rows())
    revoked = given["revoked_on"].is_not_null().sum()
    return (
        f"{number(given.height, 'consent')} of {number(given['subject'].n_unique(), 'person', 'people')} on record: "
        f"{forms}. {number(int(revoked), 'consent was', 'consents were')} revoked."
    )


def withdrawal(view: View) -> str | None:
    if view.consent.is_empty():
        return None
    contact = view.params.project.contact
    return f"You may withdraw your consent at any time, at {contact}; your pictures are then taken down."


def consent_scopes(view: View) -> str | None:
    given = view.consent
    return None if given.is_empty() else f"Purposes consented to: {counted(given['scopes'].explode())}."


def removals(view: View) -> str:
    # Image ids and perceptual hashes accompany a request; they are no requests of their own.
    kinds = [each.kind for each in view.takedowns.records if each.kind != RequestKind.PERCEPTUAL_HASH]
    return f"Takedown requests on record: {counted(kinds) or 'none'}."


def erasures(view: View) -> str:
    finished = sum(bool(receipt.get("finished_at")) for receipt in view.receipts)
    return f"Erasures: {finished:,} finished, {len(view.receipts) - finished:,} not finished."


def refused_as_taken_down(view: View) -> str:
    count = view.fetches.filter(pl.col("outcome") == FetchOutcome.TAKEN_DOWN).height
    return f"{number(count, 'address was', 'addresses were')} refused by the crawl because of a takedown request."


def project_contact(view: View) -> str:
    return f"Contact of the project: {view.params.project.contact}."


def removal_contact(view: View) -> str:
    contact = view.params.project.contact
    return (
        f"Anybody shown, and any rights holder, may ask for removal at {contact}. A takedown erases the pictures from "
        "every stored version, and keeps them out of later ones."
    )
