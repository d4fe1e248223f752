"""What every question to a network shares: it is asked in evaluation mode, and everything is as before afterwards."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from pellucid._base.errors import UnsupportedModelError

Network: TypeAlias = nn.Module | Callable[..., Any]
"""A module, or any function of tensors made of torch functions."""


def modules_of(model: Network) -> list[nn.Module]:
    """Every module of a network once, itself first; a plain function has none."""
    return list(model.modules()) if isinstance(model, nn.Module) else []


@contextmanager
def session(model: Network) -> Iterator[tuple[str, ...]]:
    """Make a network ready to be asked, and restore all of it on success, on an error and on Ctrl-C.

    Inside, every module is in evaluation mode, no parameter asks for a gradient (inputs and layers may), gradients
    can be computed whatever the caller's mode is, and PyTorch's fused transformer kernels, which no
    interceptor and no hook sees, are off. Training flags, ``requires_grad``, hooks, random states and flags
    of PyTorch are the caller's again at the end.

    Parameters
    ----------
    model : torch.nn.Module or callable

    Yields
    ------
    tuple of str
        Sentences that the caller should put among the warnings.

    Raises
    ------
    UnsupportedModelError
        When the network is compiled or scripted, not yet initialised, or cannot be called.
    """
    refuse_compiled(model)
    modules = modules_of(model)
    if any(is_lazy(parameter) for module in modules for parameter in module.parameters(recurse=False)):
        raise UnsupportedModelError(
            "the network has layers whose shapes are not known before they are first called; call it once first."
        )
    trained = [module for module in modules if module.training]
    # Weights that were made under inference mode never ask for a gradient, and cannot be told to.
    asking = [
        parameter
        for module in modules
        for parameter in module.parameters(recurse=False)
        if parameter.requires_grad and not parameter.is_inference()
    ]
    with ExitStack() as stack:
        stack.enter_context(_restored_flags(modules, asking))
        stack.enter_context(_restored_hooks(modules))
        stack.enter_context(_restored_randomness())
        stack.enter_context(_restored_backends(modules))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for module in trained:
            module.training = False
        for parameter in asking:
            parameter.requires_grad_(False)
        yield ("the network was in train mode; it was asked in evaluation mode, and put back.",) if trained else ()


def refuse_compiled(model: Network) -> None:
    """Refuse what hides its functions: compiled and scripted networks.

    Raises
    ------
    UnsupportedModelError
        With what to give instead.
    """
    if not callable(model):
        raise UnsupportedModelError(
            f"model must be a torch.nn.Module or a function of tensors; got {type(model).__name__}."
        )
    for part in [model, *modules_of(model)]:
        if isinstance(part, torch.jit.ScriptModule | torch.jit.ScriptFunction):
            raise UnsupportedModelError(
                "the network, or a part of it, is TorchScript, whose functions cannot be seen one by one; "
                "give the module that was scripted or traced."
            )
        if hasattr(part, "_orig_mod") or hasattr(part, "_torchdynamo_orig_callable"):
            raise UnsupportedModelError(
                "the network, or a part of it, is compiled by torch.compile, whose functions cannot be seen one by "
                "one; give the module before it was compiled (its attribute _orig_mod)."
            )
        if getattr(part, "_compiled_call_impl", None) is not None:
            raise UnsupportedModelError(
                "the network, or a part of it, was compiled in place by its method compile(), and its functions "
                "cannot be seen one by one; give a copy that was not compiled."
            )


@contextmanager
def _restored_flags(modules: list[nn.Module], asking: list[nn.Parameter]) -> Iterator[None]:
    training = [(module, module.training) for module in modules]
    try:
        yield
    finally:
        for module, flag in training:
            module.training = flag
        for parameter in asking:
            parameter.requires_grad_()


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def _restored_hooks(modules: list[nn.Module]) -> Iterator[None]:
    """Take away whatever hooks were added inside: Ctrl-C may come between adding one and noting its handle."""
    before = [(getattr(module, name), set(getattr(module, name))) for module in modules for name in _HOOKS]
    try:
        yield
    finally:
        for hooks, keys in before:
            for key in [key for key in hooks if key not in keys]:
                del hooks[key]


@contextmanager
def _restored_randomness() -> Iterator[None]:
    cpu = torch.get_rng_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    others = [(device, torch.cuda.get_rng_state(device)) for device in devices]
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        for device, state in others:
            torch.cuda.set_rng_state(state, device)


@contextmanager
def _restored_backends(modules: list[nn.Module]) -> Iterator[None]:
    fast = torch.backends.mha.get_fastpath_enabled()
    # cuDNN has no gradient of a recurrent layer in evaluation mode; PyTorch's own kernels have.
    recurrent = any(isinstance(module, nn.RNNBase) for module in modules)
    cudnn = torch.backends.cudnn.enabled
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        torch.backends.cudnn.enabled = cudnn and not recurrent
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.cudnn.enabled = cudnn
