"""The shared words, the wire, and the database door; no service logic lives here."""
