"""Whatever a file did to torch's global settings when imported, a trial starts with the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.commands import ROOT

#: what a file may say, and how the setting is read
SWITCHES = {
    "matmul precision": (
        "torch.set_float32_matmul_precision('medium')",
        "torch.get_float32_matmul_precision(), B.mkldnn.matmul.fp32_precision",
    ),
    "precision of all": (
        "B.fp32_precision = 'tf32'",
        "B.fp32_precision, B.mkldnn.conv.fp32_precision",
    ),
    "mkldnn matmul precision": (
        "B.mkldnn.matmul.fp32_precision = 'bf16'",
        "B.mkldnn.matmul.fp32_precision",
    ),
    "mkldnn conv precision": (
        "B.mkldnn.conv.fp32_precision = 'bf16'",
        "B.mkldnn.conv.fp32_precision",
    ),
    "TF32 matmul": ("B.cuda.matmul.allow_tf32 = True", "B.cuda.matmul.allow_tf32"),
    "TF32 convolutions": ("B.cudnn.allow_tf32 = False", "B.cudnn.allow_tf32"),
    "float16 reduction": (
        "B.cuda.matmul.allow_fp16_reduced_precision_reduction = False",
        "B.cuda.matmul.allow_fp16_reduced_precision_reduction",
    ),
    "bfloat16 reduction": (
        "B.cuda.matmul.allow_bf16_reduced_precision_reduction = False",
        "B.cuda.matmul.allow_bf16_reduced_precision_reduction",
    ),
    "default dtype": ("torch.set_default_dtype(torch.float64)", "torch.get_default_dtype()"),
    "default device": ("torch.set_default_device('meta')", "torch.zeros(1).device"),
    "gradients off": ("torch.set_grad_enabled(False)", "torch.is_grad_enabled()"),
    "inference mode": (
        "mode = torch.inference_mode(); mode.__enter__()",
        "torch.is_inference_mode_enabled(), torch.is_grad_enabled()",
    ),
    "anomalies": ("torch.autograd.set_detect_anomaly(True)", "torch.is_anomaly_enabled()"),
    "autograd threads": (
        "torch.autograd.set_multithreading_enabled(False)",
        "torch._C._is_multithreading_enabled()",
    ),
    "autocast": (
        "torch.autocast('cpu', torch.bfloat16).__enter__()",
        "torch.is_autocast_enabled('cpu')",
    ),
    "autocast on a GPU": (
        "torch.set_autocast_enabled('cuda', True)",
        "torch.is_autocast_enabled('cuda')",
    ),
    "autocast dtype": (
        "torch.set_autocast_dtype('cpu', torch.float16)",
        "torch.get_autocast_dtype('cpu')",
    ),
    "autocast cache": (
        "torch.set_autocast_cache_enabled(False)",
        "torch.is_autocast_cache_enabled()",
    ),
    "deterministic": (
        "torch.use_deterministic_algorithms(False)",
        "torch.are_deterministic_algorithms_enabled()",
    ),
    "warns only": (
        "torch.use_deterministic_algorithms(True, warn_only=True)",
        "torch.is_deterministic_algorithms_warn_only_enabled()",
    ),
    "fresh memory": (
        "torch.utils.deterministic.fill_uninitialized_memory = True",
        "torch.utils.deterministic.fill_uninitialized_memory",
    ),
    "denormal numbers": (
        "torch.set_flush_denormal(False)",
        "float(torch.tensor([1e-38]) * torch.tensor([1e-3]))",
    ),
    "cudnn": ("B.cudnn.enabled = False", "B.cudnn.enabled"),
    "cudnn benchmark": ("B.cudnn.benchmark = True", "B.cudnn.benchmark"),
    "cudnn deterministic": ("B.cudnn.deterministic = True", "B.cudnn.deterministic"),
    "mkldnn": ("torch._C._set_mkldnn_enabled(False)", "torch._C._get_mkldnn_enabled()"),
    "attention's fast path": (
        "B.mha.set_fastpath_enabled(False)",
        "B.mha.get_fastpath_enabled()",
    ),
    "flash attention": ("B.cuda.enable_flash_sdp(False)", "B.cuda.flash_sdp_enabled()"),
    "efficient attention": (
        "B.cuda.enable_mem_efficient_sdp(False)",
        "B.cuda.mem_efficient_sdp_enabled()",
    ),
    "plain attention": ("B.cuda.enable_math_sdp(False)", "B.cuda.math_sdp_enabled()"),
    "cudnn attention": ("B.cuda.enable_cudnn_sdp(False)", "B.cuda.cudnn_sdp_enabled()"),
    "attention's reductions": (
        "B.cuda.allow_fp16_bf16_reduction_math_sdp(True)",
        "B.cuda.fp16_bf16_reduction_math_sdp_allowed()",
    ),
    "threads": ("torch.set_num_threads(3)", "torch.get_num_threads()"),
    "compiler": (
        "import torch._dynamo.config as c; c.recompile_limit = 77",
        "__import__('torch._dynamo.config')._dynamo.config.recompile_limit",
    ),
}

SCRIPT = """
import torch
from torch import backends as B
from suite.training.repeatable import make_repeatable
make_repeatable(1)
before = {name: str(eval(read)) for name, (_, read) in SWITCHES.items()}
for name, (change, read) in SWITCHES.items():
    exec(change)
    changed = str(eval(read))
    make_repeatable(1)
    after = {other: str(eval(how)) for other, (_, how) in SWITCHES.items()}
    print(name, changed != before[name], after == before, sep=";")
"""


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[str, str]]:
    """For each switch, whether the change was seen, and whether it was undone."""
    script = f"SWITCHES = {SWITCHES!r}\n{SCRIPT}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(";") for line in done.stdout.splitlines()]
    return {name: (changed, undone) for name, changed, undone in lines}


@pytest.mark.parametrize("name", SWITCHES)
def test_every_trial_starts_with_the_same_settings(found, name):
    changed, undone = found[name]
    assert changed == "True", "the test does not change the setting"
    assert undone == "True"
