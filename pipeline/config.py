"""The configuration of a study: YAML into frozen pydantic models, which its JSON schema is made of.

``python -m pipeline.config`` prints the schema, the users' reference of every key.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, GetPydanticSchema, with_config
from pydantic_core import core_schema
from typing_extensions import TypedDict  # the one of Python 3.11 is too old for pydantic

from pipeline.errors import InputError
from pipeline.methods.options import Methods
from pipeline.networks.recipe import Precision, Recipe
from pipeline.runtime.cluster import check_dask
from pipeline.runtime.validation import (
    ENTRIES,
    MAPPING,
    NULL_IS_EMPTY,
    SCALAR,
    SCALAR_OR_MAPPING,
    Count,
    PathText,
    StrictModel,
    Subset,
    Text,
    json_schema,
    validate,
)
from pipeline.runtime.yaml_text import read_yaml, write_yaml

STAGES = ("before", "after")
COMPARED = ("before", "after", "labels", "split", "images")  # keys of `Compare` with features

Name = Literal["VGG16", "VGG19", "ResNet50V2", "MobileNet", "MobileNetV2"]

ImageSize = Annotated[int, Field(ge=32, le=1024)]


class TrainingSubset(StrictModel):
    """A subset of the training images; all test images are kept."""

    train: Subset
    """Number of training images to keep, stratified by class."""


class Dataset(StrictModel):
    """The images."""

    source: PathText
    """mnist, fashion_mnist, cifar10, digits, the path of an .npz file, or the path of an image
    folder; a relative path starts at the working directory, else at the folder of this file."""
    subset: Annotated[
        Annotated[Subset | None, SCALAR] | Annotated[TrainingSubset, MAPPING], SCALAR_OR_MAPPING
    ] = None
    """Number of images to keep, stratified by class and split, or {train: n} to keep n training
    images and all test images; null keeps all."""


class _Backbone(StrictModel):
    """Options of this backbone; {} for the defaults."""

    weights: PathText = "imagenet"
    """imagenet, random, demo (the CIFAR-10 network that comes with Tunescope: MobileNet, alpha
    0.25), or the path of a weights file of this architecture."""
    image_size: ImageSize | None = None
    """Side in pixels for this backbone only; null takes the study's image_size."""


class Backbone(_Backbone):
    """Options of this backbone; {} for the defaults."""

    alpha: ClassVar[float] = 1.0  # no choice


class MobileNet(_Backbone):
    """Options of this backbone; {} for the defaults."""

    alpha: Annotated[float, Field(gt=0, le=2)] = 1.0
    """Width multiplier; ImageNet weights exist for 0.25 (MobileNet only), 0.35 (V2 only), 0.5,
    0.75, 1.0, 1.3 and 1.4 (V2 only)."""


class Compare(StrictModel):
    """Features before and after fine-tuning that other programs computed, instead of backbones.

    Files are .npy, .npz, .csv, .tsv, .parquet, .h5, .hdf5 or .safetensors; one array or column of
    several is named as file.npz::key. Rows of files with ids (a column or an array id) are matched
    by these. Or else two Keras models, which extract features from the images of `dataset`.
    """

    before: PathText | None = None
    """Features before, (images, features)."""
    after: PathText | None = None
    """Features after, of the same images; the number of features may be another."""
    before_model: PathText | None = None
    """A .keras model before, which takes the images as they are stored, 0 to 255; its features are
    its output, or that of features.layer, averaged over positions."""
    after_model: PathText | None = None
    """The model after, likewise."""
    labels: PathText | None = None
    """Labels, one an image; null takes a column or array label of the features, if there is one.
    A .txt has one a line."""
    split: PathText | None = None
    """Which images are of the training and of the test split; null takes a column or array split,
    if there is one, else the images are one set."""
    images: PathText | None = None
    """Pictures for the page: a .npy or .npz, (n, h, w) or (n, h, w, 3) uint8, or a folder in which
    the column file (or id) names them."""
    name: Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")] = "features"
    """What the features are called in figures, and their folder."""


@with_config(ENTRIES)
class _Backbones(TypedDict, total=False):
    VGG16: Annotated[Backbone | None, NULL_IS_EMPTY]
    VGG19: Annotated[Backbone | None, NULL_IS_EMPTY]
    ResNet50V2: Annotated[Backbone | None, NULL_IS_EMPTY]
    MobileNet: Annotated[MobileNet | None, NULL_IS_EMPTY]
    MobileNetV2: Annotated[MobileNet | None, NULL_IS_EMPTY]


