"""OGC API - Features over the store."""
