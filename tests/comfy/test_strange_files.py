"""Whatever lies in the folders of models and tables, the nodes are there; what cannot be read is told of once."""

import asyncio
import json
import logging
import os
import socket
import struct

import folder_paths
import pytest
import torch
from graphs import adaptive_graph, changed, node
from safetensors.torch import save_file

from .conftest import nodes
from .test_estimators import tiny_reward
from .tools import module

FOLDERS = ("quality_estimators", "image_reward", "diffusion_models", "clip_vision")
GUIDED = {"time_embedding.cond_proj.weight": torch.ones(8, 4), "time_embedding.linear_1.weight": torch.ones(6, 8)}
DEEP = '{"50": ' + "[" * 2000 + "]" * 2000 + "}"


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Empty folders of models and tables."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        _, extensions = folder_paths.folder_names_and_paths[name]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, name, ([str(tmp_path / name)], extensions))
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path / "percentiles")
    module("host.files.known")._told.clear()
    folder_paths.filename_list_cache.clear()
    yield tmp_path
    folder_paths.filename_list_cache.clear()


def strange(folder) -> None:
    """Files of which none is a whole estimator or UNet."""
    torch.save({5: torch.ones(2)}, folder / "number.pt")
    torch.save({"w": torch.ones}, folder / "code.pth")
    torch.save(torch.ones(3), folder / "tensor.bin")
    torch.save(tiny_reward(), folder / "old.pt", _use_new_zipfile_serialization=False)
    for share in (1, 50, 99):
        content = (folder / "old.pt").read_bytes()
        (folder / f"cut {share}.pt").write_bytes(content[: len(content) * share // 100])
    (folder / "old.pt").unlink()
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "header.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    (folder / "page.safetensors").write_text("<html>404</html>")
    (folder / "folder.pt").mkdir()
    (folder / "folder.safetensors").mkdir()
    (folder / "broken.pt").symlink_to(folder / "nowhere.pt")
    os.mkfifo(folder / "pipe.pt")
    (folder / os.fsdecode(b"caf\xe9.pt")).write_bytes(b"PK\x03\x04")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket.pt"))


def strange_tables(folder) -> None:
    folder.mkdir()
    (folder / "deep.json").write_text(DEEP)
    (folder / "half.json").write_text('{"50": ')
    (folder / "empty.json").write_text("")
    (folder / "page.json").write_bytes(b"\xff\xfe<\0h\0")
    (folder / "folder.json").mkdir()
    (folder / "broken.json").symlink_to(folder / "nowhere.json")
    os.mkfifo(folder / "pipe.json")
    (folder / os.fsdecode(b"caf\xe9.json")).write_text('{"50": 0.5}')
    (folder / "Demo.json").write_text("{}")


def described() -> dict[str, dict]:
    """What /object_info says of the pack's nodes."""
    found = {name: node.GET_NODE_INFO_V1() for name, node in nodes().items() if name.startswith("Adaptive")}
    return json.loads(json.dumps(found, allow_nan=False))


def options(of: str, name: str) -> list[str]:
    info = described()[of]["input"]
    kind, settings = {**info["required"], **info.get("optional", {})}[name]
    return settings["options"] if kind == "COMBO" else kind


def test_the_pack_loads_and_lists_only_what_can_be_read(folders):
    for name in FOLDERS:
        strange(folders / name)
    strange_tables(folders / "percentiles")
    (folders / "percentiles" / "mine.json").write_text('{"50": 0.5}')
    save_file(tiny_reward(), folders / "image_reward" / "reward.safetensors")
    save_file(GUIDED, folders / "diffusion_models" / "lcm.safetensors")
    pack = module("nodes").AdaptiveDiffusionExtension()
    asyncio.run(pack.on_load())
    assert len(asyncio.run(pack.get_node_list())) == len(described())
    assert options("AdaptiveLoadEstimator", "estimator") == ["demo", "reward.safetensors"]
    assert options("AdaptiveLCMGuidance", "unet_name") == ["lcm.safetensors"]
    assert all("\udce9" not in name for name in options("AdaptiveLoadEstimator", "clip_vision"))
    own = [name for name in options("AdaptiveThresholdGate", "table") if name != "this run"]
    bundled = [path.stem for path in sorted(module("host.files.tables").TABLES.glob("*.json"))]
    assert own == [*bundled, "mine", "Demo gate"]
    drawn = described()["AdaptiveThresholdGate"]["input"]["required"]["table"][1]["outlines"]
    assert {*drawn} == {*bundled, "mine", "Demo gate"}


def test_the_log_names_each_file_and_what_is_wrong_once(folders, caplog):
    strange(folders / "quality_estimators")
    strange_tables(folders / "percentiles")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            described()
            folder_paths.filename_list_cache.clear()
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Adaptive Diffusion: ")]
    assert len(said) == len({*said})
    for part in (
        "'number.pt' holds something else than weights by name",
        "'code.pth' holds more than weights and was not opened",
        "'cut 50.pt' is not a whole file of weights",
        "'empty.safetensors' is not a whole safetensors file",
        "table 'deep' is not a complete JSON file",
        "table 'half' is not a complete JSON file",
        r"the file name 'caf\udce9.pt' is no text",
        r"the file name 'caf\udce9.json' is no text",
    ):
        assert len([sentence for sentence in said if part in sentence]) == 1, part
    assert all(sentence.encode() for sentence in said)


def test_a_file_is_looked_at_again_when_it_has_changed(folders):
    path = folders / "quality_estimators" / "reward.safetensors"
    path.write_bytes(b"cut")
    assert options("AdaptiveLoadEstimator", "estimator") == ["demo"]
    save_file(tiny_reward(), path)
    assert options("AdaptiveLoadEstimator", "estimator") == ["demo", "reward.safetensors"]


@pytest.mark.parametrize("kind", ["file", "link to itself"])
def test_the_folder_of_tables_may_be_no_folder(folders, kind, comfy_app):
    tables = folders / "percentiles"
    tables.write_text("{}") if kind == "file" else tables.symlink_to(tables)
    assert "Demo" in options("AdaptiveThresholdGate", "table")
    assert comfy_app.run(adaptive_graph(k=0)).error is None


def test_the_demo_runs_beside_all_of_it(folders, comfy_app):
    for name in FOLDERS:
        strange(folders / name)
    strange_tables(folders / "percentiles")
    run = comfy_app.run(changed(adaptive_graph(k=50), "gate", table="Demo"))
    assert run.error is None and run.ui["gate"]["adaptive_gate"][0]["table"] == "Demo"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("estimator", {"estimator": "number.pt"}), "'number.pt' holds something else than weights by name"),
        (("estimator", {"estimator": "cut 50.pt"}), "'cut 50.pt' is not a whole file of weights; download it again"),
        (("gate", {"table": "deep"}), "table 'deep' is not a complete JSON file; make it again"),
    ],
)
def test_a_file_that_a_saved_graph_names_is_told_with_what_is_wrong(folders, comfy_app, change, sentence):
    strange(folders / "quality_estimators")
    strange_tables(folders / "percentiles")
    graph = changed(adaptive_graph(), change[0], **change[1])
    try:
        told = comfy_app.fails(graph)
    except ValueError as refused:
        told = str(refused)
    assert sentence in told


