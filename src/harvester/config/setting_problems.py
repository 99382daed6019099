"""What is wrong with the settings of a plugin, in an operator's words; third parties' models need not know them."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from harvester.config.findings import shown
from harvester.config.plugin_blocks import PluginBlock, PluginProblem
from harvester.config.problems import wrong_value

_LISTS = {"tuple_type", "list_type"}
_LIST = 'a list of texts, such as ["/opt/pilot/run.sh", "${accessPoint}"]'


def setting_problems(error: ValidationError, block: PluginBlock) -> Sequence[PluginProblem]:
    """One problem per setting, whatever its model says of it; without its value if that may be a secret."""
    by_key: dict[str, PluginProblem] = {}
    for detail in error.errors(include_url=False, include_input=False):
        key = str(detail["loc"][0]) if detail["loc"] else ""
        by_key.setdefault(key, _problem(detail, key, block.settings))
    return list(by_key.values())


def _problem(detail: ErrorDetails, key: str, settings: Mapping[str, JsonValue]) -> PluginProblem:
    if not key:
        problem, _, advice = detail["msg"].removeprefix("Value error, ").partition("; ")
        return PluginProblem(problem, advice or "correct this block")
    if key not in settings:
        return PluginProblem("is not set", f'write "{key}": … into this block', key)
    inside, written = _inside(detail["loc"][1:], settings[key])
    path = f"{key} {inside}"
    if detail["type"] == "missing":
        return PluginProblem("is not complete", f'write "{detail["loc"][-1]}": … into it', key)
    if detail["type"] == "value_error":
        problem, _, advice = detail["msg"].removeprefix("Value error, ").partition("; ")
        return PluginProblem(f"{inside}{problem}", advice or "correct this setting", key)
    if detail["type"] in _LISTS:
        return PluginProblem(
            f"{inside}must be {_LIST}, not {shown(path, written)}", f"write {_as_list(path, written)}", key
        )
    problem, advice = wrong_value(detail, path, None, written)
    return PluginProblem(f"{inside}{problem}", advice, key)


def _inside(path: Iterable[int | str], value: JsonValue) -> tuple[str, JsonValue]:
    """Which part of the value is meant, and that part; the rest of the path names types of a union."""
    words: list[str] = []
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[str(step)]
            words.append(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
            words.append(f"item {step + 1}")
        else:
            break
    return f"{', '.join(words)} " if words else "", value


def _as_list(key: str, written: JsonValue) -> str:
    """The words of a command line as the list that it should be."""
    if not isinstance(written, str) or "hidden" in shown(key, written):
        return _LIST
    try:
        return json.dumps(shlex.split(written), ensure_ascii=False)
    except ValueError:
        return _LIST