def _checked_by(model: type, convert: Any) -> GetPydanticSchema:
    """Annotate a plain dict as one that `model` checks and ``convert(value, check)`` returns."""
    return GetPydanticSchema(
        lambda source, handler: core_schema.no_info_wrap_validator_function(convert, handler(model))
    )


def _in_order(value: Mapping[str, Any], check: Any) -> dict[str, Any]:
    """The entries in the order of the configuration; one at least."""
    entries = check(value)
    if not entries:
        raise ValueError("a mapping with at least one entry")
    return {name: entries[name] for name in value}


def _set_fields(value: Any, check: Any) -> dict[str, Any]:
    """The fields of a model that the configuration sets."""
    return check(value).model_dump(exclude_unset=True)


class Features(StrictModel):
    """What is extracted before and after fine-tuning."""

    layer: Text = "features"
    """Name of the layer whose output is taken; "features" is the global average pool of the last
    feature map."""
    batch_size: Count | None = None
    """Images per batch; null is 256 on a CPU, up to 1024 on a GPU."""
    precision: Precision = "auto"
    """What the network computes in; auto is float32 on a CPU, and on a GPU float16, or float32
    where features are beyond its range. What is stored is float32."""


class Graph(StrictModel):
    """The exact nearest-neighbour graph that the methods share."""

    n_neighbors: Annotated[int, Field(ge=2, le=1000)] = 90
    """Neighbours per point; t-SNE needs three times its perplexity."""


class Figure(StrictModel):
    """The before/after figure."""

    width: Annotated[int, Field(ge=4000, le=20000)] = 4200
    """Width of the figure in pixels."""
    panel_size: Annotated[int, Field(ge=200, le=8000)] = 2000
    """Side in pixels of each panel that is also written alone."""
    mark: Literal["test", "errors"] | None = None
    """Points to mark: those of test images, or those whose class the fine-tuned network misses."""


class Controls(StrictModel):
    """Further runs that tell a change from noise; only measures are made of them."""

    seeds: Annotated[int, Field(ge=1, le=20)] = 1
    """Fine-tunings of a backbone, each with another seed: 3 give the range of 3 runs, within which
    a change is called inconclusive."""
    random_weights: bool = False
    """Whether the same architecture with random weights, not fine-tuned, gives a floor to the
    measures before fine-tuning."""
    layout_seeds: Annotated[int, Field(ge=1, le=20)] = 1
    """Layouts of the same features, each by another seed: 3 give the range of 3 layouts by each
    method that depends on one, within which a change of a layout is called inconclusive."""
    backbones: list[Name] | None = None
    """Backbones that have controls; null is all."""


class Claim(StrictModel):
    """A sentence that the page answers beside its own: supported, not supported or inconclusive."""

    claim: Text
    """The sentence."""
    measure: Text
    """A measure of `measures.csv`."""
    comparison: Literal["above", "below"]
    """Where the measure, with its whole interval, must lie for the claim to be supported."""
    threshold: float
    """Above or below what."""
    space: Text = "features"
    """features, "features, cosine" or a method."""
    stage: Literal["before", "after", "change"] = "after"
    """Of which features, or of what changed."""
    split: Literal["test", "train", "all"] | None = None
    """Of which images; null takes the test images, or all where there is no split."""


class Report(StrictModel):
    """The page with the answer."""

    thumbnails: bool = True
    """Whether page and explorer hold pictures of images; false if they may not be passed on."""


class Study(StrictModel):
    """One run from images to the before/after figure."""

    study: Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    """Name of the study and of its folder under results/, logs/ and benchmarks/."""
    seed: Annotated[int, Field(ge=0, le=4294967295)] = 0
    """Seed of every random choice (subsets, splits, weights, shuffling, layouts)."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes an NVIDIA GPU when its driver answers."""
    dask: Annotated[PathText, AfterValidator(check_dask)] = "none"
    """Workers that share what costs n^2: none; local, one for each thread of a step; local-cuda,
    one for each GPU; or the address or scheduler file of a Dask cluster that runs."""
    dataset: Dataset | None = None
    """The images that the backbones see; not with `compare`."""
    image_size: ImageSize = 96
    """Side in pixels of the square images that the backbones see, and to which the images of a
    folder with mixed sizes are resized."""
    backbones: Annotated[dict[str, Backbone | MobileNet], _checked_by(_Backbones, _in_order)] = (
        Field({})
    )
    """The pre-trained networks by their Keras name, each with its options; or else `compare`."""
    compare: Compare | None = None
    finetune: Annotated[dict[str, Any], _checked_by(Recipe, _set_fields)] = Field({})
    features: Features = Features()
    graph: Graph = Graph()
    methods: Annotated[dict[str, dict[str, Any]], _checked_by(Methods, _in_order)]
    """The layouts to compute, each with its parameters; {} for the defaults."""
    depth: bool = True
    """Whether features are compared before and after fine-tuning in each block of a network, too:
    one more pass of the images through both."""
    figure: Figure = Figure()
    controls: Controls = Controls()
    claims: list[Claim] = Field([])
    """Claims of your own, decided for each backbone by what you write here before it runs."""
    report: Report = Report()
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """Distances of features, in the graph, all methods and all measures: euclidean, or cosine, that
    is Euclidean distances of features scaled to unit length."""
    exact: Literal["required", "preferred"] = "required"
    """What MDS and Isomap do where pairs of so many points find no room, in memory or on disk:
    required computes them again in every pass, or refuses; preferred places the points by
    landmarks, and says so with an error."""
    strict: bool = False
    """Refuse parameters that so few points do not allow, such as a perplexity of 30 for 36 points;
    false takes the nearest value that they allow, and says so."""

    @property
    def controlled(self) -> list[str]:
        """Names of the backbones, or of the features, that have controls, if any are asked for."""
        named = self.controls.backbones
        return [name for name in self.names if named is None or name in named]

    @property
    def names(self) -> list[str]:
        """The backbones, or the features that are compared: their folders in the results."""
        return [self.compare.name] if self.compare else list(self.backbones)


