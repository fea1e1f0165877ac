"""A loaded machine is no fault of the code: no example has a deadline of its own."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
