"""Training: one trial, from its seeds to its curve and cost."""
