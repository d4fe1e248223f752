"""Every method asked alike, and what of the caller's must be as it was afterwards."""

import torch

from pellucid.nn import METHODS, attribute

from .networks import in_style, tabular

PICTURES = [name for name in METHODS if "cam" in name]


def explained(method, net, x, **options):
    """Ask a method with everything that it may need, and a small budget."""
    options.setdefault("background", torch.zeros_like(x) if isinstance(x, torch.Tensor) else None)
    budget = {"shapley": 300, "rise": 20, "smoothgrad": 4, "expected_gradients": 4}.get(method)
    return attribute(net, x, method=method, **{"target": 1, "budget": budget, **options})


def net_and_input(method):
    """A network that the method can explain, and two rows."""
    return (in_style("Modules"), torch.randn(2, 2, 12, 12)) if method in PICTURES else (tabular(), torch.randn(2, 4))


def unchanged(net, x):
    """All that a method could have changed."""
    return (
        *(x.clone(), x.requires_grad, x.grad, [m.training for m in net.modules()], torch.get_rng_state()),
        [(p.clone(), p.requires_grad, p.grad) for p in net.parameters()],
        [b.clone() for b in net.buffers()],
        [(dict(m._forward_hooks), dict(m._forward_pre_hooks), dict(m._backward_hooks)) for m in net.modules()],
        (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        (torch.backends.mha.get_fastpath_enabled(), torch.backends.cudnn.enabled),
    )


def same(a, b):
    """Whether two of these are equal."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return all(same(p, q) for p, q in zip(a, b, strict=True)) if isinstance(a, tuple | list) else a == b
