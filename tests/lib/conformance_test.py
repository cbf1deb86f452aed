"""The maker of the conformance table, on sources and logs of its own: a table that cannot be wrong
shows nothing."""
import contextlib
import importlib.machinery
import importlib.util
import io
import tempfile
import unittest
from pathlib import Path

LOADER = importlib.machinery.SourceFileLoader("conformance", str(Path(__file__).with_name("conformance")))
conformance = importlib.util.module_from_spec(importlib.util.spec_from_loader("conformance", LOADER))
LOADER.exec_module(conformance)

BEHAVIOURS = """# 11.1 One
11.1-1 in a test
11.1-2 above a test
11.1-3 nowhere
11.1-4 nowhere, with a reason
  left out: not now
11.1-5 in a test of node
11.1-6 in a test that failed
11.1-7 in a test that was not run
11.1-8 in a test, but not all of it
  left out: the rest
"""
RUST = """mod inner;
// 11.1-2
#[test]
fn above() {
}

#[cfg(test)]
mod tests {
    #[test]
    fn inside() {
        // 11.1-1, 11.1-8
    }

    #[test]
    fn fails() {
        // 11.1-6
    }
}
"""
INNER = """#[test]
fn unrun() {
    // 11.1-7
}

fn no_test() {
    // 11.1-3
}

#[test]
fn ranges() {
    // 11.1-1 to 11.1-2, and 11.1-9
}
"""
NODE = """describe(`kind ${kind}`, () => {
  test('works', async () => {
    // 11.1-5
  })
})
"""
CARGO = """     Running unittests src/lib.rs (target/debug/deps/owl-0)
test above ... ok
test tests::inside ... ok
test tests::fails ... FAILED
test inner::ranges ... ok
     Running tests/other.rs (target/debug/deps/other-0)
test inner::unrun ... ok
"""
TAP = """# Subtest: kind a
    # Subtest: works
    ok 1 - works
    1..1
ok 1 - kind a
# Subtest: kind b
    # Subtest: works
    {} 1 - works
    1..1
{} 2 - kind b
"""


class Conformance(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = conformance.ROOT = Path(folder.name)
        for name, text in [
            ("tests/behaviours.txt", BEHAVIOURS),
            ("src/lib.rs", RUST),
            ("src/inner.rs", INNER),
            ("src/main.rs", ""),
            ("tests/client/a.test.js", NODE),
            ("logs/rust.log", CARGO),
            ("logs/client.log", TAP.format("ok", "ok")),
        ]:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def results(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(conformance.main(self.root / "logs"), 1)
        rows = (self.root / "tests/conformance.md").read_text().splitlines()
        cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows if row.startswith("| 11.1-")]
        return {cell[0]: cell[2:] for cell in cells}

    def test_each_result_is_told_apart(self):
        results = self.results()
        inside = "src/lib.rs: inside<br>src/inner.rs: ranges"
        self.assertEqual(sorted(results["11.1-1"][0].split("<br>")), sorted(inside.split("<br>")))
        self.assertEqual(
            {number: result for number, (_, result) in results.items()},
            {
                "11.1-1": "passed",
                "11.1-2": "passed",
                "11.1-3": "no test",
                "11.1-4": "left out",
                "11.1-5": "passed",
                "11.1-6": "failed",
                "11.1-7": "not run",
                "11.1-8": "in part",
            },
        )

    def test_a_test_of_node_has_passed_when_each_of_its_kinds_has(self):
        (self.root / "logs/client.log").write_text(TAP.format("not ok", "not ok"))
        self.assertEqual(self.results()["11.1-5"], ["tests/client/a.test.js: kind ${kind} > works", "failed"])

    def test_numbers_out_of_place_are_complaints(self):
        found = conformance.Found(conformance.Behaviours(BEHAVIOURS).texts)
        root = self.root / "src/lib.rs"
        conformance.scan_rust(root, root, [], found)
        self.assertEqual(
            found.complaints,
            [
                "src/inner.rs:7: 11.1-3 is in no test",
                "src/inner.rs:12: write out each number of the range",
                "src/inner.rs:12: there is no behaviour 11.1-9",
            ],
        )


if __name__ == "__main__":
    unittest.main()
