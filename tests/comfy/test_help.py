"""Every node has a help page, in every language of locales/, that says what its schema and its messages say."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from help_pages import COMMAND, DOCS, PACK, SOURCE, languages, page, page_path, prose, read_locale

from .conftest import nodes

SHIPPED = ("adaptive_diffusion", "host", "nodes")
SPECIFIC = 20
translations = pytest.mark.parametrize("language", [language for language in languages() if language != SOURCE])


@pytest.fixture(scope="module")
def schemas():
    return {name: node.GET_SCHEMA() for name, node in nodes().items() if name.startswith("Adaptive")}


def text_of(node_id: str, language: str = SOURCE) -> str:
    return page_path(node_id, language).read_text("utf-8")


def test_every_node_has_a_page_in_every_language_and_no_page_is_left_over(schemas):
    expected = {page_path(node_id, language) for node_id in schemas for language in languages()}
    assert set(DOCS.rglob("*.md")) == expected


@pytest.mark.parametrize("language", languages())
def test_titles_and_tables_are_those_of_the_schemas_and_the_locale(schemas, language):
    texts = {node_id: text_of(node_id, language) for node_id in schemas}
    entries = read_locale(language)
    stale = [name for name, text in texts.items() if text != page(text, schemas[name], entries[name], language)]
    assert stale == [], f"run {COMMAND}"


def test_every_page_says_how_to_choose_values_and_what_goes_wrong(schemas):
    for node_id in schemas:
        headings = re.findall(r"^## (.+)$", prose(text_of(node_id)), re.MULTILINE)
        assert headings == ["How to choose values", "What goes wrong"], node_id


def patterns(source: Path) -> list[str]:
    """Regular expressions of the longer texts in a source file; what an f-string fills in may be anything."""
    found = list(ast.walk(ast.parse(source.read_text("utf-8"))))
    filled = [text.values for text in found if isinstance(text, ast.JoinedStr)]
    inside = {id(part) for parts in filled for part in parts}
    plain = [[text] for text in found if isinstance(text, ast.Constant) and id(text) not in inside]
    texts = [
        "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in parts)
        for parts in [*plain, *filled]
    ]
    return [text for text in texts if len(text.replace(".+", "")) >= SPECIFIC]


def test_every_message_on_a_page_is_one_that_the_code_says(schemas):
    sources = [path for folder in SHIPPED for path in (PACK / folder).rglob("*.py")]
    said = re.compile("|".join(pattern for path in sources for pattern in patterns(path)))
    for node_id in schemas:
        told = prose(text_of(node_id)).partition("## What goes wrong")[2]
        messages = re.findall(r"^- `(.+?)`:", told, re.MULTILINE)
        assert messages, node_id
        assert [message for message in messages if not said.search(message)] == [], node_id


def facts(text: str) -> Counter:
    """What a translation must not change: what stands in backquotes, links, numbers, and the layout."""
    code = re.findall(r"`[^`]+`", text)
    links = re.findall(r"\]\(([^)]+)\)", text)
    numbers = re.findall(r"\d+(?:\.\d+)?", re.sub(r"`[^`]+`|\]\([^)]+\)", "", text))
    marks = re.findall(r"^(?:#+|-|\|)(?= )", text, re.MULTILINE)
    return Counter([*code, *links, *numbers, *marks])


@translations
def test_a_translated_page_states_the_facts_of_the_english_one(schemas, language):
    for node_id in schemas:
        english, translated = facts(prose(text_of(node_id))), facts(prose(text_of(node_id, language)))
        assert (dict(english - translated), dict(translated - english)) == ({}, {}), node_id


@translations
def test_a_translated_page_calls_other_nodes_by_their_translated_names(schemas, language):
    names = {read_locale(SOURCE)[name]["display_name"]: read_locale(language)[name]["display_name"] for name in schemas}
    for node_id in schemas:
        english, translated = prose(text_of(node_id)), prose(text_of(node_id, language))
        assert [new for old, new in names.items() if old in english and new not in translated] == [], node_id
