"""The command that turns an estimator saved by torch.save into safetensors."""

import hashlib
import re

import pytest
import torch
from safetensors import safe_open

from adaptive_diffusion import estimators
from adaptive_diffusion.__main__ import main
from adaptive_diffusion.estimators.weights import read
from tests.pure.test_estimators import SETTINGS, random_state, write


@pytest.fixture
def source(tmp_path):
    state = random_state()
    state["mlp.layers.0.weight"] = state["mlp.layers.0.weight"].T.contiguous().T
    state["blip.text_encoder.embeddings.position_ids"] = torch.arange(9)[None]
    state["blip.vision_proj.weight"] = state["mlp.layers.2.weight"]
    torch.save(state, tmp_path / "Tiny.pt")
    return tmp_path / "Tiny.pt"


def test_every_tensor_is_kept_bit_for_bit(source, capsys):
    main(["convert", str(source)])
    made = source.with_suffix(".safetensors")
    assert capsys.readouterr().out == f"Wrote {made}\n"
    before, after = read(source)[0], read(made)[0]
    assert before.keys() == after.keys()
    assert all(torch.equal(after[key], value) and after[key].dtype == value.dtype for key, value in before.items())


def test_the_source_is_on_record(source):
    main(["convert", str(source)])
    with safe_open(source.with_suffix(".safetensors"), "pt") as file:
        assert file.metadata() == {
            "source": "Tiny.pt",
            "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        }


def test_settings_in_the_metadata_survive(tmp_path):
    write(tmp_path / "one.safetensors", random_state())
    main(["convert", str(tmp_path / "one.safetensors"), "--out", str(tmp_path / "two.safetensors")])
    assert estimators.load(tmp_path / "two.safetensors").name == SETTINGS.name


@pytest.mark.parametrize(
    ("name", "out", "sentence"),
    [
        ("missing.pt", "new.safetensors", "there is no weight file '.*missing.pt'"),
        ("Tiny.pt", "new.pt", "new.pt' does not end in .safetensors"),
        ("Tiny.pt", "taken.safetensors", "taken.safetensors' is there already"),
        ("unet.pt", "new.safetensors", "'unet.pt' is not a quality estimator"),
        ("cut.pt", "new.safetensors", "'cut.pt' is not a whole file"),
    ],
)
def test_what_cannot_be_converted_is_refused_and_nothing_is_written(source, name, out, sentence, capsys):
    folder = source.parent
    torch.save({"conv_in.weight": torch.ones(3)}, folder / "unet.pt")
    (folder / "cut.pt").write_bytes(source.read_bytes()[:5000])
    (folder / "taken.safetensors").write_bytes(b"mine")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SystemExit, match="^2$"):
        main(["convert", str(folder / name), "--out", str(folder / out)])
    assert re.match(f"error: .*{sentence}", capsys.readouterr().err)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
