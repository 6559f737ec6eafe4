# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.


"""Rules of this house that neither ruff nor OpenStack's hacking knows.

Owns the checks with codes ``CSB...`` (listed in ``HACKING.rst``), which
``tox -e pep8`` runs through flake8. Nothing here may import the rest of csbs.

Every check is a function that is given the syntax tree and the path of one
file and yields (node, message) for each breach.
"""

import ast
from collections.abc import Callable
from collections.abc import Iterator
import pathlib
from typing import ClassVar

Breach = tuple[ast.AST, str]
Check = Callable[[ast.Module, pathlib.PurePath], Iterator[Breach]]

#: layers that may read the process's one configuration object
CONF_LAYERS = ('cmd', 'conf', 'service', 'service.py', 'wsgi')

LOG_METHODS = frozenset(
    ('critical', 'debug', 'error', 'exception', 'info', 'log', 'warning')
)


def _inside(path: pathlib.PurePath, *names: str) -> bool:
    """Return whether the path leads through ``csbs/<one of the names>``."""
    parts = path.parts
    return any(
        parts[i] == 'csbs' and parts[i + 1] in names
        for i in range(len(parts) - 1)
    )


def _dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` of a chain of names, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f'{before}.{node.attr}' if before else ''
    return ''


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the dotted names that an import statement brings in."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
    elif isinstance(node, ast.ImportFrom) and not node.level:
        for alias in node.names:
            yield f'{node.module}.{alias.name}'


def no_eventlet(tree: ast.Module, path: pathlib.PurePath) -> Iterator[Breach]:
    """CSB301: threads are real threads, so nothing imports eventlet."""
    for node in ast.walk(tree):
        for name in _imported(node):
            if name.split('.')[0] in ('eventlet', 'greenlet'):
                yield node, 'CSB301: csbs uses threads; do not import eventlet'


def no_global_conf(
    tree: ast.Module, path: pathlib.PurePath
) -> Iterator[Breach]:
    """CSB302: below the process's edge, configuration is handed in."""
    if _inside(path, 'tests', *CONF_LAYERS):
        return
    for node in ast.walk(tree):
        used = isinstance(node, ast.Attribute) and _dotted(node) == 'cfg.CONF'
        if used or 'oslo_config.cfg.CONF' in _imported(node):
            yield (
                node,
                'CSB302: do not use the global cfg.CONF here; take what is '
                'needed as a parameter',
            )


def plain_log_messages(
    tree: ast.Module, path: pathlib.PurePath
) -> Iterator[Breach]:
    """CSB303: log messages are neither translated nor put together early."""
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LOG_METHODS
            and _dotted(node.func.value).split('.')[-1].upper()
            in ('LOG', 'LOGGER')
        ):
            continue
        for argument in node.args[:2]:
            translated = isinstance(argument, ast.Call) and _dotted(
                argument.func
            ).startswith('_')
            if translated or isinstance(argument, ast.JoinedStr):
                yield (
                    node,
                    'CSB303: log a plain string with %s and arguments, not '
                    'a translated or an f-string',
                )


def aware_times(tree: ast.Module, path: pathlib.PurePath) -> Iterator[Breach]:
    """CSB304: a time without a time zone is never made."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func)
        owner, _, method = name.rpartition('.')
        of_datetime = owner.split('.')[-1] == 'datetime'
        zoned = bool(node.args or node.keywords)
        if name == 'timeutils.utcnow' or (
            of_datetime
            and (
                method in ('utcnow', 'utcfromtimestamp', 'today')
                or (method == 'now' and not zoned)
            )
        ):
            yield (
                node,
                'CSB304: make aware times, as datetime.now(datetime.UTC) does',
            )


def no_sleep_in_tests(
    tree: ast.Module, path: pathlib.PurePath
) -> Iterator[Breach]:
    """CSB305: a test waits for an event with a deadline, never for time."""
    if not _inside(path, 'tests'):
        return
    for node in ast.walk(tree):
        called = isinstance(node, ast.Call) and _dotted(node.func)
        if called == 'time.sleep' or 'time.sleep' in _imported(node):
            yield node, 'CSB305: tests do not sleep; wait for an event'


def module_docstring(
    tree: ast.Module, path: pathlib.PurePath
) -> Iterator[Breach]:
    """CSB306: a module says what it owns, unless it is empty or a test."""
    if _inside(path, 'tests') or not tree.body:
        return
    if ast.get_docstring(tree) is None:
        yield (
            tree.body[0],
            'CSB306: begin the module with a docstring that says what it owns',
        )


class Checker:
    """What flake8 starts for each file."""

    name = 'csbs'
    version = '1.0'
    checks: ClassVar[tuple[Check, ...]] = (
        no_eventlet,
        no_global_conf,
        plain_log_messages,
        aware_times,
        no_sleep_in_tests,
        module_docstring,
    )

    def __init__(self, tree: ast.Module, filename: str) -> None:
        """Take one file as flake8 has parsed it."""
        self._tree = tree
        self._path = pathlib.PurePath(filename)

    def run(self) -> Iterator[tuple[int, int, str, type]]:
        """Yield (line, column, message, checker) for each breach, in order."""
        found = []
        for check in self.checks:
            for node, message in check(self._tree, self._path):
                line = getattr(node, 'lineno', 1)
                found.append((line, getattr(node, 'col_offset', 0), message))
        for line, column, message in sorted(found):
            yield line, column, message, type(self)
