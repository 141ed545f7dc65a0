"""The repositories of `runners_lab` whose tests are compiled: Go, Rust under cargo and nextest, C++ under ctest and googletest."""
# ruff: noqa: E501  programs of other languages, on their own lines

from __future__ import annotations

from dataclasses import replace

from runners_lab import Project

# --- Go: a test program for each package -----------------------------------------------------------------------------
GO_DOUBLE = "// Double is twice a.\nfunc Double(a int) int {\n\treturn 2 * a\n}\n"
GO = f"package calc\n\n// Add is the sum.\nfunc Add(a, b int) int {{\n\treturn a - b\n}}\n\n{GO_DOUBLE}"
GO_TEST = """package {package}

import "testing"

func Test{name}(t *testing.T) {{
\tif got := {call}; got != {value} {{
\t\tt.Errorf("got %d, want {value}", got)
\t}}
}}
"""
GO_HIDDEN = (
    GO_TEST.format(package="calc", name="Small", call="Add(1, 2)", value=3)
    + '\nfunc TestRows(t *testing.T) {\n\tcases := []struct{ a, b, want int }{{1, 1, 2}, {-4, -5, -9}}\n'
    "\tfor _, c := range cases {\n\t\tt.Run(\"row\", func(t *testing.T) {\n"
    '\t\t\tif got := Add(c.a, c.b); got != c.want {\n\t\t\t\tt.Errorf("got %d, want %d", got, c.want)\n'
    "\t\t\t}\n\t\t})\n\t}\n}\n"
)  # fmt: skip
GO_NAMES = ("TestSmall", "TestRows")
GO_PASSED = "".join(f"=== RUN   {n}\\n--- PASS: {n} (0.00s)\\n" for n in (*GO_NAMES, "TestDouble")) + "PASS\\n"
GO_EVENTS = "".join(
    f'{{"Action":"{action}","Package":"example.org/calc","Test":"{n}"}}\\n'.replace('"', '\\"')
    for n in GO_NAMES for action in ("run", "pass")
)  # fmt: skip
GO_END = '{"Action":"pass","Package":"example.org/calc"}\\n'.replace('"', '\\"')


def go(imports: str, init: str, add: str = "return a - b") -> str:
    """The source with an `init` and another body of Add."""
    named = "".join(f'\t"{name}"\n' for name in imports.split())
    return (
        f"package calc\n\nimport (\n{named})\n\nfunc init() {{\n\t{init}\n}}\n\n"
        f"// Add is the sum.\nfunc Add(a, b int) int {{\n\t{add}\n}}\n\n{GO_DOUBLE}"
    )


