"""From message to committed row: source, decode, check, writer, worker."""
