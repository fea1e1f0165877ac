"""Back-test: stored readings through the real engine, to see what a rule would have done."""
