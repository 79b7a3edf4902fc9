"""Load a study's configuration: YAML, checked against the schema, into frozen dataclasses."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "config" / "config.schema.yaml"
STAGES = ("before", "after")


@dataclass(frozen=True)
class DatasetConfig:
    """Which images; see the schema for each key."""

    source: str
    subset: int | None = None
    image_size: int | None = None


@dataclass(frozen=True)
class BackboneConfig:
    """One backbone's options; `image_size` None means the study's."""

    weights: str = "imagenet"
    image_size: int | None = None
    alpha: float = 1.0


@dataclass(frozen=True)
class FeaturesConfig:
    """Which layer, how many images at a time (None: what suits the device), in what precision."""

    layer: str = "features"
    batch_size: int | None = None
    precision: str = "auto"


@dataclass(frozen=True)
class GraphConfig:
    """Size of the shared neighbour graph: 90 is three times t-SNE's perplexity 30."""

    n_neighbors: int = 90


@dataclass(frozen=True)
class FigureConfig:
    """Pixels of the figure and of the single panels."""

    width: int = 4200
    panel_size: int = 2000


@dataclass(frozen=True)
class Study:
    """One configuration, complete.

    `finetune` holds the given fields of `pipeline.networks.recipe.Recipe`, and each value of `methods` the
    given parameters of that method's engine: their defaults live with the code that uses them.
    """

    study: str
    dataset: DatasetConfig
    backbones: dict[str, BackboneConfig]
    methods: dict[str, dict[str, Any]]
    seed: int = 0
    device: str = "auto"
    image_size: int = 96
    finetune: dict[str, Any] = field(default_factory=dict)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    figure: FigureConfig = field(default_factory=FigureConfig)


def parse_config(config: Mapping[str, Any]) -> Study:
    """Check a configuration against the schema and complete it.

    Parameters
    ----------
    config : mapping
        As read from YAML (and changed by Snakemake's ``--config``).

    Raises
    ------
    InputError
        One sentence naming the first wrong key or value and what is allowed.
    """
    import jsonschema

    validator = jsonschema.Draft202012Validator(load_schema())
    errors = sorted(
        validator.iter_errors(dict(config)), key=lambda error: list(map(str, error.path))
    )
    if errors:
        raise InputError(_sentence(errors[0]))
    sections: dict[str, Any] = dict(config)
    for name, section in SECTIONS.items():
        if name in sections:
            sections[name] = section(**sections[name])
    sections["backbones"] = {
        name: BackboneConfig(**(options or {})) for name, options in config["backbones"].items()
    }
    sections["methods"] = {name: options or {} for name, options in config["methods"].items()}
    return Study(**sections)


SECTIONS = {
    "dataset": DatasetConfig,
    "features": FeaturesConfig,
    "graph": GraphConfig,
    "figure": FigureConfig,
}


def load_schema() -> dict[str, Any]:
    """The JSON schema of a configuration."""
    import yaml

    return yaml.safe_load(SCHEMA.read_text())


def load_config(path: Path) -> Study:
    """Read and check a configuration file."""
    import yaml

    try:
        config = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give a file such as config/config.yaml") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} must hold keys and values such as `study: mnist`")
    return parse_config(config)


# What each rule of the schema asks for, in words.
ALLOWED: dict[str, Callable[[Any], str]] = {
    "enum": lambda v: f"one of {', '.join(map(str, v))}",
    "type": lambda v: f"of type {' or '.join([v] if isinstance(v, str) else v)}",
    "minimum": lambda v: f"at least {v}",
    "exclusiveMinimum": lambda v: f"greater than {v}",
    "maximum": lambda v: f"at most {v}",
    "exclusiveMaximum": lambda v: f"less than {v}",
    "minLength": lambda v: "a non-empty text",
    "minProperties": lambda v: "a mapping with at least one entry",
    "uniqueItems": lambda v: "a list without repetitions",
    "pattern": lambda v: f"of the form {v}",
}


def _sentence(error: Any) -> str:
    """One sentence for a schema error: the value, the place, the remedy."""
    place = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        near = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"config: unknown key {unknown!r} at {place}{hint}; allowed are {', '.join(known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"config: the key {missing!r} is missing at {place}"
    allowed = ALLOWED[error.validator](error.validator_value)
    return f"config: {place} is {error.instance!r} but must be {allowed}"
