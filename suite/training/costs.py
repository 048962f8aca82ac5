"""What every use of the loss costs, in units of one example passed forward and backward.

A backward pass costs twice a forward pass: it multiplies each layer's matrix twice, once for the
inputs' gradient and once for the weights' (Kaplan et al. 2020, "Scaling Laws for Neural Language
Models", 2.1).
"""

PRICES = {
    "gradient": 1.0,  # any forward of the model with gradients on: its backward is to follow
    "forward": 1.0 / 3.0,  # any forward of the model with gradients off
    "jvp": 2.0 / 3.0,  # forward mode carries value and tangent: two forwards
    "hvp": 2.0,  # the gradient's graph is differentiated again: as much once more
}
