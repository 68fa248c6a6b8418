"""Write example_workflows/ and subgraphs/: convert every graph through ComfyUI's real frontend, and run what runs.

    pip install playwright        # once; it uses the chromium on the path, else `playwright install chromium`
    python tests/workflows/make.py [--screenshots FOLDER] [NAME ...]

Needs a ComfyUI (see CONTRIBUTING.md). Exits with 1 and a list where anything is not as it should be.
"""

import argparse
import json
import re
import sys
import tempfile
import uuid
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from comfy_server import Client, serving  # noqa: E402
from find_comfyui import PACK, comfyui, comfyui_python  # noqa: E402

from workflows import BLUEPRINTS, WORKFLOWS, thumbnail  # noqa: E402
from workflows.blueprints import Blueprint  # noqa: E402
from workflows.frontend import Frontend, frontend  # noqa: E402
from workflows.layout import FOLDED, lay_out, overlaps  # noqa: E402
from workflows.numbered import ids, notes, numbered  # noqa: E402
from workflows.parts import Workflow  # noqa: E402
from workflows.saved import Saved, differences, queued, unfolded  # noqa: E402
from workflows.stand_ins import make_input, make_models, make_student  # noqa: E402

EXAMPLES, SUBGRAPHS = PACK / "example_workflows", PACK / "subgraphs"
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
RUN = 900
SUCCESS = "execution_success"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshots", type=Path, help="folder for a picture of each graph, in both renderers")
    parser.add_argument("names", nargs="*", help="only these; without any, all")
    options = parser.parse_args()
    comfy = comfyui()
    if comfy is None:
        print("no ComfyUI was found, which the frontend comes with; set COMFYUI_PATH")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        make_models(base / "models", {file for each in (*WORKFLOWS, *BLUEPRINTS) for file in each.models})
        make_input(base / "input")
        make_student(base)
        with serving(comfy, str(comfyui_python(comfy)), base, "--disable-api-nodes") as client:
            wrong = [*make_all(client, options.names), *look_again(client, options)]
    print("\n".join(wrong) or "all well")
    return 1 if wrong else 0


def make_all(client: Client, names: Collection[str]) -> Iterator[str]:
    """Write the files; complaints."""
    SUBGRAPHS.mkdir(exist_ok=True)
    with frontend(client.address) as page:
        for workflow in chosen(WORKFLOWS, names):
            print(workflow.name, flush=True)
            made = built(page, workflow)
            write(EXAMPLES / f"{workflow.name}.json", tidy(made["ui"], workflow.name))
            yield from checked(client, workflow, made)
        for blueprint in chosen(BLUEPRINTS, names):
            print(blueprint.name, flush=True)
            write(SUBGRAPHS / f"{blueprint.name}.json", enclosed(page, blueprint))
        yield from page.errors


def chosen(made: Iterable[Any], names: Collection[str]) -> list[Any]:
    return [each for each in made if not names or each.name in names]


def built(page: Frontend, made: Workflow | Blueprint) -> dict[str, Any]:
    """The graph on the page: as it is saved and as it is queued."""
    numbers = ids(made.groups)
    graph = numbered(made.graph, numbers)
    files = {number: _files(node, made) for number, node in graph.items()}
    randomized = [numbers[name] for name in getattr(made, "randomized", ())]
    request = {"graph": graph, "notes": notes(numbers), "models": {k: v for k, v in files.items() if v}}
    own = {numbers[name]: size for name, size in getattr(made, "sizes", {}).items()}
    found = page.call("load", {**request, "randomized": randomized, "sizes": own})
    sizes = {name: found[number] for name, number in numbers.items()}
    kinds = {name: node["class_type"] for name, node in made.graph.items()}
    for group in (group for group in made.groups if group.folded):
        inside, _ = lay_out([group._replace(title="")], sizes, kinds)
        folded = {numbers[name]: position for name, position in inside.items()}
        host, size = page.call("fold", {"title": group.title, "positions": folded})
        numbers, sizes = {**numbers, group.title: host}, {**sizes, group.title: size}
        kinds[group.title] = FOLDED
    positions, boxes = lay_out(getattr(made, "page", ()) or made.groups, sizes, kinds)
    placed = {numbers[name]: position for name, position in positions.items()}
    return page.call("place", {"positions": placed, "boxes": boxes})


