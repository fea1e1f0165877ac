"""Rules, the engine that judges readings by them, the life of alarms, and who is told of them."""
