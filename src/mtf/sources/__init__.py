"""Crawl sources: where pictures come from. One class in one file per source, found by name in `registry`.

A source is a subclass of `Source` (a site that is asked) or `LocalSource` (files that are on disk). Another package
adds one by the entry point group `mtf.sources` or by `mtf.sources.registry.register`; params.yaml then accepts its
name as `kind`.
"""
