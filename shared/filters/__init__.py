"""Filters as people write them: text and JSON, read into one tree."""

from shared.filters.canonical import canonical, to_json
from shared.filters.json_form import read_json
from shared.filters.text_form import read_path, read_text

__all__ = ["canonical", "read_json", "read_path", "read_text", "to_json"]
