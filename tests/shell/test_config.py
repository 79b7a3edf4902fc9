"""Does the schema accept what is meant and reject the rest in one sentence?"""

from dataclasses import fields

import pytest
import yaml

from pipeline.config import ROOT, Study, load_config, load_schema, parse_config
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS
from pipeline.networks.recipe import Recipe

SHIPPED = sorted(
    path.name for path in (ROOT / "config").glob("*.yaml") if path.name != "config.schema.yaml"
)

SMALL = {
    "study": "trial",
    "dataset": {"source": "digits"},
    "backbones": {"MobileNet": {"weights": "random"}},
    "methods": {"pca": None},
}


def with_value(path: str, value: object) -> dict:
    """SMALL with one key set; the path's parts are separated by dots."""
    config = yaml.safe_load(yaml.safe_dump(SMALL))
    *parents, last = path.split(".")
    section = config
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = value
    return config


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_configurations_are_valid(name):
    assert isinstance(load_config(ROOT / "config" / name), Study)


def test_the_study_is_the_one_of_the_source():
    study = load_config(ROOT / "config" / "config.yaml")
    assert list(study.backbones) == ["VGG16", "VGG19", "ResNet50V2", "MobileNet", "MobileNetV2"]
    assert list(study.methods) == ["pca", "tsne", "umap", "mds", "lle", "isomap"]
    assert study.dataset.source == "mnist"
    assert study.dataset.subset is None
    assert {options.weights for options in study.backbones.values()} == {"imagenet"}


def test_defaults_are_filled_in():
    study = parse_config(SMALL)
    assert study.methods == {"pca": {}}
    assert study.graph.n_neighbors == 90
    assert study.features.layer == "features"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("datset", {}, ["'datset'", "did you mean dataset?", "backbones"]),
        ("dataset.sorce", "x", ["'sorce'", "dataset", "source"]),
        ("backbones.MobilNetV2", {}, ["'MobilNetV2'", "did you mean MobileNetV2?", "ResNet50V2"]),
        ("backbones.VGG16", {"alpha": 0.5}, ["'alpha'", "backbones.VGG16", "weights"]),
        ("methods.tnse", {}, ["'tnse'", "did you mean tsne?", "isomap"]),
        ("methods.tsne", {"perplexty": 3}, ["'perplexty'", "did you mean perplexity?"]),
        ("methods.tsne", {"perplexity": "many"}, ["methods.tsne.perplexity", "'many'", "number"]),
        ("finetune.epochs", -1, ["finetune.epochs", "-1", "at least 0"]),
        ("device", "tpu", ["device", "'tpu'", "auto, cpu, gpu"]),
        ("image_size", 16, ["image_size", "16", "at least 32"]),
        ("study", "../x", ["study", "'../x'", "of the form"]),
        ("seed", 1.5, ["seed", "1.5", "integer"]),
        ("methods", {}, ["methods", "at least one entry"]),
    ],
)
def test_a_wrong_key_or_value_is_one_sentence(path, value, words):
    with pytest.raises(InputError) as caught:
        parse_config(with_value(path, value))
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match="'dataset' is missing"):
        parse_config({key: SMALL[key] for key in SMALL if key != "dataset"})


def test_a_file_that_is_missing_or_not_yaml_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml does not exist"):
        load_config(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("study: [")
    with pytest.raises(InputError, match=r"broken\.yaml is not valid YAML"):
        load_config(broken)


def objects(schema: dict):
    """Every object schema inside a schema, with its place."""
    pending = [("top", schema)]
    while pending:
        place, node = pending.pop()
        if "properties" in node:
            yield place, node
            pending += [(f"{place}.{key}", child) for key, child in node["properties"].items()]


def test_every_object_is_closed_and_every_key_described():
    for place, node in objects(load_schema()):
        assert node["additionalProperties"] is False, place
        for key, child in node["properties"].items():
            assert child.get("description"), f"{place}.{key}"


def test_the_schema_has_the_recipe_of_the_code():
    schema = load_schema()["properties"]["finetune"]["properties"]
    assert set(schema) == {field.name for field in fields(Recipe)}


def test_the_schema_has_the_methods_and_parameters_of_the_code():
    schema = load_schema()["properties"]["methods"]["properties"]
    assert list(schema) == list(METHODS)
    for name, method in METHODS.items():
        keys = set(schema[name]["properties"]) - {"engine", "subset"}
        assert keys == method.parameters(), name
        assert set(schema[name]["properties"]["engine"]["enum"]) == {"auto", *method.engines}
