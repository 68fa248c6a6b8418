"""Help pages and locale files, as the nodes' schemas ask for them.

A page is prose, then MARKER, then tables; the help viewer shows no comments. What the tables say comes from
locales/<language>/nodeDefs.json, in the layout that ComfyUI's /i18n serves and its frontend reads.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PACK = Path(__file__).resolve().parents[1]
DOCS, LOCALES = PACK / "web" / "docs", PACK / "locales"
SOURCE = "en"
COMMAND = "python tests/make_help.py"
MARKER = "<!-- Below this line: made of the node's schema and of locales by tests/make_help.py -->"

Entry = dict[str, Any]
Texts = dict[tuple[str, ...], str]

INPUTS, OUTPUTS, NAME, ABOUT, DEFAULT, OPTIONAL, ADVANCED, LIST = range(8)
WORDS = {
    "en": "Inputs, Outputs, Name, What it does, default, optional, advanced, list",
    "zh": "输入, 输出, 名称, 说明, 默认, 可选, 高级, 列表",
    "ja": "入力, 出力, 名前, 説明, 既定値, 省略可, 詳細, リスト",
    "ru": "Входы, Выходы, Имя, Описание, по умолчанию, необязательно, расширенный, список",
}
SAMPLING = {"sampler_name", "scheduler", "teacher_sampler", "teacher_scheduler"}
TABLES = {"table", *(f"table_{place}" for place in range(1, 5))}
MACHINE_DEPENDENT = {*TABLES, "estimator", "clip_vision", "unet_name", "file", *SAMPLING}
UNBOUNDED = 1_000_000


def languages() -> list[str]:
    return sorted(folder.name for folder in LOCALES.iterdir())


def page_path(node_id: str, language: str) -> Path:
    """Where the frontend looks for a page: a folder for each node's translations, the English page beside it."""
    return DOCS / f"{node_id}.md" if language == SOURCE else DOCS / node_id / f"{language}.md"


def locale_path(language: str) -> Path:
    return LOCALES / language / "nodeDefs.json"


def read_locale(language: str) -> dict[str, Entry]:
    return json.loads(locale_path(language).read_text("utf-8"))


def english_entry(schema: Any) -> Entry:
    """What locales/en says of a node."""
    inputs = {each.id: _present(name=each.display_name or each.id, tooltip=each.tooltip) for each in schema.inputs}
    outputs = {str(i): _output_entry(output) for i, output in enumerate(schema.outputs)}
    about = {"display_name": schema.display_name, "description": schema.description}
    return {**about, "inputs": inputs, "outputs": outputs}


def _output_entry(output: Any) -> Entry:
    """An output called after its type has no name here: the frontend translates types itself."""
    named = output.display_name != output.get_io_type()
    return _present(name=output.display_name if named else None, tooltip=output.tooltip)


def _present(**entries: Any) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if value}


def flat(entries: Mapping[str, Any]) -> Texts:
    """Every text of nested dicts, by the keys that lead to it."""
    texts: Texts = {}
    for key, value in entries.items():
        inner = flat(value) if isinstance(value, dict) else {(): value}
        texts |= {(key, *rest): text for rest, text in inner.items()}
    return texts


def nested(texts: Texts) -> dict[str, Any]:
    """The inverse of `flat`."""
    entries: dict[str, Any] = {}
    for keys, text in texts.items():
        place = entries
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = text
    return entries


def prose(text: str) -> str:
    """The part of a page that is written by hand."""
    return text.split(MARKER)[0].rstrip()


def page(text: str, schema: Any, entry: Entry, language: str) -> str:
    """The page `text`, or a new one where there is none, with the title and tables that schema and locale ask for."""
    body = prose(text).partition("\n")[2].strip() or entry["description"]
    tables = _presets(schema, entry, language) + _tables(schema, entry, language)
    return f"# {entry['display_name']}\n\n{body}\n\n{MARKER}\n\n{tables}"


def _presets(schema: Any, entry: Entry, language: str) -> str:
    """A table of what the inputs of presets offer; nothing on other nodes."""
    words = WORDS[language].split(", ")
    return "".join(
        _table(entry["inputs"][each.id]["name"], [_preset_row(*item) for item in _offered(each).items()], words) + "\n"
        for each in schema.inputs
        if _offered(each)
    )


def _offered(each: Any) -> Mapping[str, Any]:
    """The presets that an input offers, by name."""
    return (getattr(each, "extra_dict", None) or {}).get("presets", {})


def _preset_row(name: str, preset: Mapping[str, Any]) -> tuple[str, ...]:
    """Student, teacher and rollback, each with what the outputs give in their order."""
    size, scale = preset["size"], preset["scale"]
    rollback = f"{_number(preset['rollback'])} ({_number(preset['low'])} – {_number(preset['high'])}) `{scale}`"
    return name, f"{_role(preset['student'])}; {size} px", _role(preset["teacher"]), rollback, preset["source"]


def _role(role: Mapping[str, Any]) -> str:
    shift = "" if role["shift"] is None else f"; shift {_number(role['shift'])}"
    settings = f"{role['steps']}; {_number(role['cfg'])}; `{role['sampler']}`, `{role['scheduler']}`"
    return f"{role['model']}: {settings}{shift}"


def _tables(schema: Any, entry: Entry, language: str) -> str:
    words = WORDS[language].split(", ")
    inputs = [_input_row(each, entry["inputs"][each.id], words) for each in schema.inputs]
    outputs = [_output_row(each, entry["outputs"].get(str(i), {}), words) for i, each in enumerate(schema.outputs)]
    return f"{_table(words[INPUTS], inputs, words)}\n{_table(words[OUTPUTS], outputs, words)}"


def _table(title: str, rows: Sequence[tuple[str, ...]], words: Sequence[str]) -> str:
    """Two columns, as the help panel is 300 px wide; rows are a name and the lines beside it, empty ones left out."""
    lines = [f"| {name} | {'<br>'.join(filter(None, about))} |" for name, *about in rows]
    return "\n".join([f"## {title}", "", f"| {words[NAME]} | {words[ABOUT]} |", "| --- | --- |", *lines, ""])


def _input_row(each: Any, entry: Entry, words: Sequence[str]) -> tuple[str, str, str]:
    default = getattr(each, "default", None)
    takes = [
        "" if entry["name"] == each.id else f"**{each.id}**",
        _range(each),
        "" if default in (None, "") else f"{words[DEFAULT]} `{_number(default)}`",
        words[OPTIONAL] if each.optional else "",
        words[ADVANCED] if each.advanced else "",
    ]
    return entry["name"], entry.get("tooltip", ""), ", ".join(filter(None, takes))


def _output_row(each: Any, entry: Entry, words: Sequence[str]) -> tuple[str, str, str]:
    gives = f"{_type(each)}, {words[LIST]}" if each.is_output_list else _type(each)
    return entry.get("name", each.get_io_type()), entry.get("tooltip", ""), gives


def _range(each: Any) -> str:
    """What may be entered or linked; nothing for options with a table of their own or that depend on a ComfyUI."""
    if each.id in MACHINE_DEPENDENT or _offered(each):
        return ""
    if hasattr(each, "options"):
        return " / ".join(f"`{option}`" for option in each.options)
    if getattr(each, "min", None) is None:
        return _type(each)
    low, high = _number(each.min), _number(each.max)
    return f"≥ {low}" if each.max >= UNBOUNDED else f"{low} – {high}"


def _type(each: Any) -> str:
    template = getattr(each, "template", None)
    types = [kind.io_type for kind in template.allowed_types] if template else each.get_io_type().split(",")
    return " / ".join(f"`{kind}`" for kind in types)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
