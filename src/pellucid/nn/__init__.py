"""The wing for networks: attribution to inputs and layers, what layers hold, attention, and their trust.

It needs PyTorch, which `import pellucid` does not load: ``pip install 'pellucid[torch]'``.
"""

from pellucid._base.optional import optional_import

optional_import("torch", extra="torch", purpose="pellucid.nn")

from pellucid.nn.attribution import (  # noqa: E402 - without torch the line above has said what to install
    LRP,
    METHODS,
    RISE,
    ExpectedGradients,
    IntegratedGradients,
    Occlusion,
    SmoothGrad,
    attribute,
)

__all__ = [
    "LRP",
    "METHODS",
    "RISE",
    "ExpectedGradients",
    "IntegratedGradients",
    "Occlusion",
    "SmoothGrad",
    "attribute",
]
