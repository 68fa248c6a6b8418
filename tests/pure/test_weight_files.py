"""Files that are no estimator, that are damaged, or that would do harm."""

import json
import os
import struct

import pytest
import torch
from safetensors.torch import save_file

from adaptive_diffusion import estimators
from adaptive_diffusion.estimators.weights import read, shapes

STATE = {"blip.one": torch.arange(6.0).view(2, 3), "two": torch.ones(4)}


class Bomb:
    """What a pickle that runs a command on opening holds."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def saved(tmp_path, content, name="model.pt", **options):
    torch.save(content, tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_of_torch_save_is_read(tmp_path, name, zipped):
    state, metadata = read(saved(tmp_path, STATE, name, _use_new_zipfile_serialization=zipped))
    assert metadata == {} and state.keys() == STATE.keys()
    assert all(torch.equal(state[key], value) for key, value in STATE.items())


def test_a_state_dict_inside_a_checkpoint_is_found(tmp_path):
    path = saved(tmp_path, {"epoch": 3, "state_dict": STATE})
    assert shapes(path) == {"blip.one": (2, 3), "two": (4,)}


def test_shapes_of_safetensors_follow_the_file_when_it_changes(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(STATE, path)
    assert shapes(path) == {"blip.one": (2, 3), "two": (4,)}
    save_file({"three": torch.ones(5, 5)}, path)
    assert shapes(path) == {"three": (5, 5)}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("opened", [read, shapes, estimators.load, estimators.kind_of])
def test_a_pickle_that_runs_something_is_refused_and_does_not_run(tmp_path, opened, zipped):
    path = saved(tmp_path, {"w": Bomb(tmp_path / "ran")}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"^'model.pt' holds more than weights and was not opened; use a safetensors"):
        opened(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[STATE], {"epoch": 3}, {"state_dict": {"w": 1.0}}, torch.ones(3)])
def test_a_pickle_of_something_else_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="'model.pt' holds something else than weights by name"):
        read(saved(tmp_path, content))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_pickle_is_refused(tmp_path, share, zipped):
    path = saved(tmp_path, {"w": torch.randn(1000)}, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    sentence = "is not a whole file" if zipped or share == 0 else "is not a whole file|holds more than weights"
    with pytest.raises(ValueError, match=f"^'model.pt' ({sentence})"):
        read(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_truncated_safetensors_are_refused(tmp_path, share):
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.randn(1000)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="'model.safetensors' is not a whole safetensors file"):
        read(path)


@pytest.mark.parametrize("length", [2**63, 2**40, 200 * 2**20])
def test_a_huge_header_is_refused_without_being_read(tmp_path, length):
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}" + b" " * 100)
    with pytest.raises(ValueError, match="'model.safetensors' is not a whole safetensors file"):
        read(path)


def test_a_header_that_points_outside_the_file_is_refused(tmp_path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with pytest.raises(ValueError, match="'model.safetensors' is not a whole safetensors file"):
        read(path)


def test_a_network_of_another_kind_says_what_was_expected(tmp_path):
    path = saved(tmp_path, {"conv_in.weight": torch.ones(1)})
    with pytest.raises(ValueError, match="'model.pt' is not a quality estimator; expected .*found 'conv_in.weight'"):
        estimators.kind_of(path)
