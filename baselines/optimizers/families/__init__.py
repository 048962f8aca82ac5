"""What the optimizers of a family share."""
