"""Gateways that speak another protocol of MQTT: their messages become readings of an agent."""
