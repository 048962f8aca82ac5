"""The cost of every use of the loss, in units of one example passed forward and backward.

The costs are counted operations, rounded: a test counts them for four kinds of network. A backward
pass costs twice a forward pass: it multiplies each layer's matrix twice, once for the inputs'
gradient and once for the weights' (Kaplan et al. 2020, "Scaling Laws for Neural Language Models",
2.1).
"""

COSTS = {
    # any forward pass of the model with gradients on: its backward pass is to follow
    "gradient": 1.0,
    # any forward pass of the model with gradients off
    "forward": 1.0 / 3.0,
    # a tangent of the weights needs two more products per layer: W x, W x', W' x
    "jvp": 1.0,
    # double backward differentiates the three products of the gradient, two products each: 3 + 6
    "hvp": 3.0,
    # the least cost of a batch: reading data without passing it through the model
    "unused batch": 1.0 / 3.0,
}
