"""torchvision beside a matching torch, beside another one, and broken otherwise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BROKEN = """
    import torch

    @torch.library.register_fake("torchvision::nms")
    def nms(dets, scores, iou_threshold):
        return dets

    @torch.library.register_fake("torchvision::qnms")
    def qnms(dets, scores, iou_threshold):
        return dets
    """


def python(code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new process that finds modules in the given folders first."""
    path = os.pathsep.join([*map(str, folders), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


def package(folder: Path, init: str) -> Path:
    """A made-up torchvision with a module `datasets`."""
    (folder / "torchvision").mkdir(parents=True)
    (folder / "torchvision" / "__init__.py").write_text(textwrap.dedent(init))
    (folder / "torchvision" / "datasets.py").write_text("MARK = 'made up'\n")
    return folder


def test_the_installed_torchvision_is_usable():
    """Whether or not it was built for the installed torch."""
    done = python(
        """
        from suite.data.vision import torchvision_module
        assert torchvision_module("torchvision.datasets").CIFAR10.url
        assert torchvision_module("torchvision.transforms").RandomCrop
        assert torchvision_module("torchvision.models").resnet18
        """
    )
    assert done.returncode == 0, done.stderr


def test_a_build_for_another_torch_is_cured(tmp_path):
    """As torchvision does: attaching a kernel to an operator that nobody declared."""
    package(tmp_path, BROKEN)
    done = python("import torchvision", tmp_path)
    assert "operator torchvision::nms does not exist" in done.stderr
    done = python(
        """
        from suite.data.vision import torchvision_module
        print(torchvision_module("torchvision.datasets").MARK)
        print(torchvision_module("torchvision.datasets").MARK)
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "made up\nmade up\n"


def test_a_library_that_a_method_imports_gets_the_cure(tmp_path):
    package(tmp_path, BROKEN)
    (tmp_path / "like_timm.py").write_text("from torchvision.datasets import MARK\n")
    method = tmp_path / "method.py"
    method.write_text(
        "from like_timm import MARK\nfrom torch.optim import SGD\nimport suite\n"
        "suite.optimizer('uses_it', SGD, paper='-', url='', summary=MARK)\n"
    )
    code = f"""
        import sys
        from suite.components import registry
        registry.names("optimizer")
        assert "torchvision" not in sys.modules
        print(registry.load_file({str(method)!r})[0].summary)
        import torchvision.datasets
        print(torchvision.__spec__.origin)
        """
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"made up\n{tmp_path / 'torchvision' / '__init__.py'}\n"


def test_a_missing_torchvision_stays_missing():
    code = """
        import sys
        from importlib.machinery import PathFinder
        from suite.components import torchvision_cure
        torchvision_cure.install()
        torchvision_cure.install()
        assert sum(isinstance(f, torchvision_cure._Finder) for f in sys.meta_path) == 1
        sys.meta_path = [f for f in sys.meta_path if f is not PathFinder]
        sys.path = []
        import torchvision
        """
    done = python(code)
    assert done.stderr.rstrip().endswith("ModuleNotFoundError: No module named 'torchvision'")


def test_a_matching_build_gets_no_declarations(tmp_path):
    """Declaring an operator a second time aborts the process."""
    package(
        tmp_path,
        """
        import torch
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        """,
    )
    done = python(
        """
        from suite.components import torchvision_cure
        from suite.data.vision import torchvision_module
        print(torchvision_module("torchvision.datasets").MARK)
        assert torchvision_cure.declared == []
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "made up\n"


def test_another_error_is_not_swallowed(tmp_path):
    package(tmp_path, "raise RuntimeError('out of toner')")
    code = "from suite.data.vision import torchvision_module as t; t('torchvision.datasets')"
    done = python(code, tmp_path)
    assert done.returncode == 1
    assert "RuntimeError: out of toner" in done.stderr
    assert "nms" not in done.stderr


def test_an_error_that_the_cure_does_not_mend_is_raised(tmp_path):
    package(tmp_path, "raise RuntimeError('operator torchvision::nms does not exist')")
    code = "from suite.data.vision import torchvision_module as t; t('torchvision.datasets')"
    done = python(code, tmp_path)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("RuntimeError: operator torchvision::nms does not exist")


def test_no_other_module_imports_torchvision():
    for folder in ("suite", "tasks", "baselines", "leaderboard"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(import|from) torchvision\b", text, re.MULTILINE), path