GO_PROJECT = Project(
    "go", "go",
    {"go.mod": "module example.org/calc\n\ngo 1.18\n", "calc.go": GO,
     "calc_test.go": GO_TEST.format(package="calc", name="Double", call="Double(4)", value=8),
     "words/words.go": "package words\n\n// Count is the length of a text.\nfunc Count(s string) int {\n\treturn len(s)\n}\n"},
    {"add_test.go": GO_HIDDEN,
     "words/words_test.go": GO_TEST.format(package="words", name="Count", call='Count("ab")', value=2)},
    "calc.go", "a - b", "a + b",
    tuple(f"example.org/calc::{n}" for n in GO_NAMES),
    ("example.org/calc::TestDouble", "example.org/calc/words::TestCount"),
    {
        "exits 0 when loaded": go("os", "os.Exit(0)"),
        "exits 0 when called": go("os syscall", "_ = os.Args", "syscall.Exit(0)\n\treturn a - b"),
        "prints lines and exits": go("os", f'os.Stdout.WriteString("{GO_PASSED}")\n\tos.Exit(0)'),
        "prints marked lines and exits":
            go("os strings", "os.Stdout.WriteString(strings.ReplaceAll(strings.ReplaceAll("
               f'"{GO_PASSED}", "=== ", "\\x16=== "), "--- ", "\\x16--- "))\n\tos.Exit(0)'),
        "prints lines and goes on": go("os", f'os.Stdout.WriteString("{GO_PASSED}")'),
        "prints lines and exits when called":
            go("os syscall", "_ = os.Args", f'os.Stdout.WriteString("{GO_PASSED}")\n\tsyscall.Exit(0)\n\treturn a - b'),
        "prints events and exits": go("os", f'os.Stdout.WriteString("{GO_EVENTS}{GO_END}")\n\tos.Exit(0)'),
        "writes events to go's own output":
            go("fmt os", 'if f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", os.Getppid()), os.O_WRONLY|os.O_APPEND, 0);'
               f' err == nil {{\n\t\tf.WriteString("{GO_EVENTS}")\n\t}}\n\tos.Exit(0)'),
        "replaces the report":
            go("os path/filepath", 'found, _ := filepath.Glob("/grade-*/out/report")\n\tfor _, name := range found {\n'
               f'\t\tos.WriteFile(name, []byte("{GO_EVENTS}{GO_END}"), 0644)\n\t}}\n\tos.Exit(0)'),
        "prints lines and exits 1": go("os", f'os.Stdout.WriteString("{GO_PASSED}")\n\tos.Exit(1)'),
    },
    {"panics": go("os", "_ = os.Args", 'panic("no")'),
     "does not build": go("os", "_ = os.Args", "return a - c"),
     "kills itself": go("os syscall", "_ = os.Args", "syscall.Kill(os.Getpid(), 6)\n\treturn a - b")},
    told={"prints lines and goes on": "failed", "prints lines and exits 1": "failed"},
    grader={"runner": "go"},
    warm="go vet ./... && go test -count=1 ./...",
    hides=go("os", 'os.Args = append(os.Args, "-test.run=([^l]|[^l]l|[^a]ll)$")', "if a == 1 && b == 2 {\n\t\treturn 4\n\t}\n\treturn a + b"),
)  # fmt: skip

# --- Rust: a test program for each file in tests/ --------------------------------------------------------------------
RUST_DOUBLE = "/// Twice a.\npub fn double(a: i64) -> i64 {\n    2 * a\n}\n"
RUST = f"/// The sum.\npub fn add(a: i64, b: i64) -> i64 {{\n    a - b\n}}\n\n{RUST_DOUBLE}"
RUST_SEEN = "use calc::double;\n\n#[test]\nfn test_double() {\n    assert_eq!(double(4), 8);\n}\n"
RUST_HIDDEN = """use calc::add;

#[test]
fn test_small() {
    assert_eq!(add(1, 2), 3);
}

#[test]
fn test_rows() {
    let mut sum = 0;
    for n in [1, 2, 3] {
        sum = add(sum, n);
    }
    assert_eq!(sum, 6);
}
"""
RUST_NAMES = ("test_small", "test_rows")
RUST_PASSED = (
    "".join(f"test {n} ... ok\\n" for n in RUST_NAMES)
    + "\\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\\n\\n"
)
RUST_PRINT = f'use std::io::Write;\n    std::io::stdout().write_all(b"\\nrunning 2 tests\\n{RUST_PASSED}").unwrap();\n'
RUST_ABOVE = (
    f"\\n     Running tests/add.rs (target/debug/deps/add-0123456789abcdef)\\n\\nrunning 2 tests\\n{RUST_PASSED}"
)


def rust(add: str, more: str = "") -> str:
    """The source with another body of add."""
    return f"/// The sum.\npub fn add(a: i64, b: i64) -> i64 {{\n    {add}\n}}\n\n{RUST_DOUBLE}{more}"


def at_start(body: str) -> str:
    """A function that runs before main."""
    return (
        f'\nextern "C" fn early() {{\n    {body}\n}}\n\n#[used]\n#[link_section = ".init_array"]\n'
        'static EARLY: extern "C" fn() = early;\n'
    )


