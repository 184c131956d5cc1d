import pytest
import torch

from mmaffect.utils.threads import cores_left


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(6)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures('threads')
def test_half_of_the_threads(monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    with cores_left():
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 6
    torch.set_num_threads(1)
    with cores_left():
        assert torch.get_num_threads() == 1


@pytest.mark.usefixtures('threads')
def test_the_environment_decides(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '6')
    with cores_left():
        assert torch.get_num_threads() == 6
