"""MQTT on the wire: packets as bytes, without a socket."""
