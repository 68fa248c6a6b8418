"""Write what follows from the nodes' schemas: locales/en, and the title and tables of every help page.

    python tests/make_help.py

The translations of a text that has changed are taken out and listed: write them anew, then run this again.
"""

import asyncio
import json
import subprocess
import sys
from typing import Any

from find_comfyui import comfyui, comfyui_python
from help_pages import (
    PACK,
    SOURCE,
    Texts,
    english_entry,
    flat,
    languages,
    locale_path,
    nested,
    page,
    page_path,
    read_locale,
)


def main() -> int:
    if len(sys.argv) > 1:
        return write_all(schemas(sys.argv[1]))
    comfy = comfyui()
    if comfy is None:
        print("no ComfyUI was found, which the schemas need; set COMFYUI_PATH")
        return 1
    return subprocess.run([str(comfyui_python(comfy)), __file__, str(comfy)]).returncode


def schemas(comfy: str) -> dict[str, Any]:
    """The pack's schemas by node id, from inside the ComfyUI in folder `comfy`."""
    sys.path.insert(0, comfy)
    from comfy.cli_args import args

    args.cpu = True
    import nodes

    assert asyncio.run(nodes.load_custom_node(str(PACK)))
    mapped = nodes.NODE_CLASS_MAPPINGS.items()
    return {name: node.GET_SCHEMA() for name, node in mapped if name.startswith("Adaptive")}


def write_all(found: dict[str, Any]) -> int:
    """1 where a translation is missing, else 0."""
    english = flat({node_id: english_entry(schema) for node_id, schema in found.items()})
    before = flat(read_locale(SOURCE))
    missing = 0
    for language in languages():
        texts = english if language == SOURCE else still_true(flat(read_locale(language)), before, english)
        write_locale(language, texts)
        for keys in english.keys() - texts.keys():
            missing += 1
            print(f"locales/{language}: {'.'.join(keys)} needs a translation of: {english[keys]}")
        write_pages(found, nested(english | texts), language)
    return 1 if missing else 0


def still_true(translated: Texts, before: Texts, english: Texts) -> Texts:
    """The translations of what the schemas still say in the same words, in the schemas' order."""
    return {keys: translated[keys] for keys in english if keys in translated and before.get(keys) == english[keys]}


def write_locale(language: str, texts: Texts) -> None:
    locale_path(language).write_text(json.dumps(nested(texts), ensure_ascii=False, indent=2) + "\n", "utf-8")


def write_pages(found: dict[str, Any], entries: dict[str, Any], language: str) -> None:
    for node_id, schema in found.items():
        path = page_path(node_id, language)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text("utf-8") if path.exists() else ""
        path.write_text(page(text, schema, entries[node_id], language), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
