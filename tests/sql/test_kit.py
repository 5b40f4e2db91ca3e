"""The kit, without a SQL Server. Each check is also shown to find what it looks for."""

import json
import re
import tomllib
import unittest
from pathlib import Path

import calls
import mappings
import statements
from script import Script

HERE = Path(__file__).parent
KIT = [Script(path.name, path.read_text()) for path in sorted((HERE / "../../sql").glob("*.sql"))]


def table(name: str) -> dict:
    return tomllib.loads((HERE / name).read_text())


def procedure(body: str) -> Script:
    """A script with a procedure of the kit's."""
    head = "SET ANSI_NULLS, QUOTED_IDENTIFIER ON;\nGO\nCREATE OR ALTER PROCEDURE k8s.p\n"
    return Script(
        "p.sql", f"{head}  @path nvarchar(max) = NULL\nAS\nBEGIN\n  SET NOCOUNT ON;\n{body}\nEND;\nGO\n"
    )


class TheKit(unittest.TestCase):
    maxDiff = None

    def test_has_all_scripts(self):
        self.assertEqual([script.name[:2] for script in KIT], [f"{n:02}" for n in range(1, 10)] + ["99"])

    def test_parses(self):
        self.assertEqual([problem for script in KIT for problem in script.syntax_problems()], [])

    def test_names_only_what_is_there_and_hides_its_secrets(self):
        self.assertEqual(statements.problems(KIT), [])

    def test_reads_only_what_replies_have(self):
        self.assertEqual(mappings.problems(KIT, table("documents.toml")), [])

    def test_sends_what_is_listed(self):
        listed = table("calls.toml")
        told = [
            {name: call[name] for name in call if name not in ("parameters", "reply")}
            for call in listed["call"]
        ]
        self.assertEqual(told, calls.of(KIT))
        self.assertEqual(listed["manifest"], calls.manifests(KIT))

    def test_has_an_example_of_each_request(self):
        for call in table("calls.toml")["call"]:
            with self.subTest(call["procedure"]):
                sent = json.dumps([call["path"], call["headers"], call.get("payload")])
                self.assertEqual(set(re.findall(r"\{(\w+)\}", sent)), set(call.get("parameters", {})))
                if "reply" in call:
                    self.assertTrue((mappings.REPLIES / call["reply"]).is_file())

    def test_asks_for_nothing_that_is_not_a_procedure_or_a_role(self):
        granted = next(script for script in KIT if script.name.startswith("08")).text
        executable = set(re.findall(r"GRANT EXECUTE ON OBJECT::k8s\.\[?(\w+)", granted))
        internal = {
            "call",
            "list_pages",
            "require_names",
            "locate",
            "read_manifest",
            "enqueue",
            "carry_out",
            "process_outbox",
        }
        procedures = {
            routine.name[4:] for script in KIT for routine in script.routines if routine.is_procedure
        }
        self.assertEqual(executable - {"url_encode"}, procedures - internal)


