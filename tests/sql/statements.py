"""What a parser lets pass and SQL Server would not: names that are not there, and
calls of the REST procedure that it refuses."""

import re

from script import Execute, Routine, Script, plain

REST = "sys.sp_invoke_external_rest_endpoint"
REST_PARAMETERS = {
    "@url",
    "@payload",
    "@headers",
    "@method",
    "@timeout",
    "@credential",
    "@response",
    "@retry_count",
}
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
RANGES = {"@timeout": range(1, 231), "@retry_count": range(11)}
# What the gateway gives a meaning, in lower case.
HEADERS = {"accept", "x-keyhole-patch", "x-keyhole-view", "x-keyhole-wait"}


def problems(scripts: list[Script]) -> list[str]:
    routines = {routine.name: routine for script in scripts for routine in script.routines}
    found = []
    for script in scripts:
        found += [f"{script.name}: {problem}" for problem in in_text(script)]
        found += [f"{script.name}: {problem}" for problem in unknown_names(script, scripts, routines)]
        for routine in script.routines:
            inside = undeclared(routine)
            if routine.is_procedure and "SET NOCOUNT ON;" not in routine.segment.raw:
                inside.append("SET NOCOUNT ON is missing")
            for execute in routine.executes:
                inside += in_execute(execute, routines)
            found += [f"{script.name}: {routine.name}: {problem}" for problem in inside]
    return found


def in_text(script: Script) -> list[str]:
    """Secrets, and settings that sqlcmd has otherwise than other clients."""
    found = []
    code = re.sub(r"--.*", "", script.text)
    if not code.lstrip().startswith("SET ANSI_NULLS, QUOTED_IDENTIFIER ON;"):
        found.append("does not start with SET ANSI_NULLS, QUOTED_IDENTIFIER ON")
    if re.search(r"\bPRINT\b", code, re.IGNORECASE):
        found.append("PRINT may show a reply")
    if re.search(r"keyhole_[A-Za-z0-9-]+_|eyJ[A-Za-z0-9_-]{8}|Bearer ", code):
        found.append("has a key or a token")
    for secret in re.findall(r"\b(?:SECRET|PASSWORD)\s*=\s*N?'([^']*)'", code, re.IGNORECASE):
        if not re.fullmatch(r'\{"x-api-key":"\$\(KEYHOLE_KEY\)"\}|\$\(KEYHOLE_MASTER_KEY_PASSWORD\)', secret):
            found.append("has a secret that is not a variable of sqlcmd")
    for name in set(re.findall(r"'([\w-]+)':\s", code)) | set(re.findall(r'\{"([\w-]+)":', code)):
        if name.lower().startswith("x-") and name not in HEADERS | {"x-api-key"}:
            found.append(f"the header {name} has no meaning for the gateway")
    return found


def unknown_names(script: Script, scripts: list[Script], routines: dict[str, Routine]) -> list[str]:
    tables = {name for other in scripts for name in re.findall(r"CREATE TABLE (k8s\.\w+)", other.text)}
    code = re.sub(r"--.*|N?'[^']*'", "", script.text)
    used = {plain(name) for name in re.findall(r"(?<![\w@.])k8s\.(?:\w+|\[\w+\])", code)}
    return [f"{name} is not defined" for name in sorted(used - tables - set(routines))]


def undeclared(routine: Routine) -> list[str]:
    """Variables that are neither parameters nor declared."""
    declared = set(routine.parameters)
    if not routine.is_procedure:
        listed = routine.segment.recursive_crawl("function_parameter_list")
        declared |= {part.raw for parameters in listed for part in parameters.recursive_crawl("parameter")}
    for declare in routine.segment.recursive_crawl("declare_segment"):
        declared |= {part.raw for part in declare.segments if part.is_type("parameter")}
    in_calls = {id(part) for execute in routine.executes for part in execute.segment.segments}
    used = {part.raw for part in routine.segment.recursive_crawl("parameter") if id(part) not in in_calls}
    used = used.union(*(execute.variables for execute in routine.executes))
    unknown = sorted(name for name in used - declared if not name.startswith("@@"))
    return [f"{name} is not declared" for name in unknown]


def in_execute(execute: Execute, routines: dict[str, Routine]) -> list[str]:
    found = []
    if execute.name == REST:
        found += in_rest_call(execute)
    elif execute.name.startswith("k8s."):
        callee = routines.get(execute.name)
        parameters = callee.parameters if callee else {}
        for name, argument in execute.arguments.items():
            if name not in parameters:
                found.append(f"{execute.name} has no parameter {name}")
            elif argument.output and not parameters[name].output:
                found.append(f"{name} of {execute.name} is no OUTPUT")
        required = {name for name, parameter in parameters.items() if not parameter.optional}
        for name in sorted(required - set(execute.arguments)):
            found.append(f"{execute.name} needs {name}")
    for name, argument in execute.arguments.items():
        # The engine takes no expressions here, though the parser does.
        if not re.fullmatch(r"@@?\w+|N?'[^']*'|-?\d+|NULL", argument.value.raw):
            found.append(f"{name} of {execute.name} is an expression")
    return found


def in_rest_call(execute: Execute) -> list[str]:
    found = [f"no such parameter: {name}" for name in sorted(set(execute.arguments) - REST_PARAMETERS)]
    for name in ("@url", "@method", "@credential", "@timeout", "@retry_count", "@response"):
        if name not in execute.arguments:
            found.append(f"{name} is missing")
    for name, argument in execute.arguments.items():
        value = argument.value.raw
        if name in RANGES and value.isdigit() and int(value) not in RANGES[name]:
            found.append(f"{name} = {value} is out of range")
        if name == "@method" and not value.startswith("@") and value.strip("N'") not in METHODS:
            found.append(f"{name} = {value} is no method")
        if argument.output != (name == "@response"):
            found.append(f"{name}: only @response is OUTPUT")
    return found
