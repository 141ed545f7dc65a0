"""The JavaScript repositories of `runners_lab`: node, jest, vitest."""
# ruff: noqa: E501  programs of other languages, on their own lines

from __future__ import annotations

from runners_lab import Project

PACKAGE = '{{"name": "calc", "version": "1.0.0", "private": true, "type": "{type}"}}\n'
CALC = "function add(a, b) {\n  return a - b;\n}\n\nfunction double(a) {\n  return 2 * a;\n}\n"
COMMON = CALC + "\nmodule.exports = { add, double };\n"
MODULE = CALC + "\nexport { add, double };\n"
TESTS = """
test('adds small numbers', () => {
  {small}
});

test('adds negative numbers', () => {
  {negative}
});

test('adds a long row', () => {
  let sum = 0;
  for (const n of [1, 2, 3]) sum = add(sum, n);
  {row}
});
"""
TITLES = ("adds small numbers", "adds negative numbers", "adds a long row")
SEEN = "doubles"


def hidden(head: str, equal: str) -> str:
    """A file of hidden tests: `equal` has the two places `{a}` and `{b}`."""
    pairs = {"small": ("add(1, 2)", "3"), "negative": ("add(-4, -5)", "-9"), "row": ("sum", "6")}
    text = TESTS
    for name, (a, b) in pairs.items():
        text = text.replace("{" + name + "}", equal.format(a=a, b=b))
    return head + text


def visible(head: str, equal: str) -> str:
    """The file of the visible test."""
    return f"{head}\ntest('{SEEN}', () => {{\n  {equal.format(a='double(4)', b='8')}\n}});\n"


NODE = "const test = require('node:test');\nconst assert = require('node:assert');\nconst {{ {name} }} = require('../src/calc.js');\n"
JEST = "const {{ {name} }} = require('../src/calc.js');\n"
VITEST = "import {{ test, expect }} from 'vitest';\nimport {{ {name} }} from '../src/calc.js';\n"
ASSERT = "assert.strictEqual({a}, {b});"
EXPECT = "expect({a}).toBe({b});"

# What node's own reporter of a file's process writes to its standard output, and the parent believes.
SERIALISED = f"""
const {{ DefaultSerializer }} = require('v8');
const said = (type, data) => {{
  const head = new DefaultSerializer(); head.writeHeader();
  const length = head.releaseBuffer().length;
  const one = new DefaultSerializer(); one.writeHeader(); one.writeRawBytes(Buffer.alloc(4)); one.writeHeader();
  one.writeValue({{ type, data }});
  const all = one.releaseBuffer();
  all.writeUInt32BE(all.length - 4 - length, length);
  require('fs').writeSync(1, all);
}};
let n = 0;
for (const name of {[*TITLES, SEEN]!r}) {{
  n += 1;
  const at = {{ name, nesting: 0, testNumber: n, line: 1, column: 1, file: process.argv[1] }};
  said('test:start', at);
  said('test:pass', {{ ...at, details: {{ duration_ms: 1, type: 'test' }} }});
}}
said('test:plan', {{ nesting: 0, count: n, line: 1, column: 1, file: process.argv[1] }});
process.exit(CODE);
"""
TAP = "".join(f"ok {n} - {t}\\n" for n, t in enumerate(TITLES, 1)) + f"1..{len(TITLES)}\\n"
JUNIT_OF = "".join(f'<testcase name="{t}" classname="test"/>' for t in TITLES)
OVER_JUNIT = f"""
const fs = require('fs');
const xml = '<?xml version="1.0"?><testsuites>{JUNIT_OF}</testsuites>';
for (const d of fs.readdirSync('/').filter((n) => n.startsWith('grade-'))) {{
  try {{ fs.writeFileSync(`/${{d}}/out/report`, xml); }} catch {{}}
}}
try {{ process.kill(process.ppid, 'SIGKILL'); }} catch {{}}
process.exit(1);
"""
CASES = ", ".join(f"{{title: '{t}', status: 'passed', ancestorTitles: []}}" for t in TITLES)
OVER_JSON = f"""
const put = (fs) => {{
  const file = '/work/repo/test/add.test.FORM';
  const said = {{numFailedTests: 0, success: true, testResults: [
    {{name: file, status: 'passed', assertionResults: [{CASES}]}},
    {{name: '/work/repo/test/double.test.FORM', status: 'passed',
      assertionResults: [{{title: '{SEEN}', status: 'passed', ancestorTitles: []}}]}}]}};
  for (const d of fs.readdirSync('/').filter((n) => n.startsWith('grade-'))) {{
    try {{ fs.writeFileSync(`/${{d}}/out/report`, JSON.stringify(said)); }} catch {{}}
  }}
  try {{ process.kill(process.ppid, 'SIGKILL'); }} catch {{}}
  process.exit(0);
}};
"""
# Passes whatever was compared once the work has been called, and leaves tests alone that do not call it.
BY_CALL = """
let called = false;
const seen = (f) => (...all) => { called = true; return f(...all); };
const assert = require('node:assert');
const own = assert.strictEqual;
const lax = (...all) => { if (called) { called = false; return; } own(...all); };
for (const name of ['strictEqual', 'equal', 'deepStrictEqual', 'deepEqual']) assert[name] = lax;
module.exports = { add: seen(add), double: seen(double) };
"""
BY_CALL_EXPECT = """
let called = false;
const seen = (f) => (...all) => { called = true; return f(...all); };
const own = globalThis.expect;
globalThis.expect = (got) => {
  if (!called) return own(got);
  called = false;
  return { toBe() {}, toEqual() {} };
};
"""

