"""Strict pydantic models, and their errors as one sentence: place, value and what is allowed."""

import difflib
import json
import reprlib
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WrapValidator,
)

from pipeline.errors import InputError

# A bool is no number, "3" is not 3, 3.0 is no integer; an integer serves where a number is wanted.
STRICT = ConfigDict(
    extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
)


# Of a mapping with one entry at least, and of an entry whose options may be left out, as `pca:`.
ENTRIES = ConfigDict(**STRICT, json_schema_extra={"minProperties": 1})
NULL_IS_EMPTY = WrapValidator(lambda value, check: check({} if value is None else value))


class StrictModel(BaseModel):
    """A frozen model without unknown keys; the text below a field is its description."""

    model_config = STRICT


def _check_text(text: str) -> str:
    """Refuse what breaks a log line, a file name or a command: control characters, blanks alone."""
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError("a text without control characters")
    if not text.strip():
        raise ValueError("a text that is not blank")
    return text


def _check_path(text: str) -> str:
    """Refuse a name in a path that no usual file system can store."""
    if any(len(name.encode()) > 255 for name in _check_text(text).split("/")):
        raise ValueError("a path whose names have at most 255 bytes each")
    return text


# The upper bound lies below 2^31, which compiled code may count with.
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
CountOrZero = Annotated[int, Field(ge=0, le=1_000_000_000)]
Subset = Annotated[int, Field(ge=4, le=1_000_000_000)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_check_text)]
PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_check_path)]

M = TypeVar("M", bound=BaseModel)
SCALAR, MAPPING = Tag("scalar"), Tag("mapping")  # of a union, so that mistakes are those of one


def _kind(value: Any) -> str:
    return (MAPPING if isinstance(value, Mapping | BaseModel) else SCALAR).tag


SCALAR_OR_MAPPING = Discriminator(_kind)


def validate(model: type[M], values: Any, *, source: str) -> M:
    """Check values against a model.

    Parameters
    ----------
    model : subclass of pydantic.BaseModel
    values : mapping
    source : str
        Where they come from: the sentence starts with it.

    Raises
    ------
    InputError
        One sentence naming the first wrong key or value and what is allowed.
    """
    try:
        return model.model_validate(dict(values) if isinstance(values, Mapping) else values)
    except ValidationError as error:
        raise InputError(f"{source}: {_sentence(error, json_schema(model))}") from None


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model without references and titles, descriptions first."""
    schema = model.model_json_schema()
    return _inline(schema, schema.pop("$defs", {}))


ORDER = (
    *("description", "type", "const", "enum", "anyOf", "default", "items", "uniqueItems"),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength", "maxLength"),
    *("pattern", "minProperties", "additionalProperties", "required", "properties"),
)


def _inline(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Replace references by what they name, and "anything or null" by a list of two types."""
    reference = node.get("$ref", "").rpartition("/")[2]
    tree = {**definitions.get(reference, {}), **node}
    choices = [_inline(choice, definitions) for choice in tree.pop("anyOf", tree.pop("oneOf", []))]
    if len(choices) == 2 and choices[1] == {"type": "null"}:
        tree = {**choices[0], **tree, **_or_null(choices[0])}
        tree.pop("const", None)  # one of two values now
    elif choices:
        tree["anyOf"] = choices
    if "description" in tree:
        tree["description"] = " ".join(tree["description"].split())
    if "items" in tree:
        tree["items"] = _inline(tree["items"], definitions)
    if "properties" in tree:
        tree.pop("default", None)  # its keys have their own
        children = tree["properties"].items()
        tree["properties"] = {name: _inline(child, definitions) for name, child in children}
    if "enum" in tree or "const" in tree:
        tree.pop("type", None)
    return {key: tree[key] for key in ORDER if key in tree}


def _or_null(node: Mapping[str, Any]) -> dict[str, Any]:
    """What differs in a node that allows null, too."""
    if values := node.get("enum") or ([node["const"]] if "const" in node else []):
        return {"enum": [*values, None]}
    return {"type": [node["type"], "null"]}


