"""Where things are: placement in the block grid. Pure, but for shapely and numpy."""