def _files(node: dict[str, Any], made: Workflow | Blueprint) -> list[dict[str, str]]:
    """The model files that a node names, as the frontend offers them for download."""
    return [file._asdict() for file in made.models if file.name in node["inputs"].values()]


def enclosed(page: Frontend, blueprint: Blueprint) -> Saved:
    built(page, blueprint)
    numbers = ids(blueprint.groups)
    inlets = [
        {**inlet._asdict(), "feeds": [(numbers[name], slot) for name, slot in inlet.feeds]}
        for inlet in blueprint.inlets
    ]
    outlets = [
        {**outlet._asdict(), "source": (numbers[outlet.source[0]], outlet.source[1])} for outlet in blueprint.outlets
    ]
    made = page.call("enclose", {"name": blueprint.name, "inlets": inlets, "outlets": outlets})
    saved = tidy(made["ui"], blueprint.name)
    about = {"BlueprintDescription": blueprint.about, "BlueprintSearchAliases": list(blueprint.aliases)}
    return {**saved, "extra": about}


def tidy(saved: Saved, name: str) -> Saved:
    """The same on every machine: no view, and ids that follow from the name."""
    text = json.dumps({**saved, "id": str(uuid.UUID(int=1)), "extra": {}})
    found = list(dict.fromkeys(UUID.findall(text)))
    replaced = {old: str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{i}")) for i, old in enumerate(found)}
    return json.loads(UUID.sub(lambda match: replaced[match[0]], text))


def write(path: Path, saved: Saved) -> None:
    path.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n")


def checked(client: Client, workflow: Workflow, made: dict[str, Any]) -> Iterator[str]:
    """Complaints of the server, and of our own reader; and the thumbnail."""
    for each in differences(queued(made["ui"]), unfolded(made["api"])):
        yield f"{workflow.name}: saved.py reads what the frontend does not queue: {each}"
    answer = client.call("/prompt", {"prompt": made["api"]})
    if answer.get("node_errors") or "prompt_id" not in answer:
        yield f"{workflow.name}: {answer}"
        return
    history = client.history(answer["prompt_id"], RUN)
    if workflow.runs and history["status"]["status_str"] != "success":
        yield f"{workflow.name}: {history['status']['messages'][-1]}"
        return
    path = EXAMPLES / f"{workflow.name}.jpg"
    if workflow.shown:
        outputs = {number.split(":")[-1]: output for number, output in history["outputs"].items()}
        shown = outputs[ids(workflow.groups)[workflow.shown]]["images"][0]
        thumbnail.of_picture(client.base / shown["type"] / shown["subfolder"] / shown["filename"], path)
    else:
        thumbnail.of_card(workflow.card, path)


def look_again(client: Client, options: argparse.Namespace) -> Iterator[str]:
    """Open what was written in both renderers: what overlaps, and what changed; and take pictures."""
    for nodes_2 in (False, True):
        with frontend(client.address, nodes_2) as page:
            for made in chosen([*WORKFLOWS, *BLUEPRINTS], options.names):
                yield from (f"{made.name}: {each}" for each in opened(page, made))
                if options.screenshots:
                    page.screenshot(options.screenshots / f"{made.name} {'nodes 2.0' if nodes_2 else 'canvas'}.png")
            yield from page.errors


def opened(page: Frontend, made: Workflow | Blueprint) -> list[str]:
    """Complaints of one file; what runs is looked at after it ran, when nodes have grown.

    Blueprints are tried on the demo models, whose nodes stand anywhere.
    """
    example = isinstance(made, Workflow)
    saved = json.loads(((EXAMPLES if example else SUBGRAPHS) / f"{made.name}.json").read_text())
    again = page.call("open", saved, made.name)
    changed = differences(queued(saved), unfolded(again["api"])) if example else []
    if not example:
        page.call("feed", made.trial._asdict())
    ended = SUCCESS if example and not made.runs else page.call("run")
    page.page.wait_for_timeout(1000)
    failed = [] if ended == SUCCESS else [ended]
    return [*changed, *failed, *(overlaps(page.call("rectangles")) if example else [])]


if __name__ == "__main__":
    sys.exit(main())
