import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and inputs whatever runs before."""
    torch.manual_seed(0)
