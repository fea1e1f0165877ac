"""Block maps in the store: proposals, versions, placement."""
