"""`mtf fetch`: pictures of a list of addresses into shards that readers of img2dataset's output read.

`url_list` reads the list, `fetching` runs over it, `shard_fetcher` fetches one shard, `shard_writers` writes it, and
`sample_rows` says which columns a sample has.
"""
