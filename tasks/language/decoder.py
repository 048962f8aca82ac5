"""The decoder of the language tasks: pre-norm, rotary positions, no biases.

The shape is GPT-2's (Radford et al. 2019) with what has replaced its parts since: RMSNorm (Zhang
and Sennrich 2019), rotary positions (Su et al. 2021), and, as options, normalized queries and keys
(Henry et al. 2020) and ReLU^2 (So et al. 2021) or SwiGLU (Shazeer 2020) for GELU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from suite import mark_head


@dataclass(frozen=True)
class Shape:
    """A decoder's size and options; `length` is the longest sequence it takes."""

    vocabulary: int
    length: int
    width: int
    heads: int
    layers: int
    activation: Literal["gelu", "relu_squared", "swiglu"] = "gelu"
    #: hidden units of the feed-forward layer, in widths; 0 omits the layer
    expansion: int = 4
    #: queries and keys are scaled to length 1 each, times the square root of their size
    qk_norm: bool = False
    #: the output layer shares the embedding's matrix
    tied: bool = False


class ReLUSquared(nn.ReLU):
    """max(x, 0)^2, of any shape; a kind of ReLU for regularizers that look for activations."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).square()


class GatedSiLU(nn.SiLU):
    """silu(gate) * value: the nonlinearity of SwiGLU, a kind of SiLU for regularizers."""

    def forward(self, gate: Tensor, value: Tensor) -> Tensor:
        return super().forward(gate) * value


class FeedForward(nn.Module):
    """Expand, apply the activation to each unit, contract: (N, T, width) to the same."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        units = shape.expansion * shape.width
        if shape.activation == "swiglu":
            units = 2 * units // 3  # as many weights with three matrices as with two
            self.value = nn.Linear(shape.width, units, bias=False)
        kinds = {"gelu": nn.GELU, "relu_squared": ReLUSquared, "swiglu": GatedSiLU}
        self.expand = nn.Linear(shape.width, units, bias=False)
        self.activation = kinds[shape.activation]()
        self.contract = nn.Linear(units, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gated = isinstance(self.activation, GatedSiLU)
        second = (self.value(x),) if gated else ()
        return self.contract(self.activation(self.expand(x), *second))


class Attention(nn.Module):
    """Causal self-attention with rotary positions: (N, T, width) to the same."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.queries_keys_values = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.mix = nn.Linear(shape.width, shape.width, bias=False)
        size = shape.width // shape.heads
        self.qk_norm = nn.RMSNorm(size, elementwise_affine=False) if shape.qk_norm else None
        cosines, sines = rotations(shape.length, size)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        projected = self.queries_keys_values(x).unflatten(-1, (3, self.heads, -1))
        # (3, N, heads, T, size): queries and keys are turned together
        heads = projected.permute(2, 0, 3, 1, 4)
        queries_keys, values = heads[:2], heads[2]
        if self.qk_norm is not None:
            queries_keys = self.qk_norm(queries_keys)
        queries, keys = self._turn(queries_keys).to(values.dtype)
        attended = nn.functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.mix(attended.transpose(1, 2).flatten(-2))

    def _turn(self, x: Tensor) -> Tensor:
        """Rotate the two halves of each vector (..., T, size) against each other by position."""
        length = x.shape[-2]
        left, right = x.chunk(2, -1)
        turned = torch.cat((-right, left), -1)
        return x * self.cosines[:length] + turned * self.sines[:length]


def rotations(length: int, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each of shape (length, size); base 10,000.

    Position t turns the pair (i, i + size / 2) of a vector by t * 10000^(-2 i / size).
    """
    frequencies = 10_000.0 ** (-torch.arange(0, size, 2).double() / size)
    angles = torch.outer(torch.arange(length).double(), frequencies).repeat(1, 2)
    return angles.cos().float(), angles.sin().float()


class Block(nn.Module):
    """Attention and a feed-forward layer, each on normalized inputs and added to them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width)
        self.attention = Attention(shape)
        self.feed_forward: nn.Module | None = None
        if shape.expansion:
            self.feed_forward_norm = nn.RMSNorm(shape.width)
            self.feed_forward = FeedForward(shape)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        if self.feed_forward is not None:
            x = x + self.feed_forward(self.feed_forward_norm(x))
        return x


class Decoder(nn.Module):
    """Tokens (N, T) to scores (N, T, vocabulary) of the token that follows each of them.

    On a GPU matrices are multiplied in bfloat16; weights, and gradients with them, stay float32.
    Embeddings begin with deviation 0.02 and are normalized once; linear layers begin as torch makes
    them (deviation 0.58 / sqrt(inputs), GPT-2's 0.02 at its width), and those that add to the
    residual stream are divided by sqrt(2 layers), as in GPT-2.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.embedding_norm = nn.RMSNorm(shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width)
        self.head = mark_head(nn.Linear(shape.width, shape.vocabulary, bias=False))
        nn.init.normal_(self.embedding.weight, std=0.02)
        if shape.tied:
            self.head.weight = self.embedding.weight
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name.endswith(("mix.weight", "contract.weight")):
                    weight /= math.sqrt(2 * shape.layers)

    def forward(self, tokens: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=tokens.is_cuda):
            x = self.embedding_norm(self.embedding(tokens))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))


def compile_blocks(model: Decoder, backend: str = "inductor") -> None:
    """Compile every block in place; they are alike, so the first one's code serves all.

    Regularizers hook into activations after this was called: compiled code must check for hooks,
    which torch omits by default because it takes some microseconds per call.
    """
    torch._dynamo.config.skip_nnmodule_hook_guards = False
    for block in model.blocks:
        block.compile(backend=backend)
