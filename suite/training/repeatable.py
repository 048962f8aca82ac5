"""The same seed gives the same bits: process-wide settings, and every global generator."""

from __future__ import annotations

import copy
import random
import sys

import numpy as np
import torch

#: guards that hold until the process ends
_held: list[object] = []
_AUTOCAST = {"cpu": torch.bfloat16, "cuda": torch.float16, "mps": torch.float16}


def make_repeatable(threads: int, device: str = "cpu") -> None:
    """The process-wide settings under which the same seed gives the same bits.

    All of them are set each time: the file of a method or task, imported before, may have changed
    any. Settings that do not affect repeatability are set to torch's defaults.

    A GPU has no repeatable kernel for some operators (adaptive max pooling backward is one): there
    torch warns in the log instead of refusing the model.
    """
    torch.set_num_threads(threads)
    # Numbers below 1e-38 take a CPU many times as long as others, so that a method that brings the
    # loss to zero would look slow: they are zero here, as in many kernels of a GPU.
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
    # New memory is not filled with NaN, which takes time. A method that reads memory before writing
    # it fails the tests of equal reruns instead, which cover only the methods in the repo.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    _reset_tensors()
    _reset_gradients()
    _reset_precision()
    _reset_kernels()
    _reset_compiler()


def _reset_tensors() -> None:
    """The device, type and layout of new tensors."""
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


def _reset_gradients() -> None:
    """The state of autograd."""
    if torch.is_inference_mode_enabled():
        guard = torch.inference_mode(False)
        guard.__enter__()
        _held.append(guard)
    torch.set_grad_enabled(True)
    torch.autograd.set_detect_anomaly(False)
    torch.autograd.set_multithreading_enabled(True)


def _reset_precision() -> None:
    """Exact float32, except for the convolutions of cuDNN, which use TF32 by default."""
    setattr(torch.backends, "fp32_precision", "none")  # noqa: B010, torch's types lack the name
    torch.backends.mkldnn.fp32_precision = "none"
    for part in ("matmul", "conv", "rnn"):
        getattr(torch.backends.mkldnn, part).fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    matmul = torch.backends.cuda.matmul
    matmul.allow_tf32 = False
    matmul.allow_fp16_reduced_precision_reduction = True
    matmul.allow_bf16_reduced_precision_reduction = True
    matmul.allow_fp16_accumulation = False
    torch.backends.cudnn.allow_tf32 = True
    for kind, dtype in _AUTOCAST.items():
        torch.set_autocast_enabled(kind, False)
        torch.set_autocast_dtype(kind, dtype)
    torch.set_autocast_cache_enabled(True)
    torch.clear_autocast_cache()


def _reset_kernels() -> None:
    """Which implementation of an operator runs."""
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    cudnn.enabled = True
    cudnn.benchmark = False
    cudnn.deterministic = False  # use_deterministic_algorithms covers what cuDNN does
    torch.backends.mkldnn.set_flags(_enabled=True, _deterministic=False)
    torch.backends.nnpack.set_flags(_enabled=True)
    torch.backends.mha.set_fastpath_enabled(True)
    cuda.enable_flash_sdp(True)
    cuda.enable_mem_efficient_sdp(True)
    cuda.enable_math_sdp(True)
    cuda.enable_cudnn_sdp(True)
    cuda.allow_fp16_bf16_reduction_math_sdp(False)


def _reset_compiler() -> None:
    """The settings of torch.compile, where one was changed."""
    for name in ("torch._dynamo.config", "torch._inductor.config"):
        config = sys.modules.get(name)
        if config is not None:
            for setting, entry in config._config.items():
                if not config._is_default(setting):
                    setattr(config, setting, copy.deepcopy(entry.default))


def seed_everything(seed: int, device: str) -> None:
    """Seed every global generator that a method may draw from."""
    # torch.manual_seed checks every kind of device: half a millisecond if there is none.
    seed_torch = torch.default_generator.manual_seed if device == "cpu" else torch.manual_seed
    seed_torch(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # numpy takes 32 bits
