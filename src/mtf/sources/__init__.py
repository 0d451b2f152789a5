"""Crawl sources, from which pictures come: one class in one file per source, found by name in `registry`.

A source is a subclass of `Source` (a web site or its API) or `LocalSource` (files on disk). Another package adds one by
the entry point group `mtf.sources` or by `mtf.sources.registry.register`; params.yaml then accepts its name as `kind`.
"""
