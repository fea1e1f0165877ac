"""Tests; a package, because an installed distribution also calls itself ``tests``."""