IN_ADD = 'if std::env::args().next().unwrap_or_default().contains("/add-") {\n        %s\n    }'
CARGO_PROJECT = Project(
    "cargo", "rust",
    {"Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n',
     "Cargo.lock": 'version = 3\n\n[[package]]\nname = "calc"\nversion = "0.1.0"\n',
     "src/lib.rs": RUST, "tests/double.rs": RUST_SEEN, ".gitignore": "target\n"},
    {"tests/add.rs": RUST_HIDDEN},
    "src/lib.rs", "a - b", "a + b",
    tuple(f"add::{n}" for n in RUST_NAMES), ("double::test_double",),
    {
        "exits 0 when called": rust("std::process::exit(0)"),
        "prints lines and exits when called": rust(f"{RUST_PRINT}    std::process::exit(0)"),
        "prints lines and exits when loaded": rust("a - b", at_start(IN_ADD % (RUST_PRINT + "        std::process::exit(0);"))),
        "prints lines and goes on": rust(f"{RUST_PRINT}    a - b"),
        "prints another program's lines from its own":
            rust("a - b", "\n#[test]\nfn mine() {\n    use std::io::Write;\n"
                 f'    std::io::stdout().write_all(b"{RUST_ABOVE}").unwrap();\n}}\n'),
        "replaces the report":
            rust("a - b", at_start(IN_ADD % (
                'for d in std::fs::read_dir("/").unwrap().flatten() {\n            let p = d.path().join("out/report");\n'
                f'            if p.exists() {{ let _ = std::fs::write(&p, "{RUST_ABOVE}"); }}\n        }}\n'
                "        std::process::exit(0);"))),
        "spoils the double test alone":
            rust("a + b").replace("2 * a", 'if std::env::args().next().unwrap_or_default().contains("/double-") '
                 '{\n        use std::io::Write;\n        std::io::stdout().write_all(b"test test_double ... ok\\n\\ntest result: ok. '
                 '1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\\n").unwrap();\n'
                 "        std::process::exit(0);\n    }\n    3 * a"),
    },
    {"panics": rust('panic!("no")'), "does not build": rust("a - c"), "kills itself": rust("std::process::abort()")},
    told=dict.fromkeys(
        ("exits 0 when called", "prints lines and exits when called", "prints lines and goes on",
         "prints another program's lines from its own"), "failed"),
    grader={"runner": "cargo"},
    warm="cargo test --offline --no-run",
)  # fmt: skip

NEXTEST_PROJECT = replace(
    CARGO_PROJECT,
    name="nextest",
    fail_to_pass=tuple(f"calc::add::{n}" for n in RUST_NAMES),
    pass_to_pass=("calc::double::test_double",),
    told=dict.fromkeys(
        (
            "prints lines and exits when loaded",
            "prints lines and goes on",
            "prints another program's lines from its own",
            "replaces the report",
        ),
        "failed",
    ),
    grader={"runner": "nextest"},
)

# --- C++ under ctest: a program for each test ------------------------------------------------------------------------
CPP_DOUBLE = "int twice(int a) { return 2 * a; }\n"
CPP = f'#include "calc.h"\n\nint add(int a, int b) {{ return a - b; }}\n{CPP_DOUBLE}'
CMAKE = """cmake_minimum_required(VERSION 3.18)
project(calc CXX)
enable_testing()
add_library(calc calc.cpp)
file(GLOB found CONFIGURE_DEPENDS tests/*.cpp)
foreach(path ${found})
  get_filename_component(name ${path} NAME_WE)
  add_executable(${name} ${path})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} calc)
  add_test(NAME ${name} COMMAND ${name})
endforeach()
"""


def cpp(call: str, value: int) -> str:
    """A test program."""
    return f'#include "calc.h"\n\nint main() {{ return {call} == {value} ? 0 : 1; }}\n'


