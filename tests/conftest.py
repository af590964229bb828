import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small sizes are quicker on one thread, and sums come out in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
