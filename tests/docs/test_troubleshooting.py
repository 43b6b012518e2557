"""Each message on the troubleshooting page is one that the code has."""

import ast
import re
from pathlib import Path

import pytest

import bunchtrain

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
ROWS = re.findall(r"^\| (`.*?`) \|", PAGE.read_text(encoding="utf-8"), re.M)


@pytest.fixture(scope="module")
def texts() -> str:
    """All texts in the code, with those of adjacent literals joined."""
    found = [
        node.value
        for path in Path(bunchtrain.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return "\n".join(found)


@pytest.mark.parametrize("row", ROWS)
def test_the_code_has_the_words_of_each_message(row, texts):
    for message in re.findall(r"`([^`]+)`", row):
        for words in message.split("…"):
            assert words.strip(" '") in texts


def test_the_page_has_the_messages_of_each_step():
    assert len(ROWS) > 50
