"""YAML in and out: a file read strictly, a tree written with short lists on one line."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError


def read_yaml(path: Path) -> Any:
    """The content of a YAML file in UTF-8.

    Raises
    ------
    InputError
        One sentence: the file cannot be read, is no UTF-8 or no YAML, or has a key twice.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give a file such as config/config.yaml") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give a YAML file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}: save it as UTF-8") from None
    except ValueError as error:  # a NUL in the path
        raise InputError(f"{str(path)!r} is no path: {error}") from None
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {_first_problem(error)}") from None
    except RecursionError:
        raise InputError(f"{path} is not valid YAML: it is nested too deeply") from None
    # PyYAML passes on what Python says of a scalar such as 2024-13-45 or !!int x.
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def _first_problem(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the excerpt."""
    mark = getattr(error, "problem_mark", None)
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return " ".join(str(getattr(error, "problem", None) or error).split()) + place


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a repeated key where that one keeps the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping; keys that ``<<`` merges in may be set again."""
        merge = "tag:yaml.org,2002:merge"
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == merge:
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                problem = f"the key {key!r} stands here a second time: keep one"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def write_yaml(tree: Any) -> str:
    """The tree as YAML of 100 columns, in its own order, lists of plain values on one line."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value again where it stands again."""
        return True


def _represent_list(dumper: _Dumper, values: list[Any]) -> yaml.SequenceNode:
    plain = not any(isinstance(value, dict | list) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)


_Dumper.add_representer(list, _represent_list)
