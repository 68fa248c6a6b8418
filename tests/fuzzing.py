"""Graphs as nobody should wire them, made from what /object_info tells of the nodes; a seed gives the same ones."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from graphs import PROMPT, Graph, adaptive_graph, changed, demo_prompts, node

OURS = "Adaptive"
Link = list[Any]

STRANGE, SPOILT, MISSING, SWAPPED = 0.05, 0.04, 0.01, 0.02
"""How often an input gets a strange value, a good one changed, nothing, or what belongs to another type."""

BUILT = 0.25
"""How often a good link comes from a node that is made for it, and not from the world."""

DEPTH = 2
JSON_VALUES = (None, "", "x", "nan", -1, 0, 2**70, 1e308, True, {}, {"a": 1}, {"__value__": [1, 2]}, {"__value__": {}})
NUMBERS = (0, 1, 2, 3, 8, 64)
"""Valid ones, as far as an input takes them: no graph is to draw for minutes."""

SEEDS = (2**63 - 1, 2**64 - 1)
LONG_RUNS = {"steps", "teacher_steps", "student_steps", "count", "pictures", "candidates"}
"""Inputs that are given no more than a few: they say how much is drawn."""

ALIKE = {
    **dict.fromkeys(("INT", "FLOAT", "BOOLEAN"), "numbers"),
    **dict.fromkeys(("STRING", "COMBO"), "texts"),
    "IMAGE": "images",
    "LATENT": "latents",
    "CONDITIONING": "conditionings",
    "SIGMAS": "sigmas",
}
"""Which strange values are almost of a type."""

TEXTS = {
    "prompt": (PROMPT, "a large red circle on sky"),
    "reject_indices": ("", "0", "1, 3"),
    "name": ("fuzz", "fuzz 2"),
    "column": ("caption", "prompt"),
}


def two_prompts() -> tuple[Graph, dict[str, list[Link]]]:
    """A graph of all nodes in which two prompts come as a list, and its links by their types."""
    graph = adaptive_graph(prompt=["lines", 0], batch=2, seed=["seeds", 1], steps=2)
    graph = {f"list_{name}": one for name, one in graph.items() if name not in ("save", "teacher_negative")}
    renamed = {name.removeprefix("list_") for name in graph}
    for one in graph.values():
        for name, value in one["inputs"].items():
            if isinstance(value, list) and value[0] in renamed:
                one["inputs"][name] = [f"list_{value[0]}", value[1]]
    graph = changed(graph, "list_teacher", cfg=1.0, negative=None)
    graph |= {"lines": node("TestLines", text="\n".join(demo_prompts(2))), "seeds": node("TestNumbers", text="1 2")}
    return graph, links_of("list_") | {"STRING": [["lines", 0]], "INT": [["seeds", 1]], "FLOAT": [["list_scores", 1]]}


def one_prompt() -> tuple[Graph, dict[str, list[Link]]]:
    """A graph of all nodes with one batch of four, and its links by their types."""
    graph = adaptive_graph(batch=4, steps=2)
    del graph["save"]
    graph["table"] = node("AdaptiveTableFromScores", scores=["scores", 0], name="fuzz world")
    graph["named"] = node("KSamplerSelect", sampler_name="euler")
    graph["spaced"] = node("BasicScheduler", model=["student_models", 0], scheduler="normal", steps=2, denoise=1.0)
    graph["number"] = node("TestNumbers", text="0.5")
    graph["settings"] = node("AdaptivePreset", preset="LCM-SDXL + SDXL")
    single = {"SAMPLER": [["named", 0]], "SIGMAS": [["spaced", 0]], "PERCENTILE_TABLE": [["table", 0]]}
    return graph, links_of("") | single | {"STRING": [["lines", 0]], "FLOAT": [["number", 0]], "INT": [["number", 1]]}


def links_of(prefix: str) -> dict[str, list[Link]]:
    """Links into the graph of `adaptive_graph` by their types."""
    names = {
        "MODEL": [["student_models", 0], ["teacher_models", 0]],
        "CLIP": [["student_models", 1]],
        "VAE": [["student_models", 2]],
        "CONDITIONING": [["student_prompt", 0], ["teacher_prompt", 0]],
        "LATENT": [["student", 0], ["empty", 0], ["teacher", 0]],
        "IMAGE": [["student_images", 0], ["teacher_images", 0], ["merge", 0]],
        "QUALITY_ESTIMATOR": [["estimator", 0]],
        "QUALITY_SCORES": [["scores", 0]],
        "GATE_DECISION": [["gate", 0], ["merge", 1]],
        "STUDENT_INFO": [["student", 1]],
    }
    return {kind: [[prefix + name, slot] for name, slot in links] for kind, links in names.items()}


class Fuzz:
    """described: what /object_info tells of the nodes, ours and those of the tests."""

    def __init__(self, seed: int, described: Mapping[str, Any]):
        self.seed = seed
        self.values = described["TestStrange"]["input"]["required"]["values"][1]["known"]
        self.every = [name for names in self.values.values() for name in names]
        self.changes = described["TestChange"]["input"]["required"]["change"][0]
        self.nodes = {name: one for name, one in sorted(described.items()) if name.startswith(OURS)}

    def graph(self, number: int) -> Graph:
        """Graph `number` of this seed: one or two of our nodes, what leads to them, and all that they give kept."""
        return _Draft(self, random.Random(f"{self.seed} {number}")).graph()


class _Draft:
    """One graph while it is made."""

    def __init__(self, fuzz: Fuzz, dice: random.Random):
        self.fuzz, self.dice = fuzz, dice
        self.own: Graph = {}
        (one, links), (two, lists) = one_prompt(), two_prompts()
        self.world = one | two
        self.supplies = (links, links | lists) if dice.random() < 0.6 else (links | lists, links)

    def graph(self) -> Graph:
        for _ in range(self.dice.choice((1, 1, 2))):
            name = self._node(self.dice.choice([*self.fuzz.nodes]), DEPTH)
            for slot in range(len(self._described(name)["output"])):
                self.own[f"keep_{name}_{slot}"] = node("TestKeep", name=f"{name} {slot}", value=[name, slot])
        return self.world | self.own

    def _described(self, name: str) -> dict[str, Any]:
        return self.fuzz.nodes[self.own[name]["class_type"]]

    def _node(self, kind: str, depth: int) -> str:
        """The name of a new node of a kind, whose inputs come out of the dice."""
        described = self.fuzz.nodes[kind]["input"]
        inputs = {}
        for needed in ("required", "optional"):
            for name, (told, options) in described.get(needed, {}).items():
                left_out = MISSING if needed == "required" else 0.5
                if self.dice.random() >= left_out:
                    inputs[name] = self._value(name, told, options, depth)
        return self._add("node", node(kind, **inputs))

    def _add(self, what: str, one: dict[str, Any]) -> str:
        name = f"{what}_{len(self.own)}"
        self.own[name] = one
        return name

    def _value(self, name: str, told: Any, options: Mapping[str, Any], depth: int) -> Any:
        kinds = _kinds(told, options)
        roll = self.dice.random()
        if roll < STRANGE:
            return self._strange(kinds)
        if roll < STRANGE + SWAPPED:
            swapped = self._link([self.dice.choice([*self.supplies[0]])], 0)
            return [self._add("swapped", node("TestChange", values=swapped, change="nothing")), 0]
        good = self._good(name, kinds, options, depth)
        if roll < STRANGE + SWAPPED + SPOILT and isinstance(good, list):
            return [self._add("spoilt", node("TestChange", values=good, change=self.dice.choice(self.fuzz.changes))), 0]
        return good

    def _strange(self, kinds: Sequence[str]) -> Any:
        """A strange value through a link of any type, alone or in a list; of a widget also what JSON can hold."""
        if {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"} & {*kinds} and self.dice.random() < 0.3:
            return self.dice.choice(JSON_VALUES)
        many = self.dice.choice((1, 1, 1, 2, 3))
        alike = self.fuzz.values.get(ALIKE.get(self.dice.choice(kinds), ""), []) if self.dice.random() < 0.7 else []
        names = "|".join(self.dice.choice(alike or self.fuzz.every) for _ in range(many))
        return [self._add("strange", node("TestStrange", values=names)), 0]

    def _good(self, name: str, kinds: Sequence[str], options: Mapping[str, Any], depth: int) -> Any:
        kind = self.dice.choice(kinds)
        if kind == "COMBO":
            return self.dice.choice(options["options"] or ["none"])
        if kind == "BOOLEAN":
            return self.dice.random() < 0.5
        if kind in ("INT", "FLOAT") and not options.get("forceInput") and "min" in options:
            return self._number(name, kind, options)
        if kind == "STRING" and not options.get("forceInput") and self.dice.random() < 0.8:
            return self.dice.choice(TEXTS.get(name, TEXTS["prompt"]))
        return self._link([kind], depth)

    def _number(self, name: str, kind: str, options: Mapping[str, Any]) -> float:
        most = min(options["max"], 3 if name in LONG_RUNS else 64)
        fits = [number for number in NUMBERS if options["min"] <= number <= most] or [options["min"]]
        if name in LONG_RUNS and name != "teacher_steps":
            fits = [number for number in fits if number] or fits
        if name == "seed":
            fits += [seed for seed in SEEDS if seed <= options["max"]]
        if kind == "FLOAT":
            fits += [part for part in (0.3, 0.7, 1.5) if options["min"] <= part <= options["max"]] * 3
        return self.dice.choice(fits)

    def _link(self, kinds: Sequence[str], depth: int) -> Link:
        """What gives one of these types: of the world, or of a node made for it."""
        kind = self.dice.choice(kinds)
        givers = [
            (name, slot)
            for name, one in self.fuzz.nodes.items()
            for slot, given in enumerate(one["output"])
            if given == kind
        ]
        if depth and givers and self.dice.random() < BUILT:
            name, slot = self.dice.choice(givers)
            return [self._node(name, depth - 1), slot]
        supply = self.supplies[0] if self.dice.random() < 0.95 else self.supplies[1]
        return self.dice.choice(supply[kind])


def _kinds(told: Any, options: Mapping[str, Any]) -> list[str]:
    """The types that an input takes."""
    if template := options.get("template"):
        told = template["allowed_types"]
    return told.split(",") if isinstance(told, str) else ["COMBO"]
