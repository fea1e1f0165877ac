"""The upkeep of the store: rollups, retention, compression, and what each edition offers."""
