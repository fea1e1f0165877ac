"""The ground to stand on: private servers, the demo, and the set-up of a machine."""
