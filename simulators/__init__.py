"""Invented districts, weather, fires and faults, and the truth about them."""
