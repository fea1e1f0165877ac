"""Published facts that the synthetic district stands on."""
