"""The twin of each device: attributes, kinds, moves and replacements."""
