"""Web archives of evidence: what sources said, as WARC and WACZ with digests, signature and timestamp per record.

- `warc`: records, each a gzip member of its own.
- `records_file`: the manifest of the records, its signature and timestamp, and the erased records.
- `signature`, `timestamp`: wacz-auth and RFC 3161.
- `stored_zip`, `cdxj`, `files`: the files.
- `verification`, `erasure`: what reads and changes them.
"""
