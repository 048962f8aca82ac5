"""Studies on other machines: elements in a scheduler's queue, and what is seen of them."""
