"""What can happen in a district; each module turns a place and a seed into signals and a truth."""
