"""The kit's scripts, as sqlfluff's T-SQL parser reads them."""

from dataclasses import dataclass
from functools import cached_property

from sqlfluff.core import FluffConfig, Linter
from sqlfluff.core.parser import BaseSegment

LINTER = Linter(config=FluffConfig(overrides={"dialect": "tsql", "templater": "raw"}))


@dataclass
class Script:
    name: str
    text: str

    @cached_property
    def parsed(self):
        return LINTER.parse_string(self.text, fname=self.name)

    def syntax_problems(self) -> list[str]:
        return [f"{self.name}: {violation}" for violation in self.parsed.violations]

    @cached_property
    def routines(self) -> list["Routine"]:
        kinds = ("create_procedure_statement", "create_function_statement")
        return [Routine(segment) for segment in self.parsed.tree.recursive_crawl(*kinds)]


@dataclass
class Routine:
    """A procedure or a function."""

    segment: BaseSegment

    @property
    def name(self) -> str:
        return plain(child(self.segment, "object_reference", "function_name").raw)

    @property
    def is_procedure(self) -> bool:
        return self.segment.is_type("create_procedure_statement")

    @cached_property
    def parameters(self) -> dict[str, "Parameter"]:
        """By name; of a procedure only."""
        found: dict[str, Parameter] = {}
        listed = child(self.segment, "procedure_parameter_list")
        for part in code(listed) if listed else []:
            if part.is_type("parameter"):
                latest = found[part.raw] = Parameter()
            elif part.is_type("comparison_operator"):
                latest.optional = True
            elif part.raw.upper() == "OUTPUT":
                latest.output = True
        return found

    @cached_property
    def executes(self) -> list["Execute"]:
        statements = self.segment.recursive_crawl("execute_script_statement")
        return [Execute(statement) for statement in statements]


@dataclass
class Parameter:
    optional: bool = False
    output: bool = False


@dataclass
class Execute:
    """`EXECUTE procedure @name = value [OUTPUT], ...`"""

    segment: BaseSegment

    @property
    def name(self) -> str:
        """Empty for a string that is executed."""
        called = child(self.segment, "object_reference")
        return plain(called.raw) if called else ""

    @property
    def variables(self) -> set[str]:
        """What it takes and sets, but not the names of the parameters."""
        values = {argument.value.raw for argument in self.arguments.values()}
        return {value for value in values | {code(self.segment)[1].raw} if value.startswith("@")}

    @cached_property
    def arguments(self) -> dict[str, "Argument"]:
        found: dict[str, Argument] = {}
        named = None
        after_name = False
        for part in code(self.segment):
            if part.is_type("object_reference"):
                after_name = True
            elif not after_name or part.is_type("comparison_operator"):
                continue
            elif part.is_type("comma", "statement_terminator"):
                named = None
            elif part.raw.upper() == "OUTPUT":
                found[named].output = True
            elif named is None and part.is_type("parameter"):
                named = part.raw
            elif named is not None:
                found[named] = Argument(part)
        return found


@dataclass
class Argument:
    value: BaseSegment
    output: bool = False


def plain(name: str) -> str:
    return name.replace("[", "").replace("]", "")


def code(segment: BaseSegment) -> list[BaseSegment]:
    """The children that are neither space nor comment."""
    return [part for part in segment.segments if part.is_code]


def child(segment: BaseSegment, *kinds: str) -> BaseSegment | None:
    return next((part for part in segment.segments if part.is_type(*kinds)), None)