RESERVED = ("controls", "report_tables")  # folders beside those of the backbones


def _check_compared(compare: Compare, given: list[str], source: str) -> None:
    """Refuse half a pair, two pairs, and what does not go with the pair that is given."""
    models = ("before_model", "after_model")
    of_models = [key for key in models if getattr(compare, key)]
    of_features = [key for key in COMPARED if getattr(compare, key)]
    if of_models and of_features:
        raise InputError(
            f"{source}: compare.{of_models[0]} and compare.{of_features[0]} cannot both be given: "
            "models extract the features, from the images and labels of dataset"
        )
    pair = models if of_models else ("before", "after")
    for key in pair:
        if getattr(compare, key) is None:
            raise InputError(f"{source}: the key {key!r} is missing at compare")
    if other := [key for key in given if key != "dataset" or not of_models]:
        raise InputError(
            f"{source}: {other[0]} and compare cannot both be given: compare takes features "
            "before and after that are there already"
        )
    if compare.name in RESERVED:
        raise InputError(
            f"{source}: compare.name is {compare.name!r}, which is a folder of every study: give "
            "another name"
        )
    if of_models and "dataset" not in given:
        raise InputError(f"{source}: the key 'dataset' is missing: the models need images")


def _with_one_source(study: Study, source: str) -> Study:
    """The study, if it says either which networks see which images, or which features there are.

    Raises
    ------
    InputError
    """
    given = [key for key in ("dataset", "backbones", "finetune") if getattr(study, key)]
    if study.compare:
        _check_compared(study.compare, given, source)
        return study
    missing = [key for key in ("dataset", "backbones") if key not in given]
    if missing:
        raise InputError(
            f"{source}: the key {missing[0]!r} is missing at the top level (or `compare`, for "
            "features of other programs)"
        )
    return study


def parse_config(config: Mapping[str, Any]) -> Study:
    """Check a configuration and complete it.

    Its `finetune` and each of its `methods` are dicts of what the configuration sets: all other
    defaults live with the code that uses them.

    Parameters
    ----------
    config : mapping
        As read from YAML (and changed by Snakemake's ``--config``).

    Raises
    ------
    InputError
        One sentence naming the first wrong key or value and what is allowed.
    """
    return _with_one_source(validate(Study, config, source="config"), "config")


def load_config(path: Path) -> Study:
    """Read and check a configuration file.

    Raises
    ------
    InputError
        One sentence: the file cannot be read, is no YAML, or holds a wrong key or value.
    """
    return _with_one_source(validate(Study, read_yaml(path), source=str(path)), str(path))


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration, with the defaults of the methods' estimators."""
    from pipeline.methods.registry import METHODS

    tree = json_schema(Study)
    methods = tree["properties"]["methods"]["properties"]
    for name, method in METHODS.items():
        for engine, row in method.engines.items():
            for key, value in row.defaults().items():
                node = methods[name]["properties"][key]
                if node.setdefault("default", value) != value:
                    default = json.dumps(value)
                    node["description"] += f" The default of the engine {engine} is {default}."
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "title": "A Tunescope study", **tree}


def schema_text() -> str:
    """The JSON schema as the text of config/config.schema.yaml."""
    origin = "# Written by `make schema` out of pipeline/config.py, which checks a configuration.\n"
    return origin + write_yaml(schema())


if __name__ == "__main__":
    print(schema_text(), end="")
