"""What mutations.py and docs/reliability.md say of tests: it is there, and it is the same."""

import ast
import re
from pathlib import Path

import mutations
import pytest
from mutations import MUTATIONS, Mutation

TESTS = Path(__file__).parent
DOCUMENT = (mutations.ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
GUARANTEES = re.findall(r"^\| (G\d+) \|.*\| (.*) \|$", DOCUMENT, flags=re.MULTILINE)


def functions(file: str) -> set[str]:
    """Return the names of the tests of a file."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_each_mutation_can_still_be_made(mutation: Mutation) -> None:
    """Run mutations.py where one has changed: a step that is written anew needs its proof anew."""
    text = (mutations.ROOT / mutation.file).read_text(encoding="utf-8")
    assert text.count(mutation.old) == 1
    ast.parse(text.replace(mutation.old, mutation.new))
    file, _, test = mutation.test.partition("::")
    assert test in functions(file)


def test_the_document_has_each_mutation() -> None:
    assert mutations.table() in DOCUMENT


def test_each_guarantee_has_tests_that_there_are() -> None:
    assert [name for name, _ in GUARANTEES] == [f"G{number}" for number in range(1, 12)]
    for name, cell in GUARANTEES:
        listed = re.findall(r"`(test_\w+\.py)::(\w+)`", cell)
        assert listed, name
        for file, test in listed:
            assert test in functions(file), (name, file, test)
