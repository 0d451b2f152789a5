"""`mtf fetch`: pictures of a list of addresses into shards that readers of img2dataset's output read.

`url_list` reads the list, `fetching` runs over it, `fetch_work` says what its processes do, and `shard_fetcher` fetches
one shard: `sample_rows` makes its rows, and `shard_writers` writes it. `sample_columns` lists the columns of a sample.
"""

PRELOADED = ("mtf.fetch.shard_fetcher",)
"""Modules that each process of a fetch needs."""
