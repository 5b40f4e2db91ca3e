"""Every `OPENJSON` of the kit, evaluated on documents: each path leads somewhere, and
what is there fits the column's type."""

import json
import re
from datetime import datetime
from pathlib import Path

from script import Routine, Script, child, code

REPLIES = Path(__file__).parent / "replies"


def problems(scripts: list[Script], documents: dict[str, list]) -> list[str]:
    """`documents` has, by procedure and source, what is read there: names of replies,
    `envelope of` one, or a document itself."""
    found: list[str] = []
    used: set[str] = set()
    for routine in (routine for script in scripts for routine in script.routines):
        rows: dict[str, list[dict]] = {}
        nodes = routine.segment.recursive_crawl("openjson_segment", "function")
        nodes = [node for node in nodes if code(node)[0].raw.upper() == "OPENJSON"]
        # A column may be opened in the text before the table that it is of.
        for node in sorted(nodes, key=lambda node: f"{routine.name} {source(node)}" not in documents):
            place = f"{routine.name} {source(node)}"
            alias, dot, column = source(node).partition(".")
            if dot and alias in rows:
                inputs = [row[column] for row in rows[alias] if row[column] is not None]
            elif place in documents:
                used.add(place)
                inputs = [document(name) for name in documents[place]]
            else:
                found.append(f"{place}: no document to check it with")
                continue
            problems_here, named = evaluate(node, inputs)
            found += [f"{place}: {problem}" for problem in problems_here]
            rows[alias_of(routine, node)] = named
            found += [f"{place}: {problem}" for problem in strangers(routine, node, named)]
    found += [f"{place}: no such OPENJSON" for place in sorted(set(documents) - used)]
    return found


def document(name):
    if not isinstance(name, str):
        return name
    if name.startswith("envelope of "):
        headers = {"content-type": "application/json", "x-request-id": "0f4f3f1e-7f3b-4f5c-9a25-7f6f0f9f8f7e"}
        return {"response": {"headers": headers}, "result": document(name.removeprefix("envelope of "))}
    return json.loads((REPLIES / name).read_text())


def evaluate(node, inputs: list) -> tuple[list[str], list[dict]]:
    """The problems, and the rows."""
    path = root(node)
    found = [value for value in (lookup(value, path) for value in inputs) if isinstance(value, (dict, list))]
    if not found:
        return [f"{path} leads nowhere"], []
    with_clause = child(node, "openjson_with_clause")
    if with_clause is None:
        return [], []
    records = [record for value in found for record in (value if isinstance(value, list) else [value])]
    problems, rows = [], [{} for _ in records]
    for column, kind, at, as_json in columns(with_clause):
        values = [lookup(record, at) for record in records]
        for row, value in zip(rows, values):
            row[column] = value
            if value is not None and not fits(value, kind, as_json):
                problems.append(
                    f"{column} {kind}{' AS JSON' if as_json else ''} cannot hold {json.dumps(value)[:80]}"
                )
        if all(value is None for value in values):
            problems.append(f"{column}: {at} leads nowhere")
    return problems, rows


def lookup(value, path: str):
    """A path of SQL Server's, lax: what is not there is NULL."""
    for name, quoted, index in re.findall(r'\.(\w+)|\."([^"]+)"|\[(\d+)\]', path):
        key = name or quoted
        if key and isinstance(value, dict):
            value = value.get(key)
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return None
    return value


def fits(value, kind: str, as_json: bool) -> bool:
    if as_json or isinstance(value, (dict, list)):
        return as_json and isinstance(value, (dict, list)) and kind == "nvarchar(max)"
    if kind == "bit":
        return isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
    if kind.startswith("datetimeoffset"):
        return isinstance(value, str) and bool(re.search(r"Z$|[+-]\d\d:\d\d$", value)) and is_time(value)
    length = re.fullmatch(r"nvarchar\((\d+|max)\)", kind)
    units = len(str(value).encode("utf-16-le")) // 2
    return bool(length) and (length[1] == "max" or units <= int(length[1]))


def is_time(value: str) -> bool:
    try:
        return bool(datetime.fromisoformat(value.replace("Z", "+00:00")))
    except ValueError:
        return False


def columns(with_clause) -> list[tuple[str, str, str, bool]]:
    """Name, type, path, and whether it is JSON."""
    found: list[list] = []
    for part in code(child(with_clause, "bracketed")):
        if part.is_type("naked_identifier", "quoted_identifier"):
            found.append([part.raw.strip("[]"), "", "", False])
        elif part.is_type("data_type"):
            found[-1][1] = part.raw.lower()
        elif part.is_type("quoted_literal"):
            found[-1][2] = part.raw.strip("N'")
        elif part.raw.upper() == "JSON":
            found[-1][3] = True
    return [tuple(column) for column in found]


def strangers(routine: Routine, node, rows: list[dict]) -> list[str]:
    """Columns that are asked of this table and that it does not have."""
    alias = alias_of(routine, node)
    if not alias or not rows:
        return []
    used = set(re.findall(rf"(?<![\w.@]){alias}\.\[?(\w+)", routine.segment.raw))
    others = {name for other in same_alias(routine, alias) for name in other}
    return [f"{alias} has no column {name}" for name in sorted(used - set(rows[0]) - others)]


def same_alias(routine: Routine, alias: str) -> list[list[str]]:
    """The columns of the other tables of that name: derived ones, or in other scopes."""
    found = []
    for element in routine.segment.recursive_crawl("from_expression_element"):
        name = child(element, "alias_expression")
        if name is not None and code(name)[-1].raw == alias:
            clauses = element.recursive_crawl("openjson_with_clause")
            found += [[column[0] for column in columns(clause)] for clause in clauses]
            selected = element.recursive_crawl("select_clause_element")
            found += [[re.split(r"[\s.]", part.raw)[-1] for part in selected]]
    return found


def alias_of(routine: Routine, node) -> str:
    for element in routine.segment.recursive_crawl("from_expression_element"):
        table = child(element, "table_expression")
        name = child(element, "alias_expression")
        if table is not None and name is not None and any(part is node for part in table.segments):
            return code(name)[-1].raw
    return ""


def arguments(node) -> list:
    contents = child(node, "function_contents")
    bracketed = child(contents if contents is not None else node, "bracketed")
    return [part for part in code(bracketed) if part.is_type("expression")]


def source(node) -> str:
    return arguments(node)[0].raw


def root(node) -> str:
    given = arguments(node)[1:]
    return given[0].raw.strip("N'") if given else "$"