class TheChecks(unittest.TestCase):
    def test_find_what_does_not_parse(self):
        for text in (
            "SELEC 1 FROM x;",
            "EXECUTE @a = p @b = ;",
            "SELECT * FROM [x;",
            "DROP RLE IF EXISTS x;",
        ):
            with self.subTest(text):
                self.assertTrue(Script("x.sql", text).syntax_problems())

    def test_find_wrong_statements(self):
        rest = "DECLARE @r nvarchar(max); EXECUTE sys.sp_invoke_external_rest_endpoint @url = @path, @credential = @path, "
        for body, problem in (
            (
                rest + "@method = N'GET', @timeout = 231, @retry_count = 0, @response = @r OUTPUT;",
                "@timeout = 231 is out of range",
            ),
            (
                rest + "@method = N'GET', @timeout = 9, @retry_count = 11, @response = @r OUTPUT;",
                "@retry_count = 11 is out of range",
            ),
            (
                rest + "@method = N'HEAT', @timeout = 9, @retry_count = 0, @response = @r OUTPUT;",
                "@method = N'HEAT' is no method",
            ),
            (rest + "@timeout = 9, @retry_count = 0, @response = @r OUTPUT;", "@method is missing"),
            (
                rest
                + "@urll = @path, @method = N'GET', @timeout = 9, @retry_count = 0, @response = @r OUTPUT;",
                "no such parameter: @urll",
            ),
            (
                rest + "@method = N'GET', @timeout = 9, @retry_count = 0, @response = @r;",
                "@response: only @response is OUTPUT",
            ),
            ("EXECUTE k8s.p @way = N'/';", "k8s.p has no parameter @way"),
            ("EXECUTE k8s.p @path = @path OUTPUT;", "@path of k8s.p is no OUTPUT"),
            ("EXECUTE k8s.p @path = N'/' + N'x';", "@path of k8s.p is an expression"),
            ("EXECUTE k8s.q;", "k8s.q is not defined"),
            ("SELECT 1 FROM k8s.confg;", "k8s.confg is not defined"),
            ("EXECUTE k8s.p @path = @pth;", "@pth is not declared"),
            ("SET @pth = 1;", "@pth is not declared"),
            ("PRINT @path;", "PRINT may show a reply"),
            ("SET @path = N'keyhole_sql-prod-01_x';", "has a key or a token"),
            (
                "SET @path = JSON_OBJECT('x-keyhole-veiw': N'table');",
                "the header x-keyhole-veiw has no meaning",
            ),
            (
                "ALTER DATABASE SCOPED CREDENTIAL c WITH IDENTITY = 'HTTPEndpointHeaders', SECRET = '{\"x-api-key\":\"s\"}';",
                "has a secret",
            ),
        ):
            with self.subTest(body):
                script = procedure(body)
                self.assertEqual(script.syntax_problems(), [])
                self.assertIn(problem, "\n".join(statements.problems([script])))

    def test_find_wrong_settings(self):
        for old, problem in (
            ("SET NOCOUNT ON;", "SET NOCOUNT ON is missing"),
            ("SET ANSI_NULLS, QUOTED_IDENTIFIER ON;", "does not start with SET ANSI_NULLS"),
        ):
            text = procedure("RETURN;").text.replace(old, "")
            with self.subTest(old):
                self.assertIn(problem, "\n".join(statements.problems([Script("p.sql", text)])))

    def test_find_wrong_mappings(self):
        reply = {
            "items": [
                {"name": "web", "ready": 2, "at": "2026-11-01T02:00:00Z", "on": True, "labels": {"a": "b"}}
            ]
        }
        for path, column, problem in (
            ("$.items", "name nvarchar(3) '$.name'", None),
            ("$.items", "at datetimeoffset(0) '$.at'", None),
            ("$.items", "turned bit '$.on'", None),
            ("$.items", "labels nvarchar(max) '$.labels' AS JSON", None),
            ("$.items", "label nvarchar(9) '$.labels.a'", None),
            ("$.item", "name nvarchar(3) '$.name'", "$.item leads nowhere"),
            ("$.items", "name nvarchar(3) '$.nmae'", "name: $.nmae leads nowhere"),
            ("$.items", "name nvarchar(3) '$.Name'", "name: $.Name leads nowhere"),
            ("$.items", "name nvarchar(2) '$.name'", "name nvarchar(2) cannot hold"),
            ("$.items", "name int '$.name'", "name int cannot hold"),
            ("$.items", "ready bit '$.ready'", "ready bit cannot hold"),
            ("$.items", "at datetimeoffset(0) '$.name'", "at datetimeoffset(0) cannot hold"),
            ("$.items", "labels nvarchar(max) '$.labels'", "labels nvarchar(max) cannot hold"),
            ("$.items", "name nvarchar(max) '$.name' AS JSON", "name nvarchar(max) AS JSON cannot hold"),
        ):
            with self.subTest(path=path, column=column):
                script = procedure(f"SELECT t.* FROM OPENJSON(@path, '{path}') WITH ({column}) AS t;")
                self.assertEqual(script.syntax_problems(), [])
                found = "\n".join(mappings.problems([script], {"k8s.p @path": [reply]}))
                self.assertIn(problem, found) if problem else self.assertEqual(found, "")

    def test_find_columns_that_are_not_there(self):
        script = procedure("SELECT t.nmae FROM OPENJSON(@path) WITH (name nvarchar(9) '$.name') AS t;")
        documents = {"k8s.p @path": [{"name": "web"}]}
        self.assertEqual(mappings.problems([script], documents), ["k8s.p @path: t has no column nmae"])

    def test_find_documents_that_are_missing_or_too_many(self):
        script = procedure("SELECT t.name FROM OPENJSON(@path) WITH (name nvarchar(9) '$.name') AS t;")
        found = mappings.problems([script], {"k8s.q @path": [{}]})
        self.assertEqual(
            found, ["k8s.p @path: no document to check it with", "k8s.q @path: no such OPENJSON"]
        )

    def test_read_requests_from_the_text(self):
        body = """
  DECLARE @name nvarchar(9);
  SET @path = N'/api/' + ISNULL(@name, N'') + N'?limit=5' + k8s.query_pair(N'fieldSelector', N'a=' + @name);
  DECLARE @headers nvarchar(max) = JSON_OBJECT('x-keyhole-patch': N'merge');
  DECLARE @payload nvarchar(max) = JSON_OBJECT('a': JSON_ARRAY(@name, CONVERT(bit, 1)));
  EXECUTE k8s.[call] @method = N'PATCH', @path = @path, @headers = @headers, @payload = @payload, @retry_count = 1;
"""
        expected = {
            "procedure": "k8s.p",
            "method": "PATCH",
            "path": "/api/{name}?limit=5&fieldSelector=a%3D{name}",
            "headers": {"x-keyhole-patch": "merge"},
            "payload": {"a": ["{name}", True]},
            "retry_count": 1,
        }
        self.assertEqual(calls.of([procedure(body)]), [expected])


if __name__ == "__main__":
    unittest.main()
