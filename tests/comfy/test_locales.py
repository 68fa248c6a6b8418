"""The locale files say in every language what the schemas say in English, in the layout that the frontend reads."""

import re

import pytest
from help_pages import COMMAND, SOURCE, WORDS, english_entry, flat, languages, read_locale
from make_help import still_true

from .conftest import nodes

UNCHANGED = {"cfg", "k", "vae"}
MESSAGE_SYNTAX = set("{}@|")
translations = pytest.mark.parametrize("language", [language for language in languages() if language != SOURCE])


def test_the_english_locale_is_what_the_schemas_say():
    schemas = {name: node.GET_SCHEMA() for name, node in nodes().items() if name.startswith("Adaptive")}
    assert read_locale(SOURCE) == {name: english_entry(schema) for name, schema in schemas.items()}, f"run {COMMAND}"


def test_there_is_chinese_japanese_and_russian():
    assert {"en", "zh", "ja", "ru"} <= set(languages()) == set(WORDS)


@translations
def test_a_language_has_every_entry_of_the_english_one_and_no_other(language):
    assert flat(read_locale(language)).keys() == flat(read_locale(SOURCE)).keys()


@translations
def test_a_translation_differs_from_the_english_text_but_for_a_few_terms(language):
    translated = flat(read_locale(language))
    same = {text for keys, text in flat(read_locale(SOURCE)).items() if translated[keys] == text}
    assert same <= UNCHANGED


@translations
def test_a_translation_keeps_numbers_and_quoted_values(language):
    translated = flat(read_locale(language))
    for keys, text in flat(read_locale(SOURCE)).items():
        for fact in re.findall(r"(?<!\w)\d+(?:\.\d+)?|'[\w ]+?'(?!\w)|`\w+`", text):
            assert fact in translated[keys], keys


@pytest.mark.parametrize("language", languages())
def test_no_text_holds_the_message_syntax_of_the_frontend(language):
    """vue-i18n reads braces, @ and | as placeholders, links and plurals."""
    assert [text for text in flat(read_locale(language)).values() if MESSAGE_SYNTAX & set(text)] == []


def test_no_input_name_holds_a_dot_which_the_frontend_would_rewrite():
    assert [keys for keys in flat(read_locale(SOURCE)) if any("." in key for key in keys)] == []


def test_the_translation_of_a_changed_or_removed_text_is_taken_out():
    before = {("kept",): "Steps.", ("changed",): "Seed.", ("removed",): "Old."}
    translated = {("removed",): "旧", ("changed",): "种子。", ("kept",): "步数。"}
    assert still_true(translated, before, {("kept",): "Steps.", ("changed",): "A seed."}) == {("kept",): "步数。"}
