"""Telling others of alarm events: every event to every channel at least once, with proof."""
