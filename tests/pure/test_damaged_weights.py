"""Damaged weight files: one sentence each, in bounded time, and nothing in them is carried out.

DAMAGED_FILES: how many of each format are tried, 150 where it is not set.
"""

import os
import struct
import time
import zipfile
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from adaptive_diffusion import estimators
from adaptive_diffusion.diffusion.guidance_embedding import guidance_bias, takes_guidance
from adaptive_diffusion.estimators.weights import read, shapes
from tests.damage import damaged, no_deeds

from .test_estimators import SETTINGS, random_state
from .test_weight_files import Bomb

pytestmark = pytest.mark.filterwarnings("ignore:invalid escape:DeprecationWarning")
CASES = int(os.environ.get("DAMAGED_FILES", 150))
LONGEST = 2.0
FORMATS = ("safetensors", "zip", "old")
NOT_WHOLE = "is not a whole file of weights; download it again"


def write(path, state, form: str):
    if form == "safetensors":
        save_file(state, path, metadata=SETTINGS.metadata())
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of files of every format: an estimator, a UNet's guidance, a checkpoint, and one that would do harm."""
    folder = tmp_path_factory.mktemp("whole")
    guided = {"time_embedding.cond_proj.weight": torch.ones(8, 4), "time_embedding.linear_1.weight": torch.ones(6, 8)}
    states = {"estimator": random_state(), "guided": guided, "half": {"w": torch.ones(9, dtype=torch.float16)}}
    found = {}
    for form in FORMATS:
        files = {name: write(folder / f"{name}.{form}", state, form) for name, state in states.items()}
        if form != "safetensors":
            files["checkpoint"] = write(folder / "c", {"epoch": 3, "lr": 0.5, "state_dict": states["half"]}, form)
            files["bomb"] = write(folder / "b", {"w": Bomb(folder / "ran"), **states["half"]}, form)
        found[form] = [path.read_bytes() for path in files.values()]
    return found


OPENERS = (read, shapes, estimators.kind_of, estimators.load, takes_guidance, lambda path: guidance_bias(path, 7.5))


