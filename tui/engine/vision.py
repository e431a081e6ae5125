"""torchvision without torch's compiler: an operator for detection asks for that, and it takes a second to import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_ASKED = "torch._dynamo.utils"


@cache
def models() -> ModuleType:
    """Return `torchvision.models`. The first call, here or of `transforms`, imports torchvision: in the main thread."""
    with _left_out():
        from torchvision import models as found
    return found


@cache
def transforms() -> ModuleType:
    """Return `torchvision.transforms.v2.functional`."""
    with _left_out():
        from torchvision.transforms.v2 import functional
    return functional


@contextmanager
def _left_out() -> Iterator[None]:
    """Have the compiler imported not now, but when somebody asks what it can do.

    Where a version of torchvision wants more of it than that, it is imported as ever.
    """
    if _COMPILER in sys.modules:
        yield
        return
    asked, compiler = ModuleType(_ASKED), ModuleType(_COMPILER)
    asked.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    asked.__getattr__ = _of_compiler  # type: ignore[method-assign]
    compiler.disable = _left_as_it_is  # type: ignore[attr-defined]
    placeholders = {_COMPILER: compiler, _ASKED: asked}
    sys.modules.update(placeholders)
    try:
        yield
    finally:
        _take_away(placeholders)


def _left_as_it_is(function: Any, *_: object, **__: object) -> Any:
    """What compiled code is not to look into: one helper of the transforms, which are not compiled here."""
    return function


def _is_compile_supported(device_type: str) -> bool:
    return bool(_compiler_utilities().is_compile_supported(device_type))


def _of_compiler(name: str) -> Any:
    if name.startswith("__"):  # which `inspect` asks of every module
        raise AttributeError(name)
    return getattr(_compiler_utilities(), name)


def _compiler_utilities() -> ModuleType:
    here = sys.modules.get(_ASKED)
    if here is not None and here.__spec__ is None:
        _take_away({name: sys.modules[name] for name in (_COMPILER, _ASKED)})
    import torch._dynamo.utils as utilities

    return utilities


def _take_away(placeholders: dict[str, ModuleType]) -> None:
    for name, placeholder in placeholders.items():
        if sys.modules.get(name) is placeholder:
            del sys.modules[name]
