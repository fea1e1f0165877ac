"""The alarm desk: what hides what, what belongs together, what only flaps, and at what cost."""