def _sentence(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """The first mistake, unknown keys before all others, and how many more there are."""
    # A mistyped key that is required is missing too: its own name says more.
    mistakes = sorted(error.errors(include_url=False), key=lambda each: not _is_unknown(each))
    sentences = list(dict.fromkeys(_explain(mistake, schema) for mistake in mistakes))
    more = len(sentences) - 1
    return sentences[0] + (f" (and {more} more mistake{'s' * (more > 1)})" if more else "")


def _is_unknown(mistake: Mapping[str, Any]) -> bool:
    return mistake["type"] in ("extra_forbidden", "invalid_key")


def _explain(mistake: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """One mistake: the place, the value, the remedy."""
    node, names = schema, []
    for part in mistake["loc"]:
        if part == MAPPING.tag and "anyOf" in node:
            node = next(each for each in node["anyOf"] if "properties" in each)
            continue
        if part in node.get("properties", {}):
            node = node["properties"][part]
        elif isinstance(part, int) and "items" in node:
            node = node["items"]
        else:  # an unknown key, or what a scalar should have been
            break
        names.append(str(part))
    place = ".".join(names) or "the top level"
    if _is_unknown(mistake):
        key = mistake["input"] if mistake["type"] == "invalid_key" else mistake["loc"][-1]
        near = difflib.get_close_matches(_short(key).strip("'"), node["properties"], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        allowed = ", ".join(node["properties"])
        return f"unknown key {_short(key)} at {place}{hint}; allowed are {allowed}"
    if mistake["type"] == "missing":
        above = ".".join(names[:-1]) or "the top level"
        return f"the key {names[-1]!r} is missing at {above}"
    if mistake["type"] == "value_error":  # of the validators here and beside the models
        allowed = str(mistake["ctx"]["error"])
    elif mistake["type"] == "string_unicode":
        allowed = "a text in valid Unicode"
    else:
        allowed = _allowed(node)
    value = mistake["input"]
    return f"{place} is {_short(value)} but must be {allowed}{_yaml_hint(value, node)}"


NOUNS = {
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "object": "a mapping of keys to values",
    "array": "a list",
    "null": "null",
}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "greater than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "not empty",
    "maxLength": "of at most {} characters",
    "pattern": "of the form {}",
}


def _allowed(node: Mapping[str, Any]) -> str:
    """What a node of the JSON schema allows, in words."""
    if "anyOf" in node:
        return ", or ".join(_allowed(choice) for choice in node["anyOf"])
    if "const" in node:
        return _plain(node["const"])
    if "enum" in node:
        return f"one of {', '.join(map(_plain, node['enum']))}"
    noun = " or ".join(NOUNS[kind] for kind in _types(node))
    if "items" in node and "enum" not in node["items"]:
        noun += f", each entry {_allowed(node['items'])}"
    elif "items" in node:
        noun += f" with any of {', '.join(map(_plain, node['items']['enum']))}"
    return ", ".join([noun, *(BOUNDS[key].format(node[key]) for key in BOUNDS if key in node)])


def _types(node: Mapping[str, Any]) -> list[str]:
    kinds = node.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def _plain(value: Any) -> str:
    """A value as YAML writes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _yaml_hint(value: Any, node: Mapping[str, Any]) -> str:
    """What to write where YAML reads a number as a text, or a text as something else."""
    kinds = {kind for each in [node, *node.get("anyOf", [])] for kind in _types(each)}
    if isinstance(value, str) and kinds & {"integer", "number"} and _is_number(value):
        return " (to YAML this is a text: write a number without quotes, such as 2 or 1.0e-3)"
    if "string" in kinds and not isinstance(value, str | list | dict | None):
        return " (put it in quotes)"
    return ""


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80


def _short(value: Any) -> str:
    """The value as Python writes it, on one line of limited length."""
    try:
        return "null" if value is None else _REPR.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of thousands of digits"