def complaint(opener, path) -> str:
    """What is wrong with a file, "" for nothing; it must be one sentence with the file's name."""
    begun = time.thread_time()
    try:
        opener(path)
        said = ""
    except (ValueError, OSError) as error:
        said = str(error)
        assert "\n" not in said and len(said) < 600
    assert time.thread_time() - begun < LONGEST
    return said


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_file_is_a_sentence_in_time_and_does_nothing(whole, form, tmp_path):
    path = tmp_path / ("model.safetensors" if form == "safetensors" else "model.pt")
    for data in whole[form]:
        path.write_bytes(data)
        [complaint(opener, path) for opener in OPENERS]
    refused = 0
    with no_deeds():
        for number in range(CASES):
            path.write_bytes(damaged(whole[form][number // 4 % len(whole[form])], number))
            refused += bool([complaint(opener, path) for opener in OPENERS][0])
    assert refused > CASES / 2
    assert not list(tmp_path.glob("ran")) and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("form", FORMATS[1:])
def test_cut_anywhere_it_is_not_a_whole_file_and_what_is_whole_is_read(form, tmp_path):
    path = write(tmp_path / "model.pt", {"one": torch.arange(6.0).view(2, 3), "two": torch.ones(4).half()}, form)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert complaint(shapes, path) == complaint(read, path) == f"'model.pt' {NOT_WHOLE}", length
    path.write_bytes(data)
    assert complaint(read, path) == "" and shapes(path) == {"one": (2, 3), "two": (4,)}


def test_tensors_are_those_that_were_saved_whatever_their_kind(tmp_path):
    shared, noise = torch.arange(20.0), torch.Generator().manual_seed(1)
    state = {
        str(dtype): torch.randn(3, 4, generator=noise).mul(50).to(dtype)
        for dtype in (torch.float64, torch.bfloat16, torch.int8, torch.uint8, torch.int64, torch.complex64, torch.bool)
    }
    state |= {"scalar": torch.tensor(3.0), "none": torch.ones(0, 5), "part": shared[4:10].view(2, 3).T, "all": shared}
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    for form in FORMATS[1:]:
        for saved in (state, torch.nn.ParameterDict({"w": torch.ones(3)}).state_dict()):
            path = write(tmp_path / f"{form}.pt", saved, form)
            found = read(path)[0]
            assert found.keys() == saved.keys() and all(torch.equal(found[key], saved[key]) for key in saved)
            assert shapes(path) == {key: tuple(value.shape) for key, value in saved.items()}


def repacked(path, change) -> None:
    """The zip archive of torch.save with `change` made to its records {name: bytes}, packed as before."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    change(records)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)


def test_a_storage_of_another_length_than_its_tensors_have_is_not_read(tmp_path):
    path = write(tmp_path / "model.pt", {"w": torch.ones(8)}, "zip")
    repacked(path, lambda records: records.update({"model/data/0": bytes(16)}))
    assert complaint(shapes, path) == complaint(read, path) == f"'model.pt' {NOT_WHOLE}"


def test_what_is_packed_smaller_than_it_is_was_not_saved_by_torch(tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(2**28))
    assert complaint(shapes, path) == f"'model.pt' {NOT_WHOLE}"


@pytest.mark.parametrize("form", FORMATS[1:])
def test_a_name_that_is_no_text_is_a_sentence(form, tmp_path):
    path = write(tmp_path / "model.pt", {5: torch.ones(2)}, form)
    for opener in OPENERS:
        assert complaint(opener, path).startswith("'model.pt' holds something else than weights by name")


def slow_pickles() -> dict[str, bytes]:
    """Pickles of protocol 2 that would be slow or large if they were carried out."""
    one = b"\x8a\x09" + (2**64).to_bytes(9, "little")
    colliding = b"".join(b"\x8a\x12" + ((2**61 - 1) * n).to_bytes(18, "little") + b"N" for n in range(1, 60_000))
    grow = b"cbuiltins\nbytearray\n" + one + b"\x85R"
    return {
        "numbers that meet": b"\x80\x02}(" + colliding + b"u.",
        "a long way down": b"\x80\x02" + b"]" + b"\x85" * 300_000 + b".",
        "more steps than weights take": b"\x80\x02](" + b"N" * 12 * 10**6 + b"e.",
        "memory without end": b"\x80\x02" + grow + b".",
    }


@pytest.mark.parametrize("name", slow_pickles())
def test_a_slow_or_large_pickle_is_refused_in_time(name, tmp_path):
    path = write(tmp_path / "model.pt", {"w": torch.ones(2)}, "zip")
    repacked(path, lambda records: records.update({"model/data.pkl": slow_pickles()[name]}))
    for opener in OPENERS:
        assert complaint(opener, path).startswith("'model.pt' ")


def test_a_list_of_records_without_end_is_not_read(tmp_path):
    path = write(tmp_path / "model.pt", {"w": torch.ones(2)}, "zip")
    repacked(path, lambda records: records.update({f"model/{'x' * 200}{n}": b"" for n in range(20_000)}))
    assert complaint(shapes, path) == f"'model.pt' {NOT_WHOLE}"


def test_a_header_longer_than_any_is_not_read(tmp_path):
    path = write(tmp_path / "model.safetensors", {"w": torch.ones(2)}, "safetensors")
    content = path.read_bytes()
    [length] = struct.unpack("<Q", content[:8])
    padding = b" " * 17 * 2**20
    path.write_bytes(
        struct.pack("<Q", length + len(padding)) + content[8 : 8 + length] + padding + content[8 + length :]
    )
    assert complaint(shapes, path) == "'model.safetensors' is not a whole safetensors file; download it again"


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_what_is_no_file_is_not_waited_for(name, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).mkdir()
    os.mkfifo(tmp_path / name)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / name).symlink_to(tmp_path / "nowhere")
    for path in (tmp_path / name, tmp_path / "folder" / name, tmp_path / "link" / name):
        for opener in OPENERS:
            assert complaint(opener, path) == f"there is no weight file '{path}'"


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_a_file_that_may_not_be_read_is_told_as_such(name, tmp_path, monkeypatch):
    path = write(tmp_path / name, {"w": torch.ones(2)}, "safetensors" if name.endswith("s") else "zip")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    for opener in (read, shapes, estimators.kind_of):
        said = complaint(opener, path)
        assert said == f"'{name}' cannot be read (Permission denied); make it readable, or move it away"


@pytest.mark.parametrize(
    "change",
    [{"vision_heads": 5}, {"score_std": 0.0}, {"image_mean": [1]}, {"max_length": 10**9}, {"vocabulary": ["a"]}],
)
def test_settings_that_cannot_be_computed_with_are_refused(change, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(random_state(), path, metadata=replace(SETTINGS, **change).metadata())
    said = complaint(estimators.load, path)
    assert "is malformed" in said or "weights do not fit together" in said