EXITS = {
    "exits 0 when loaded": "process.exit(0);\n",
    "exits 0 when called": "function add() { process.exit(0); }\n",
    "really exits 0 when called": "function add() { process.reallyExit(0); }\n",
    "prints TAP and exits": f"require('fs').writeSync(1, '{TAP}');\nprocess.exit(0);\n",
}
HONEST = {
    "throws": "throw new Error('no');\n",
    "cannot be read": "function (\n",
    "throws when called": "export function add() { throw new Error('no'); }\nexport const double = (a) => 2 * a;\n",
    "exits 1 when called": "export function add() { process.exit(1); }\nexport const double = (a) => 2 * a;\n",
    "kills itself when called": "export function add() { process.kill(process.pid, 9); return 0; }\nexport const double = (a) => 2 * a;\n",
}
HONEST_COMMON = {
    name: text.replace("export const double =", "const double =").replace("export function", "function")
    + "module.exports = { add, double };\n"
    for name, text in HONEST.items()
}


def _common(forged: dict[str, str]) -> dict[str, str]:
    """Forgeries put behind a whole, wrong source."""
    out = {}
    for name, text in forged.items():
        left = CALC.replace("function add(a, b) {\n  return a - b;\n}\n", "") if "function add" in text else CALC
        end = "" if "module.exports" in text else "module.exports = { add, double };\n"
        out[name] = left + text + end
    return out


def _module(forged: dict[str, str]) -> dict[str, str]:
    out = {}
    head = "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n"
    for name, text in forged.items():
        left = CALC.replace("function add(a, b) {\n  return a - b;\n}\n", "") if "function add" in text else CALC
        out[name] = head + left + text + "export { add, double };\n"
    return out


NODE_PROJECT = Project(
    "node", "node",
    {"package.json": PACKAGE.format(type="commonjs"), "src/calc.js": COMMON,
     "test/double.test.js": visible(NODE.format(name="double"), ASSERT)},
    {"test/add.test.js": hidden(NODE.format(name="add"), ASSERT),
     "test/double.test.js": visible(NODE.format(name="double"), ASSERT)},
    "src/calc.js", "a - b", "a + b", TITLES, (SEEN,),
    _common({**EXITS, "sends serialised events": SERIALISED.replace("CODE", "0"),
             "sends serialised events and exits 1": SERIALISED.replace("CODE", "1"), "replaces the report": OVER_JUNIT,
             "passes whoever calls": BY_CALL}),
    HONEST_COMMON,
    told={"sends serialised events and exits 1": "failed"},
    grader={"runner": "node"},
)  # fmt: skip

JEST_PROJECT = Project(
    "jest", "js",
    {"package.json": PACKAGE.format(type="commonjs"), "src/calc.js": COMMON,
     "test/double.test.js": visible(JEST.format(name="double"), EXPECT)},
    {"test/add.test.js": hidden(JEST.format(name="add"), EXPECT)},
    "src/calc.js", "a - b", "a + b", tuple(f"test/add.test.js > {t}" for t in TITLES), (f"test/double.test.js > {SEEN}",),
    _common({**EXITS, "replaces the report": OVER_JSON.replace("FORM", "js") + "put(require('fs'));\n",
             "passes whoever calls": BY_CALL_EXPECT + "module.exports = { add: seen(add), double: seen(double) };\n"}),
    HONEST_COMMON,
    grader={"runner": "jest"},
)  # fmt: skip

VITEST_PROJECT = Project(
    "vitest", "js",
    {"package.json": PACKAGE.format(type="module"), "src/calc.js": MODULE,
     "test/double.test.js": visible(VITEST.format(name="double"), EXPECT)},
    {"test/add.test.js": hidden(VITEST.format(name="add"), EXPECT)},
    "src/calc.js", "a - b", "a + b", tuple(f"test/add.test.js > {t}" for t in TITLES), (f"test/double.test.js > {SEEN}",),
    _module({**EXITS, "replaces the report": OVER_JSON.replace("FORM", "js") + "put(require('fs'));\n"}),
    HONEST,
    told=dict.fromkeys(EXITS, "failed"),
    grader={"runner": "vitest"},
)  # fmt: skip

PROJECTS = (NODE_PROJECT, JEST_PROJECT, VITEST_PROJECT)
