"""Studies on other machines: in a scheduler's queue, or their trials on workers elsewhere."""
