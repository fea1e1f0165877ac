"""The agent on a gateway: drivers, the durable spool, and the uplink to the broker."""
