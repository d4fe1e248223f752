"""The user's own containers, behind one interface: bare arrays, pandas frames, every other frame."""

from pellucid._containers.base import Container
from pellucid._containers.cells import Kind
from pellucid._containers.reading import container_of

__all__ = ["Container", "Kind", "container_of"]
