"""What is run again, from logs of cargo's: whatever is not plainly a few failed tests must fail."""
import importlib.machinery
import importlib.util
import unittest
from pathlib import Path

LOADER = importlib.machinery.SourceFileLoader("again", str(Path(__file__).with_name("again")))
again = importlib.util.module_from_spec(importlib.util.spec_from_loader("again", LOADER))
LOADER.exec_module(again)

LOG = """     Running unittests src/lib.rs (target/debug/deps/owl-0a)
test store::tests::a ... ok
test store::tests::b ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s
error: test failed, to rerun pass `--lib`
     Running tests/api.rs (target/debug/deps/api-0b)
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s
     Running tests/black_box/main.rs (target/debug/deps/black_box-0c)
test master::outages::c ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s
   Doc-tests owl
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s
error: 2 targets failed:
"""


class Again(unittest.TestCase):
    def test_failed_tests_are_found_with_their_targets(self):
        tests = [(("--lib",), "store::tests::b"), (("--test", "black_box"), "master::outages::c")]
        self.assertEqual(again.failed(LOG), tests)

    def test_what_is_more_than_failed_tests_is_no_accident(self):
        for more in [
            "error: could not compile `owl` (lib) due to 1 previous error",
            "  process didn't exit successfully: `target/debug/deps/api-0b` (signal: 11, SIGSEGV)",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
        ]:
            self.assertIsNone(again.failed(LOG + more + "\n"), more)
        self.assertIsNone(again.failed("error: no such command"))

    def test_a_test_that_fails_again_fails(self):
        log = Path(__file__).with_name("again_test.py")
        self.assertEqual(again.main(log, []), 1)


if __name__ == "__main__":
    unittest.main()
