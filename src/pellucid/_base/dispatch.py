"""Dispatch on classes that are never imported here.

A handler is registered under qualified class names such as
``"xgboost.sklearn.XGBModel"``; the class of an object is looked up along its method
resolution order, and the handler's module is imported when the first such object is seen.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def qualified_names(obj: object) -> list[str]:
    """Qualified names of the object's class and its bases, the nearest first."""
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(obj).__mro__]


@dataclass
class LazyDispatch:
    """Map from the first public part of a class's module to the handler's module and function."""

    handlers: dict[str, str] = field(default_factory=dict)

    def register(self, name: str, handler: str) -> None:
        """Let ``"module:function"`` answer for objects of the class called `name`."""
        self.handlers[name] = handler

    def find(self, obj: object) -> Callable[..., Any] | None:
        """Return the handler of the nearest registered class, or None."""
        for name in qualified_names(obj):
            if name in self.handlers:
                module, function = self.handlers[name].split(":")
                return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]
        return None
