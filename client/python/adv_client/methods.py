"""Makes methods look like the functions of calls that they are made of."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def described_by(build: Callable[..., Any]) -> Callable[[Method], Method]:
    """Gives a method the name, text and parameters of build, after self."""
    def describe(method: Method) -> Method:
        functools.update_wrapper(method, build)
        del method.__dict__["__wrapped__"]  # has no self
        signature = inspect.signature(build)
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        setattr(method, "__signature__", signature.replace(
            parameters=[own, *signature.parameters.values()],
            return_annotation=inspect.Signature.empty))
        return method

    return describe
