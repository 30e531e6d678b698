"""What a class of this package says of itself in its text: read as `registry` reads names, and never imported."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_PACKAGE = "unlearn_bench"


class NotPlainError(ValueError):
    """Something in the text has to be computed: who wants to know imports the class."""


@dataclass(frozen=True, kw_only=True)
class Default:
    """The default of a dataclass's field.

    Attributes:
        value: itself. maker: the function that is called with it, and with `options`, in its place; empty: none.
    """

    value: object
    maker: str = ""
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClassText:
    """A class with what it has from its bases.

    Attributes:
        name, doc: its own. attributes: of the class, by name. fields: of the dataclass that it is, in their order.
    """

    name: str
    doc: str
    attributes: Mapping[str, object]
    fields: Mapping[str, Default]


def read_class(target: str, *, root: str) -> ClassText:
    """The class at `unlearn_bench.module:Name`, and what it has from its bases below `root`, which is not read.

    Raises:
        NotPlainError: a base that is elsewhere, or a field whose default is neither a literal nor made of literals.
    """
    module, _, name = target.partition(":")
    tree = _tree(module)
    node = next((item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == name), None)
    if node is None or len(node.bases) != 1 or not isinstance(node.bases[0], ast.Name):
        raise NotPlainError(target)
    above = _place(node.bases[0].id, module, tree)
    attributes: dict[str, object] = {}
    fields: dict[str, Default] = {}
    if above != root:
        base = read_class(above, root=root)
        attributes, fields = dict(base.attributes), dict(base.fields)
    constants = _constants(tree)
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            attributes[statement.targets[0].id] = _literal(statement.value, constants)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_field = not ast.unparse(statement.annotation).startswith("ClassVar")
            if is_field:
                fields[statement.target.id] = _default(statement.value, constants)
            elif statement.value is not None:
                attributes[statement.target.id] = _literal(statement.value, constants)
    return ClassText(name=name, doc=ast.get_docstring(node) or "", attributes=attributes, fields=fields)


@lru_cache(maxsize=128)
def _tree(module: str) -> ast.Module:
    package, *parts = module.split(".")
    path = _FOLDER.joinpath(*parts).with_suffix(".py")
    if package != _PACKAGE or not path.is_file():
        raise NotPlainError(module)
    return ast.parse(path.read_text(encoding="utf-8"))


def _place(name: str, module: str, tree: ast.Module) -> str:
    """Where a class comes from that a module knows by this name."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any((item.asname or item.name) == name for item in node.names):
            own = next(item.name for item in node.names if (item.asname or item.name) == name)
            return f"{node.module}:{own}"
    return f"{module}:{name}"


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What the module's own constants are set to."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def _literal(node: ast.expr, constants: Mapping[str, ast.expr]) -> object:
    try:
        return ast.literal_eval(constants.get(node.id, node) if isinstance(node, ast.Name) else node)
    except ValueError as error:
        raise NotPlainError(ast.unparse(node)) from error


def _default(node: ast.expr | None, constants: Mapping[str, ast.expr]) -> Default:
    if node is None:
        raise NotPlainError("a field without a default")
    if not isinstance(node, ast.Call):
        return Default(value=_literal(node, constants))
    if not isinstance(node.func, ast.Name) or len(node.args) != 1:
        raise NotPlainError(ast.unparse(node))
    options = {str(item.arg): _literal(item.value, constants) for item in node.keywords}
    return Default(value=_literal(node.args[0], constants), maker=node.func.id, options=options)
