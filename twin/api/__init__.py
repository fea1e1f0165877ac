"""The HTTP API over the twin: REST, Server-Sent Events, health."""