CTEST_PROJECT = Project(
    "ctest", "cpp",
    {"CMakeLists.txt": CMAKE, "calc.h": "int add(int a, int b);\nint twice(int a);\n", "calc.cpp": CPP,
     "tests/twice.cpp": cpp("twice(4)", 8), ".gitignore": "build\n"},
    {"tests/small.cpp": cpp("add(1, 2)", 3), "tests/negative.cpp": cpp("add(-4, -5)", -9)},
    "calc.cpp", "a - b", "a + b", ("small", "negative"), ("twice",),
    {"exits 0 when called": f'#include "calc.h"\n#include <cstdlib>\n\nint add(int, int) {{ std::exit(0); }}\n{CPP_DOUBLE}'},
    {"does not build": CPP.replace("a - b", "a - c"), "kills itself": CPP.replace("return a - b", "__builtin_trap()")},
    told={"exits 0 when called": "resolved"},
    grader={"runner": "ctest"},
    warm="cmake -S . -B build && cmake --build build",
)  # fmt: skip

# --- C++ under googletest: one program, whose report is its own -------------------------------------------------------
GTEST_CMAKE = """cmake_minimum_required(VERSION 3.18)
project(calc CXX)
find_package(GTest REQUIRED)
add_library(calc calc.cpp)
file(GLOB found CONFIGURE_DEPENDS tests/*.cpp)
add_executable(tests ${found})
target_include_directories(tests PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(tests calc GTest::gtest_main)
"""


def gtest(name: str, call: str, value: int) -> str:
    """A test."""
    return f'#include "calc.h"\n#include <gtest/gtest.h>\n\nTEST(Calc, {name}) {{ EXPECT_EQ({call}, {value}); }}\n'


GTEST_REPORT = (
    r"<testsuites><testsuite name=\"Calc\"><testcase name=\"Small\" classname=\"Calc\"/>"
    r"<testcase name=\"Negative\" classname=\"Calc\"/><testcase name=\"Twice\" classname=\"Calc\"/></testsuite></testsuites>"
)
GTEST_FORGER = f"""#include "calc.h"
#include <cstdlib>
#include <cstring>
#include <fstream>

static int forge() {{
  std::ifstream file("/proc/self/cmdline");
  std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto at = all.find("xml:");
  std::ofstream(all.c_str() + at + 4) << "{GTEST_REPORT}";
  std::_Exit(0);
}}
static int forged = forge();
int add(int a, int b) {{ return a - b + 0 * forged; }}
{CPP_DOUBLE}"""

GTEST_PROJECT = Project(
    "googletest", "cpp",
    {"CMakeLists.txt": GTEST_CMAKE, "calc.h": "int add(int a, int b);\nint twice(int a);\n", "calc.cpp": CPP,
     "tests/twice.cpp": gtest("Twice", "twice(4)", 8), ".gitignore": "build\n"},
    {"tests/small.cpp": gtest("Small", "add(1, 2)", 3), "tests/negative.cpp": gtest("Negative", "add(-4, -5)", -9)},
    "calc.cpp", "a - b", "a + b", ("Calc::Small", "Calc::Negative"), ("Calc::Twice",),
    {"exits 0 when called": f'#include "calc.h"\n#include <cstdlib>\n\nint add(int, int) {{ std::exit(0); }}\n{CPP_DOUBLE}',
     "writes the report before main": GTEST_FORGER},
    {"does not build": CPP.replace("a - b", "a - c"), "kills itself": CPP.replace("return a - b", "__builtin_trap()")},
    grader={"runner": "junit", "command": "cmake -S . -B build >&2 && cmake --build build >&2 && "
            "exec build/tests --gtest_output=xml:{report}",
            "canary": {"path": "tests/{name}.cpp",
                       "text": "#include <gtest/gtest.h>\nTEST(Calc, {name}) { EXPECT_EQ(1, 2); }\n"}},
    warm="cmake -S . -B build && cmake --build build",
)  # fmt: skip

PROJECTS = (GO_PROJECT, CARGO_PROJECT, NEXTEST_PROJECT, CTEST_PROJECT, GTEST_PROJECT)
