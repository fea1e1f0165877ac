"""What the design promises of the code as a whole: imports, purity, sizes, and a few habits."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINTER = PROJECT["tool"]["importlinter"]
SERVER_ONLY = (
    "fastapi", "numpy", "prometheus_client", "psycopg", "psycopg_pool", "pydantic",
    "scipy", "shapely", "starlette", "uvicorn", "cbor2",
)  # fmt: skip
LONGEST_MODULE = 500
BROAD = {"Exception", "BaseException"}
# A broad except may swallow only at the top of a process or task, and says here why.
BROAD_ALLOWED = {
    "alerts/notify/keep.py": "a fault in one channel is logged and must not end the others",
}
SQL_ALLOWED = {
    "geodata/maps/gdal.py": "looks into a GeoPackage, a file of SQLite, before GDAL opens it",
    "core/db/describe.py": "writes SQL for reading and runs none of it",
    "dev/servers.py": "makes and drops databases, whose names cannot be parameters",
}
SQL = re.compile(
    r"\s*(--.*\s)*(SELECT\s|INSERT INTO\s|UPDATE \w+ SET\s|DELETE FROM\s|WITH \w+ AS|"
    r"CREATE (TABLE|INDEX|UNIQUE|VIEW)|ALTER TABLE|DROP TABLE|TRUNCATE\s|COPY \w+ )"
)


def sources() -> list[Path]:
    found = [ROOT / "blocktwin.py"]
    for package in LINTER["root_packages"]:
        found += sorted((ROOT / package).rglob("*.py"))
    return found


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in sources():
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def pure_modules() -> list[Path]:
    contract = next(c for c in LINTER["contracts"] if c["name"].startswith("Pure modules"))
    found: list[Path] = []
    for name in contract["source_modules"]:
        place = ROOT / name.replace(".", "/")
        found += sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return found


def imports(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_imports_point_down_the_list() -> None:
    # In a process of its own: the linter's logging set-up silences every logger that exists.
    argv = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"run: .venv/bin/lint-imports\n{done.stdout}"


def test_every_package_is_in_the_list() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(LINTER["root_packages"])
    shipped = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    assert packages <= shipped


def test_nothing_imports_the_command() -> None:
    """The import linter knows packages only, and ``blocktwin`` is one file."""
    assert [name for name, tree in parsed() if "blocktwin" in imports(tree)] == []


def test_pure_modules_ask_no_clock() -> None:
    for path in pure_modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                place = f"{path.name}:{node.lineno}: the caller passes the time"
                assert node.attr not in {"now", "utcnow", "today"}, place


def test_the_agent_and_config_run_without_the_packages_of_the_server() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "edge").rglob("*.py"))
    ]
    script = (
        "import sys, importlib\n"
        f"for name in {SERVER_ONLY!r}: sys.modules[name] = None\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "import blocktwin\n"
        "blocktwin.main(['config', 'show', '--json'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_modules_are_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    }
    assert long == {}


def test_modules_and_folders_say_what_they_are_for() -> None:
    assert [name for name, tree in parsed() if not ast.get_docstring(tree)] == []
    vague = {"manager", "helper", "helpers", "util", "utils", "base", "common", "misc"}
    assert [path.name for path in sources() if path.stem in vague] == []


def test_a_broad_except_raises_again() -> None:
    for name, tree in parsed():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler) or name in BROAD_ALLOWED:
                continue
            kinds = {part.id for part in ast.walk(node.type or ast.Name("BaseException"))
                     if isinstance(part, ast.Name)}  # fmt: skip
            if kinds & BROAD:
                assert isinstance(node.body[-1], ast.Raise), f"{name}:{node.lineno}: too broad"


def test_tasks_belong_to_a_group_and_have_a_name() -> None:
    for name, tree in parsed():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            place = f"{name}:{node.lineno}"
            assert node.func.attr != "ensure_future", place
            if node.func.attr != "create_task":
                continue
            owner = node.func.value
            assert not (isinstance(owner, ast.Name) and owner.id in {"asyncio", "loop"}), place
            assert any(keyword.arg == "name" for keyword in node.keywords), f"{place}: no name"


def test_sql_stands_in_sql_files() -> None:
    for name, tree in parsed():
        if name in SQL_ALLOWED:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not SQL.match(node.value), f"{name}:{node.lineno}: move it to a .sql file"


def test_no_path_of_one_machine_stands_in_the_tree() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this tree is no git repository")
    pattern = re.compile(r"/(work/(main|shared)|root/)")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path == Path(__file__) or path.suffix not in {
            ".py", ".sql", ".md", ".toml", ".json", ".sh", ".yaml", ".yml", ".ts", ".conf", ".txt",
        }:  # fmt: skip
            continue
        if path.exists():
            assert not pattern.search(path.read_text(encoding="utf-8")), name
