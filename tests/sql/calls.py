"""The requests that the kit's procedures make, as their text says: method, path,
headers and payload, with `{name}` for what the variable @name holds."""

import re
from urllib.parse import quote

from script import Execute, Routine, Script, code, plain

# What one of these is told is what is sent.
SENDERS = {"k8s.call", "k8s.list_pages"}
# Variables whose value is looked into.
OPEN = {"@path", "@headers", "@payload", "@manifest"}


def of(scripts: list[Script]) -> list[dict]:
    """As in `calls.toml`, but for `parameters` and `reply`."""
    found = []
    for routine in (routine for script in scripts for routine in script.routines):
        # It sends what its callers, which are listed, tell it.
        if routine.name in SENDERS:
            continue
        for execute in routine.executes:
            if execute.name in SENDERS:
                found.append({"procedure": routine.name, **request(routine, execute)})
    return found


def manifests(scripts: list[Script]) -> list[dict]:
    """What procedures hand to k8s.create, if they made it themselves."""
    return [
        {
            "procedure": routine.name,
            "manifest": value(execute.arguments["@manifest"].value, known(routine, execute)),
        }
        for script in scripts
        for routine in script.routines
        for execute in routine.executes
        if execute.name == "k8s.create"
    ]


def request(routine: Routine, execute: Execute) -> dict:
    variables = known(routine, execute)
    given = {name: value(argument.value, variables) for name, argument in execute.arguments.items()}
    if execute.name == "k8s.list_pages":
        view = given.get("@view", "compact")
        return {
            "method": "GET",
            "path": given["@path"],
            "headers": {"x-keyhole-view": view},
            "retry_count": 3,
        }
    sent = {"method": given["@method"], "path": given["@path"], "headers": given.get("@headers", {})}
    if "@payload" in given:
        sent["payload"] = given["@payload"]
    return sent | {"retry_count": int(given.get("@retry_count", 3 if sent["method"] == "GET" else 0))}


def known(routine: Routine, execute: Execute) -> dict:
    """What the open variables hold when this statement is reached."""
    variables: dict = {}
    for segment in routine.segment.recursive_crawl(
        "declare_segment", "set_local_variable_segment", "execute_script_statement"
    ):
        if segment is execute.segment:
            break
        parts = code(segment)
        if parts[1].raw in OPEN and len(parts) > 3 and not segment.is_type("execute_script_statement"):
            variables[parts[1].raw] = value(parts[-1], variables)
    return variables


def value(segment, variables: dict):
    """The text, object or list that an expression makes."""
    if segment.is_type("expression"):
        parts = [value(part, variables) for part in code(segment) if not part.is_type("binary_operator")]
        return parts[0] if len(parts) == 1 else "".join(parts)
    if segment.is_type("quoted_literal"):
        return re.sub(r"^N?'|'$", "", segment.raw)
    if segment.is_type("parameter"):
        return variables.get(segment.raw, "{" + segment.raw.strip("@") + "}")
    if segment.is_type("function"):
        return called(segment, variables)
    return segment.raw


def called(segment, variables: dict):
    name, contents = code(segment)
    parts = [
        part
        for part in code(code(contents)[0])
        if not part.is_type("comma", "colon_delimiter", "start_bracket", "end_bracket")
    ]
    parts = [part for part in parts if part.raw.upper() not in ("ABSENT", "NULL", "ON", "ABSENT ON NULL")]
    match plain(name.raw):
        case "JSON_OBJECT":
            members = [value(part, variables) for part in parts]
            return dict(zip(members[::2], members[1::2]))
        case "JSON_ARRAY":
            return [value(part, variables) for part in parts]
        case "k8s.query_pair":
            of_pair = quote(value(parts[1], variables), safe="{}")
            return f"&{value(parts[0], variables)}={of_pair}"
        case "CONVERT":
            inner = value(parts[1], variables)
            return inner == "1" if parts[0].raw == "bit" else inner
        # With the arguments of the example, nothing is NULL.
        case "ISNULL" | "JSON_QUERY" | "k8s.url_encode":
            return value(parts[0], variables)
    return "{" + segment.raw + "}"
