"""Map files: reading, writing, checking and comparing block maps."""