def test_a_guidance_embedding_of_no_size_is_a_sentence(folders, comfy_app):
    odd = {key: torch.ones(3) for key in GUIDED}
    save_file(odd, folders / "diffusion_models" / "odd.safetensors")
    graph = {
        "models": node("AdaptiveLoadDemoModels", role="student"),
        "guided": node("AdaptiveLCMGuidance", model=["models", 0], unet_name="odd.safetensors", guidance=7.5),
        "kept": node("TestKeep", value=["guided", 0], name="model"),
    }
    assert "'odd.safetensors' has a guidance embedding of no size that a model has" in comfy_app.fails(graph)


@pytest.mark.parametrize("age", [0, 60])
def test_a_folder_is_listed_again_when_it_has_changed_and_only_then(tmp_path, monkeypatch, age):
    known = module("host.files.known")
    folder = tmp_path / "own"
    folder.mkdir()
    listings, listdir = [], os.listdir
    monkeypatch.setattr(known.os, "listdir", lambda path: (listings.append(path), listdir(path))[1])
    for names in (["a"], ["a", "b"]):
        (folder / names[-1]).touch()
        changed = folder.stat().st_mtime_ns - age * 10**9 + len(names)
        os.utime(folder, ns=(changed, changed))
        assert sorted(known.names_in(folder)) == sorted(known.names_in(folder)) == names
    assert len(listings) == (2 if age else 4)
