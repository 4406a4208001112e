"""The project's files agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import labelnoise

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text()


PROJECT = tomllib.loads(text("pyproject.toml"))["project"]
# One line per requirement, with its hashes.
LOCK_LINES = [
    line
    for line in text("requirements.lock").replace("\\\n    --hash=", "--hash=").splitlines()
    if line and not line.startswith("#")
]
ENVIRONMENT = yaml.safe_load(text("environment.yml"))["dependencies"]
EXTRAS = PROJECT["optional-dependencies"]


def locked() -> list[Requirement]:
    return [Requirement(line.partition(" --hash=")[0]) for line in LOCK_LINES]


def pins() -> dict[str, str]:
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in locked()}


def ranges(*extras: str) -> list[Requirement]:
    """Those of the package and of some extras, but for itself."""
    named = [Requirement(r) for r in [*PROJECT["dependencies"], *(r for extra in extras for r in EXTRAS[extra])]]
    return [requirement for requirement in named if requirement.name != PROJECT["name"]]


def code_lines(markdown: str) -> list[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```", markdown, flags=re.DOTALL | re.MULTILINE)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]


def test_every_line_of_the_lock_is_one_exact_pin_with_the_hashes_of_its_files() -> None:
    line = r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+ ; [^@\\#]+?( --hash=sha256:[0-9a-f]{64})+"
    assert [each for each in LOCK_LINES if not re.fullmatch(line, each)] == []
    assert len(pins()) == len(LOCK_LINES)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", ["3.11", "3.14"])
def test_the_lock_is_for_each_system_and_python(platform: str, python: str) -> None:
    where = {"sys_platform": platform, "python_version": python, "python_full_version": f"{python}.5"}
    where |= {"platform_machine": "x86_64", "implementation_name": "cpython", "extra": ""}
    found = {canonicalize_name(each.name) for each in locked() if each.marker and each.marker.evaluate(where)}
    asked = ranges("own", "trials", "book", "test")
    assert {canonicalize_name(each.name) for each in asked} <= found


@pytest.mark.parametrize(
    "requirement", ranges("own", "trials", "book", "test"), ids=lambda requirement: requirement.name
)
def test_the_pin_of_a_dependency_lies_in_its_range(requirement: Requirement) -> None:
    pinned = pins().get(canonicalize_name(requirement.name))
    assert pinned is not None, f"requirements.lock has no {requirement.name}; renew it as its first lines say."
    assert requirement.specifier.contains(pinned)


def test_what_a_cluster_needs_is_tested() -> None:
    assert {str(each) for each in ranges("cluster", "tune")} <= {str(each) for each in ranges("trials", "test")}


def test_conda_installs_the_lock_and_no_package_beside_it() -> None:
    own = [entry for entry in ENVIRONMENT if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in ENVIRONMENT if isinstance(entry, dict)]
    assert pip == ["-r requirements.lock"]  # with hashes, pip refuses a folder beside them
    assert "pip install --no-deps -e ." in text("environment.yml")
    assert {entry.split("=")[0] for entry in own} == {"python", "make", "pip"}
    (python,) = [entry.split("=")[1] for entry in own if entry.startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)


def test_make_installs_the_lock_and_no_package_beside_it() -> None:
    installs = re.findall(r"^\t\$\(PIP_INSTALL\) (.*)$", text("Makefile"), flags=re.MULTILINE)
    locked_first, *others = installs
    assert locked_first.endswith("requirements.lock")
    assert others
    assert all("--no-deps" in other.split() for other in others)


def test_pre_commit_checks_with_the_ruff_of_the_lock() -> None:
    revisions = {repo["repo"]: repo["rev"] for repo in yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]}
    (ruff,) = [rev for repo, rev in revisions.items() if "ruff" in repo]
    assert ruff == f"v{pins()['ruff']}"


def test_outputs_are_stripped_from_sources_only() -> None:
    hooks = [hook for repo in yaml.safe_load(text(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    (strip,) = [hook for hook in hooks if hook["id"] == "nbstripout"]
    assert re.search(strip["files"], "notebooks/01_noise.ipynb")
    assert not re.search(strip["files"], "book/chapters/01_noise.ipynb")


def test_ci_runs_the_test_command_of_the_readme() -> None:
    *before, command = [line for line in text(".ci/run").splitlines() if line and not line.startswith("#")]
    assert command in code_lines(text("README.md"))
    assert re.match(r"make \w+$", command)
    assert before[0].startswith("set -e")  # so that what fails before it fails the run


def test_the_version_and_its_date_are_the_same_everywhere() -> None:
    citation = yaml.safe_load(text("CITATION.cff"))
    newest = re.search(r"^## \[([^]]+)\] - (\S+)$", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert newest is not None
    assert newest.groups() == (citation["version"], citation["date-released"])
    assert citation["version"] == labelnoise.__version__


def test_both_licences_are_named_where_readers_look() -> None:
    assert PROJECT["license"] == yaml.safe_load(text("CITATION.cff"))["license"] == "MIT"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert text("LICENSE").startswith("MIT License")
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in text("LICENSE-CONTENT")
    for name in ("(LICENSE)", "(LICENSE-CONTENT)", "(CITATION.cff)"):
        assert name in text("README.md")


def test_no_file_names_a_package_index() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    option = re.compile(rb"(index|extra-index)[-_]url|find[-_]links|\bindex-servers\b", flags=re.IGNORECASE)
    paths = {ROOT / name for name in listed.stdout.split("\0") if name} - {Path(__file__)}
    assert [path for path in paths if path.is_file() and option.search(path.read_bytes())] == []


@pytest.mark.parametrize("name", ["book", "weekly"])
def test_a_workflow_is_pinned_by_commit_and_each_job_has_the_least_permissions(name: str) -> None:
    workflow = text(f".github/workflows/{name}.yml")
    used = re.findall(r"^\s*-?\s*uses: (.*)$", workflow, flags=re.MULTILINE)
    assert used
    for line in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    parsed = yaml.safe_load(workflow)
    assert parsed["permissions"] == {}
    for job in parsed["jobs"].values():
        deploys = any("deploy-pages" in step.get("uses", "") for step in job["steps"])
        writes = {what for what, access in job["permissions"].items() if access == "write"}
        assert writes == ({"pages", "id-token"} if deploys else set())  # as that action needs them


def test_the_workflow_runs_the_test_command_and_targets_that_there_are() -> None:
    parsed = yaml.safe_load(text(".github/workflows/book.yml"))
    commands = {step["run"] for step in parsed["jobs"]["build"]["steps"] if "run" in step}
    targets = {f"make {name}" for name in re.findall(r"^(\w+):", text("Makefile"), flags=re.MULTILINE)}
    assert commands <= targets
    assert text(".ci/run").splitlines()[-1] in commands


def test_the_workflow_has_the_oldest_python_and_the_newest_of_the_lock() -> None:
    pythons = yaml.safe_load(text(".github/workflows/book.yml"))["jobs"]["systems"]["strategy"]["matrix"]["python"]
    uv = tomllib.loads(text("pyproject.toml"))["tool"]["uv"]
    (end,) = {int(re.findall(r"python_full_version < '3\.(\d+)'", each)[0]) for each in uv["environments"]}
    assert pythons == [PROJECT["requires-python"].removeprefix(">="), f"3.{end - 1}"]


def test_the_picture_of_the_house_has_the_rooms_of_the_contract_in_its_order() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    rooms = [found for layer in layers if (found := re.findall(r"labelnoise\.([a-z]\w*)", layer))]
    picture = re.search(r"^```text\n(.*?)^```", text("CONTRIBUTING.md"), flags=re.DOTALL | re.MULTILINE)
    assert picture is not None
    drawn = [re.findall(r"[a-z]+", line[:36]) for line in picture[1].splitlines()]
    assert [sorted(line) for line in drawn if line] == [sorted(line) for line in rooms]


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    long = {path.name: path.read_text().count("\n") for path in (ROOT / "src").rglob("*.py")}
    assert [name for name, lines in long.items() if lines > 250] == []
