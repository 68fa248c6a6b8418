"""What the frontend's pictures are drawn from."""

import os
from pathlib import Path

import numpy
import pytest
import torch
from graphs import adaptive_graph, calibration_graph, changed, demo_prompts, node
from PIL import Image

from .conftest import nodes
from .tools import module


@pytest.fixture
def tables(monkeypatch, tmp_path):
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path)
    return tmp_path


def outlines() -> dict:
    return nodes()["AdaptiveThresholdGate"].INPUT_TYPES()["required"]["table"][1]["outlines"]


def pictures(names: list[str | None]) -> list[Image.Image]:
    import folder_paths

    return [Image.open(Path(folder_paths.get_temp_directory()) / name) for name in names if name]


def test_the_gate_describes_every_table_that_can_be_read(tables):
    bundled = set(outlines())
    assert {"Demo", "ImageReward - LCM-SDXL"} <= bundled
    (tables / "mine.json").write_text('{"20": 1.5}')
    (tables / "damaged.json").write_text('{"20": ')
    (tables / "gone.json").symlink_to(tables / "nowhere")
    assert set(outlines()) == bundled | {"mine"}
    assert outlines()["mine"] == {"k": [20.0], "scores": [1.5]}


def test_a_table_that_changed_on_disk_is_described_anew(tables):
    path = tables / "mine.json"
    path.write_text('{"20": 1.5}')
    assert outlines()["mine"]["scores"] == [1.5]
    path.write_text('{"20": 2.5}')
    os.utime(path, ns=(0, 1))
    assert outlines()["mine"]["scores"] == [2.5]


def test_what_is_transparent_is_shown_white(comfy_app):
    comfy_app.give["images"] = torch.tensor([0.2, 0.4, 0.6, 0.5]).expand(1, 64, 64, 4).contiguous()
    graph = changed(adaptive_graph(), "scores", images=["given", 0]) | {"given": node("TestGive", name="images")}
    run = comfy_app.run({key: graph[key] for key in ("estimator", "scores", "given")} | keep("scores"))
    [shown] = pictures(run.ui["scores"]["adaptive_thumbnails"])
    assert numpy.asarray(shown).mean((0, 1)) / 255 == pytest.approx([0.6, 0.7, 0.8], abs=0.01)


def test_a_score_shows_its_first_images_in_small(comfy_app):
    images = torch.rand(70, 40, 400, 3, generator=torch.Generator().manual_seed(1))
    comfy_app.give["images"] = images
    graph = changed(adaptive_graph(), "scores", images=["given", 0]) | {"given": node("TestGive", name="images")}
    run = comfy_app.run({key: graph[key] for key in ("estimator", "scores", "given")} | keep("scores"))
    shown = pictures(run.ui["scores"]["adaptive_thumbnails"])
    assert len(run.ui["scores"]["adaptive_scores"][0]["scores"][0]) == 70
    assert [picture.size for picture in shown] == [(192, 19)] * 64
    small = numpy.asarray(shown[5]).mean((0, 1)) / 255
    assert small == pytest.approx(images[5].mean((0, 1)).numpy(), abs=0.01)


def keep(link: str) -> dict:
    return {"keep": node("TestKeep", name="kept", value=[link, 0])}


def test_a_report_shows_every_final_image_and_what_a_rejected_one_was(comfy_app):
    graph = adaptive_graph(k=50) | keep("report")
    graph["report"] = node(
        "AdaptiveReport", images=["student_images", 0], decision=["gate", 0], final_images=["merge", 0]
    )
    graph["students"] = node("TestKeep", name="students", value=["student_images", 0])
    run = comfy_app.run(graph)
    rejected = run.ui["gate"]["adaptive_gate"][0]["rejected"][0]
    shown = run.ui["report"]
    assert [i for i in range(4) if shown["adaptive_before"][i]] == rejected
    before = pictures(shown["adaptive_before"])
    finals = pictures(shown["adaptive_thumbnails"])
    students = run.kept["students"][0]
    for picture, i in zip(before, rejected, strict=True):
        assert numpy.asarray(picture) / 255 == pytest.approx(students[i].numpy(), abs=1 / 255)
        assert abs(numpy.asarray(finals[i]) / 255 - students[i].numpy()).max() > 0.05


@pytest.mark.parametrize(("side", "expected"), [(64, None), (400, (400, 400)), (2000, (1536, 1536))])
def test_images_to_look_at_closer_are_large_and_the_small_ones_serve_where_they_are_not_reduced(side, expected):
    thumbnails = module("host.thumbnails")
    image = torch.linspace(0, 1, side)[:, None, None].expand(side, side, 3).contiguous()
    small = thumbnails.thumbnails([image, None])
    names = thumbnails.large([image, None], small)
    assert names[1] is None and (names[0] == small[0]) == (expected is None)
    if expected:
        [seen] = pictures(names)
        assert seen.size == expected
        assert numpy.asarray(seen)[:, 5].mean(1) / 255 == pytest.approx(numpy.linspace(0, 1, expected[0]), abs=0.02)


def test_a_report_of_many_images_is_a_batch_of_pages(comfy_app):
    graph = adaptive_graph(k=50, batch=60) | keep("report")
    graph["report"] = node("AdaptiveReport", images=["student_images", 0], decision=["gate", 0])
    pages = comfy_app.run(graph).kept["kept"][0]
    assert pages.shape[0] == 2 and pages.shape[-1] == 3 and pages.dtype == torch.float32
    assert pages.min() >= 0 and pages.max() <= 1
    assert not torch.equal(pages[0], pages[1])


def test_calibrating_tells_how_far_it_is_and_how_the_scores_lie(comfy_app, tables):
    run = comfy_app.run(calibration_graph("mine", demo_prompts(10), batch=4))
    told = [data for event, data in comfy_app.server.events if event == "adaptive_diffusion.calibration"]
    assert [(each["node"], each["done"], each["total"]) for each in told] == [("calibrate", n, 10) for n in (4, 8, 10)]
    assert {each["prompt_id"] for each in told} == {"p"}
    assert told[0]["left"] is None
    assert told[1]["left"] == pytest.approx(2 / told[1]["rate"])
    table = module("adaptive_diffusion.gate.percentiles").PercentileTable.load(tables / "mine.json")
    assert told[2]["outline"]["scores"] == pytest.approx(numpy.percentile(table.scores, told[2]["outline"]["k"]))
    assert run.ui["calibrate"]["adaptive_table"][0]["outline"] == outlines()["mine"]
