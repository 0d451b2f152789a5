"""Published folders: pictures, tables, cards, credits and checksums."""
