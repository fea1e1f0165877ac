"""What was measured, read back: series, the state at a time, files in and out."""
