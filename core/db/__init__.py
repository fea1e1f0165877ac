"""The database door: connections, migrations, and named SQL statements."""
