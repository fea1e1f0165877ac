"""Blocks and slopes in three dimensions, out of the store."""
