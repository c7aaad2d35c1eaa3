"""Who imports whom, lazy and type-only imports counted: no cycle of files, and no file imports the `__init__` of its own room."""

import ast
from pathlib import Path

import minirec

ROOT = Path(minirec.__file__).parent
FILES = {
    ".".join(("minirec", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
    if "__pycache__" not in path.parts
}


def imported(module):
    """The modules of the package that a file imports, wherever in it."""
    path = FILES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in FILES}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join((*parts[: len(parts) - node.level + 1], *([node.module] if node.module else []))) if node.level else node.module
            if base not in FILES:
                continue
            for alias in node.names:
                found.add(f"{base}.{alias.name}" if f"{base}.{alias.name}" in FILES else base)
    return found - {module}


GRAPH = {module: imported(module) for module in FILES}


def knots(graph):
    """Sets of more than one module that reach each other (Tarjan 1972)."""
    number, low, stack, out = {}, {}, [], []

    def visit(module):
        number[module] = low[module] = len(number)
        stack.append(module)
        for other in graph.get(module, ()):
            if other not in number:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], number[other])
        if low[module] == number[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                out.append(sorted(stack[at:]))
            del stack[at:]

    for module in graph:
        if module not in number:
            visit(module)
    return out


# types alone go back in these; each should become a protocol of its own, and none may be added
KNOWN = [
    {"minirec.models.contract.fallback", "minirec.models.contract.serving"},
    {"minirec.models.contract.judge", "minirec.models.contract.provenance", "minirec.models.contract.recommender"},
    {"minirec.evaluation.result", "minirec.evaluation.tables"},
]


def test_no_cycle_of_files():
    assert [knot for knot in knots(GRAPH) if not any(set(knot) <= known for known in KNOWN)] == []


def test_no_file_imports_the_init_of_its_own_room():
    rooms = {module for module, path in FILES.items() if path.name == "__init__.py"}
    bad = {module: sorted(rooms & GRAPH[module]) for module in FILES}
    assert {module: found for module, found in bad.items() if any(module.startswith(f"{room}.") for room in found)} == {}


def test_the_search_for_cycles():
    assert knots({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert knots({"a": {"b"}, "b": set()}) == []
