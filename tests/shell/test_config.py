"""Does a configuration say what is meant, and is all else refused in one sentence?"""

import collections
import datetime
import math
import subprocess
import sys

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from pipeline.config import Study, load_config, parse_config, schema, schema_text
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS
from pipeline.networks.recipe import Recipe
from pipeline.workflow.sources import ROOT

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


def refused(config) -> str:
    """The sentence that refuses a configuration."""
    with pytest.raises(InputError) as caught:
        parse_config(config)
    return one_sentence(caught)


def one_sentence(caught) -> str:
    sentence = str(caught.value)
    alone = caught.value.__suppress_context__ or caught.value.__context__ is None
    assert alone, "a traceback would show pydantic's error too"
    assert sentence.isprintable()
    assert len(sentence) < 500
    return sentence


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        # unknown keys
        ("datset", {}, ["'datset'", "did you mean dataset?", "backbones"]),
        ("dataset.sorce", "x", ["'sorce'", "dataset", "source"]),
        ("backbones.MobilNetV2", {}, ["'MobilNetV2'", "did you mean MobileNetV2?", "ResNet50V2"]),
        ("backbones.VGG16", {"alpha": 0.5}, ["'alpha'", "backbones.VGG16", "weights"]),
        ("methods.tnse", {}, ["'tnse'", "did you mean tsne?", "isomap"]),
        ("methods.tsne", {"perplexty": 3}, ["'perplexty'", "did you mean perplexity?"]),
        ("methods.pca", {"perplexity": 3}, ["'perplexity'", "methods.pca", "engine", "subset"]),
        ("methods.pca", {"random_state": 3}, ["'random_state'", "methods.pca", "engine"]),
        ("finetune.epoch", 3, ["'epoch'", "finetune", "did you mean epochs?"]),
        ("figure.widht", 4000, ["'widht'", "figure", "did you mean width?"]),
        ("graph.k", 15, ["'k'", "graph", "allowed are n_neighbors"]),
        ("a\nb", 1, [r"'a\nb'", "the top level", "allowed are study, seed"]),
        ("x" * 5000, 1, ["'xxx", "...", "the top level", "allowed are study"]),
        # wrong types: a bool is no number, a text no number, 3.0 no integer
        ("methods.tsne", {"perplexity": "many"}, ["methods.tsne.perplexity", "'many'", "number"]),
        ("seed", 1.5, ["seed", "1.5", "integer"]),
        ("seed", 1.0, ["seed", "1.0", "integer"]),
        ("seed", True, ["seed", "True", "integer"]),
        ("seed", "3", ["seed", "'3'", "integer", "without quotes"]),
        ("seed", None, ["seed", "null", "integer"]),
        ("seed", [0], ["seed", "[0]", "integer"]),
        ("image_size", 96.0, ["image_size", "96.0", "integer"]),
        ("dataset", "mnist", ["dataset", "'mnist'", "a mapping"]),
        ("dataset", None, ["'dataset' is missing"]),
        ("dataset.subset", "all", ["dataset.subset", "'all'", "an integer or null"]),
        ("dataset.subset", False, ["dataset.subset", "False", "an integer or null"]),
        ("dataset.source", ["a", "b"], ["dataset.source", "['a', 'b']", "a text"]),
        ("dataset.source", 2000, ["dataset.source", "2000", "a text", "in quotes"]),
        ("dataset.source", datetime.date(2024, 5, 1), ["dataset.source", "2024", "in quotes"]),
        ("study", True, ["study", "True", "a text", "put it in quotes"]),
        ("study", None, ["study", "null", "a text"]),
        ("backbones", ["VGG16"], ["backbones", "['VGG16']", "a mapping"]),
        ("backbones", None, ["backbones", "null", "a mapping"]),
        ("backbones.VGG16", "imagenet", ["backbones.VGG16", "'imagenet'", "a mapping"]),
        ("backbones.VGG16", [], ["backbones.VGG16", "[]", "a mapping of keys to values or null"]),
        ("backbones.MobileNet.weights", None, ["backbones.MobileNet.weights", "null", "a text"]),
        ("backbones.MobileNet.alpha", "1", ["backbones.MobileNet.alpha", "'1'", "a number"]),
        ("backbones.MobileNet.alpha", True, ["backbones.MobileNet.alpha", "True", "a number"]),
        ("methods", ["pca"], ["methods", "['pca']", "a mapping"]),
        ("methods.pca", True, ["methods.pca", "True", "a mapping"]),
        ("methods.tsne", {"learning_rate": True}, ["tsne.learning_rate", "True", "or auto"]),
        ("methods.tsne", {"learning_rate": "fast"}, ["tsne.learning_rate", "'fast'", "or auto"]),
        ("methods.mds", {"normalized_stress": 1}, ["mds.normalized_stress", "1", "or auto"]),
        ("methods.tsne", {"learning_rate": "1e-3"}, ["learning_rate", "'1e-3'", "1.0e-3"]),
        ("finetune", [], ["finetune", "[]", "a mapping"]),
        ("finetune.augment", "flip", ["finetune.augment", "'flip'", "a list", "flip, shift"]),
        ("finetune.augment", {"flip"}, ["finetune.augment", "{'flip'}", "a list"]),
        ("finetune.augment", ["cutmix"], ["finetune.augment", "'cutmix'", "flip, shift"]),
        ("finetune.augment", ["flip", "flip"], ["finetune.augment", "'flip'", "repetitions"]),
        ("features.batch_size", "auto", ["features.batch_size", "'auto'", "integer or null"]),
        ("features", "conv", ["features", "'conv'", "a mapping"]),
        # out of bounds
        ("finetune.epochs", -1, ["finetune.epochs", "-1", "at least 0"]),
        ("finetune.validation", 1, ["finetune.validation", "1", "less than 1"]),
        ("finetune.learning_rate", 0, ["finetune.learning_rate", "0", "greater than 0"]),
        ("finetune.epochs", 10**12, ["finetune.epochs", "1000000000000", "at most 1000000000"]),
        ("seed", -1, ["seed", "-1", "at least 0"]),
        ("seed", 2**32, ["seed", "4294967296", "at most 4294967295"]),
        ("image_size", 16, ["image_size", "16", "at least 32"]),
        ("image_size", 4096, ["image_size", "4096", "at most 1024"]),
        ("dataset.subset", 3, ["dataset.subset", "3", "at least 4"]),
        ("dataset.image_size", 96, ["'image_size' at dataset", "allowed are source, subset"]),
        ("dataset.subset", {"train": 3}, ["dataset.subset.train", "3", "at least 4"]),
        ("dataset.subset", {"train": "9"}, ["dataset.subset.train", "'9'", "an integer"]),
        ("dataset.subset", {"train": 9, "test": 9}, ["'test' at dataset.subset", "train"]),
        ("dataset.subset", {}, ["'train'", "missing at dataset.subset"]),
        ("figure.mark", "tests", ["figure.mark", "'tests'", "one of test, errors, null"]),
        ("methods.lle", {"eigen_solver": "lu"}, ["lle.eigen_solver", "'lu'", "inverse"]),
        ("backbones.MobileNet.alpha", 0, ["backbones.MobileNet.alpha", "0", "greater than 0"]),
        ("backbones.MobileNet.alpha", 2.5, ["backbones.MobileNet.alpha", "2.5", "at most 2"]),
        ("graph.n_neighbors", 1, ["graph.n_neighbors", "1", "at least 2"]),
        ("features.batch_size", 0, ["features.batch_size", "0", "at least 1"]),
        ("figure.width", 100, ["figure.width", "100", "at least 4000"]),
        ("methods", {}, ["methods", "{}", "at least one entry"]),
        ("backbones", {}, ["backbones", "{}", "at least one entry"]),
        ("methods.lle", {"reg": 0}, ["methods.lle.reg", "0", "greater than 0"]),
        ("methods.isomap", {"landmarks": 1}, ["methods.isomap.landmarks", "1", "at least 3"]),
        # no numbers
        ("methods.tsne", {"perplexity": math.nan}, ["methods.tsne.perplexity", "nan", "number"]),
        ("methods.umap", {"min_dist": math.inf}, ["methods.umap.min_dist", "inf", "number"]),
        ("methods.umap", {"spread": 10**400}, ["methods.umap.spread", "100", "a number"]),
        ("methods.tsne", {"learning_rate": math.inf}, ["tsne.learning_rate", "inf", "or auto"]),
        ("finetune.learning_rate", -math.inf, ["finetune.learning_rate", "-inf", "number"]),
        ("seed", math.nan, ["seed", "nan", "integer"]),
        # no choice
        ("device", "tpu", ["device", "'tpu'", "auto, cpu, gpu"]),
        ("device", "GPU", ["device", "'GPU'", "auto, cpu, gpu"]),
        ("device", None, ["device", "null", "auto, cpu, gpu"]),
        ("methods.umap", {"engine": "exact"}, ["methods.umap.engine", "'exact'", "tunescope"]),
        ("methods.mds", {"metric": "cosine"}, ["methods.mds.metric", "'cosine'", "euclidean"]),
        ("features.precision", "float8", ["features.precision", "'float8'", "auto, float32"]),
        # names and paths
        ("study", "../x", ["study", "'../x'", "of the form"]),
        ("study", "", ["study", "''", "of the form"]),
        ("study", "trial\n", ["study", r"'trial\n'", "of the form"]),
        ("study", "-trial", ["study", "'-trial'", "of the form"]),
        ("study", "x" * 101, ["study", "'xxx", "at most 100 characters"]),
        ("dataset.source", "", ["dataset.source", "''", "not empty"]),
        ("dataset.source", "  ", ["dataset.source", "'  '", "not blank"]),
        ("dataset.source", "a\0b", ["dataset.source", r"'a\x00b'", "control characters"]),
        ("dataset.source", "a\nb", ["dataset.source", r"'a\nb'", "control characters"]),
        ("dataset.source", "a\u2028b", ["dataset.source", r"'a\u2028b'", "control characters"]),
        ("dataset.source", "a\udc80b", ["dataset.source", r"'a\udc80b'", "valid Unicode"]),
        ("dataset.source", "a/" + "ä" * 128, ["dataset.source", "'a/ä", "255 bytes"]),
        ("dataset.source", "a/" * 2049, ["dataset.source", "'a/a", "at most 4096 characters"]),
        ("backbones.VGG16", {"weights": "\x1b[31m"}, ["VGG16.weights", r"\x1b", "control"]),
        ("features.layer", "\t", ["features.layer", r"'\t'", "control characters"]),
        ("features.layer", "x" * 256, ["features.layer", "'xxx", "at most 255 characters"]),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_wrong_key_or_value_is_one_sentence(path, value, words):
    sentence = refused(with_value(path, value))
    assert "more mistake" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize("config", [None, [], "mnist", 3, {1: 2}, {None: 1}, {}])
def test_what_is_no_configuration_is_refused(config):
    assert "the top level" in refused(config)


def test_keys_that_are_no_texts_are_refused():
    assert "unknown key True at finetune" in refused({**SMALL, "finetune": {True: 1}})
    assert "unknown key 16 at backbones" in refused({**SMALL, "backbones": {16: {}}})
    assert "unknown key a number of thousands" in refused({**SMALL, "finetune": {10**5000: 1}})
    assert "unknown key null at dataset" in refused({**SMALL, "dataset": {None: 1, "source": "x"}})


def test_a_number_that_python_cannot_write_is_refused():
    assert "seed is a number of thousands of digits" in refused({**SMALL, "seed": 10**5000})


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match="'dataset' is missing"):
        parse_config({key: SMALL[key] for key in SMALL if key != "dataset"})
    assert "the key 'source' is missing at dataset" in refused({**SMALL, "dataset": {}})


def test_of_several_mistakes_the_first_is_named_and_the_others_are_counted():
    wrong = {**SMALL, "seed": -1, "device": "tpu", "methods": {"tsne": {"learning_rate": -1}}}
    sentence = refused(wrong)
    assert "seed is -1" in sentence
    assert sentence.endswith("(and 2 more mistakes)")
    mistyped = {("methds" if key == "methods" else key): SMALL[key] for key in SMALL}
    sentence = refused(mistyped)
    assert "did you mean methods?" in sentence
    assert sentence.endswith("(and 1 more mistake)")


COMPARE = {"before": "b.npy", "after": "a.csv"}


def test_a_study_has_backbones_or_features_of_other_programs():
    small = {"study": "x", "methods": {"pca": {}}}
    study = parse_config({**small, "compare": {**COMPARE, "name": "timm"}})
    assert study.names == ["timm"]
    assert parse_config({**small, "compare": COMPARE}).names == ["features"]
    assert parse_config(SMALL).names == ["MobileNet"]
    assert "dataset and compare cannot both" in refused({**SMALL, "compare": COMPARE})
    assert "'dataset' is missing at the top level (or `compare`" in refused(small)
    assert "'backbones' is missing" in refused({**small, "dataset": SMALL["dataset"]})
    assert "'after' is missing at compare" in refused({**small, "compare": {"before": "b.npy"}})
    models = {"before_model": "b.keras", "after_model": "a.keras"}
    of_models = {**small, "dataset": SMALL["dataset"], "compare": models}
    assert parse_config(of_models).names == ["features"]
    assert "'dataset' is missing: the models" in refused({**small, "compare": models})
    assert "backbones and compare cannot both" in refused({**SMALL, "compare": models})
    assert "before_model and compare.before cannot both" in refused(
        {**small, "compare": {**COMPARE, **models}}
    )
    assert "'after_model' is missing" in refused(
        {**of_models, "compare": {"before_model": "b.keras"}}
    )
    assert "compare.name" in refused({**small, "compare": {**COMPARE, "name": "../x"}})
    for name in ("controls", "report_tables"):
        reserved = {**small, "compare": {**COMPARE, "name": name}}
        assert f"compare.name is '{name}', which is a folder of every study" in refused(reserved)
    tuned = {**small, "compare": COMPARE, "finetune": {"epochs": 3}}
    assert "finetune and compare cannot both" in refused(tuned)


@pytest.mark.parametrize("value", [None, "x", {"claim": "c"}, 3])
def test_a_list_of_mappings_is_asked_for_as_such(value):
    message = refused({**SMALL, "claims": value})
    assert "must be a list, each entry a mapping of keys to values" in message


def test_a_sentence_starts_with_the_place_of_the_configuration(tmp_path):
    assert refused({**SMALL, "seed": -1}).startswith("config: seed is -1 but must be an integer")
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**SMALL, "seed": -1}))
    with pytest.raises(InputError, match=r"mine\.yaml: seed is -1"):
        load_config(file)


def test_a_file_that_is_missing_or_not_yaml_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml does not exist"):
        load_config(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("study: [")
    with pytest.raises(InputError, match=r"broken\.yaml is not valid YAML"):
        load_config(broken)


START = b"study: a\ndataset: {source: digits}\nbackbones: {VGG16: }\nmethods: {pca: }\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["the top level is null", "a mapping"]),
        (b"# a comment\n---\n", ["the top level is null", "a mapping"]),
        (b"- study: a\n", ["the top level is [{'study': 'a'}]", "a mapping"]),
        (b"study", ["the top level is 'study'", "a mapping"]),
        (START + b"seed: 1\nseed: 2\n", ["'seed' stands here a second time", "line 6"]),
        (START + b"graph: {n_neighbors: 90, n_neighbors: 9}\n", ["'n_neighbors'", "line 5"]),
        (START + b"? [a]\n: 1\n", ["not valid YAML", "unhashable", "line 5"]),
        (START + b"graph:\n\tn_neighbors: 9\n", ["not valid YAML", r"'\t'", "line 6, column 1"]),
        (START + b"seed: 1\n seed: 2\n", ["not valid YAML", "line 6"]),
        (START + b"seed: *one\n", ["not valid YAML", "undefined alias 'one'", "line 5"]),
        (START + b"--- \nstudy: b\n", ["not valid YAML", "another document"]),
        (START + b"seed: !!python/object:os.system x\n", ["not valid YAML", "python/object"]),
        (START + b"seed: !!int x\n", ["not valid YAML", "'x'"]),
        (START + b"seed: !!bool x\n", ["not valid YAML", "'x'"]),
        (START + b"seed: !!timestamp x\n", ["not valid YAML"]),
        (START + b"seed: 2024-13-45\n", ["not valid YAML", "month"]),
        (START + b"seed: " + b"9" * 5000 + b"\n", ["not valid YAML", "digits"]),
        (START + b"seed: 0x" + b"f" * 5000 + b"\n", ["seed is a number of thousands of digits"]),
        (START + b"seed: 2024-01-01\n", ["seed is datetime.date(2024, 1, 1)", "an integer"]),
        (START + b"seed: .nan\n", ["seed is nan", "an integer"]),
        (START + b"seed:\n", ["seed is null", "an integer"]),
        (START + b"seed: &a [*a]\n", ["seed is [[", "an integer"]),
        (START + b"seed: " + b"[" * 5000, ["not valid YAML", "nested too deeply"]),
        (START + b"finetune: {learning_rate: 1e-3}\n", ["'1e-3'", "1.0e-3"]),
        (START + b"on: 1\n", ["unknown key True at the top level"]),
        (START + b"# K\xfcrzel\n", ["not UTF-8 at byte"]),
        (START.decode().encode("utf-16"), ["not UTF-8 at byte 0", "save it as UTF-8"]),
        (START + b"seed: a\0b\n", ["not valid YAML", "special characters"]),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, content, words):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_config(file)
    sentence = one_sentence(caught)
    for word in ("mine.yaml", *words):
        assert word in sentence


def test_a_path_that_is_no_file_is_one_sentence(tmp_path):
    for path, words in [(tmp_path, "directory"), ("a\0b", "null"), ("x" * 300, "too long")]:
        with pytest.raises(InputError, match=words) as caught:
            load_config(path)
        one_sentence(caught)


def test_a_merged_key_may_be_set_again_and_a_byte_order_mark_is_skipped(tmp_path):
    file = tmp_path / "mine.yaml"
    methods = b"methods: {lle: &a {n_neighbors: 9}, isomap: {<<: *a, n_neighbors: 8}}\n"
    file.write_bytes(b"\xef\xbb\xbf" + START.replace(b"methods: {pca: }\n", methods))
    study = load_config(file)
    assert study.methods == {"lle": {"n_neighbors": 9}, "isomap": {"n_neighbors": 8}}


def test_what_is_left_out_is_not_passed_on():
    parameters = {"tsne": {"perplexity": 7}, "umap": {"n_epochs": None}, "pca": None}
    study = parse_config({**SMALL, "methods": parameters, "finetune": {"learning_rate": None}})
    assert study.methods == {"tsne": {"perplexity": 7.0}, "umap": {"n_epochs": None}, "pca": {}}
    assert list(study.methods) == ["tsne", "umap", "pca"], "the order of the configuration"
    assert all(type(given) is dict for given in study.methods.values())
    assert study.finetune == {"learning_rate": None}
    assert parse_config(SMALL).finetune == {}


def test_backbones_stand_in_the_order_of_the_configuration_and_have_a_width():
    wanted = {"MobileNetV2": {"alpha": 1}, "VGG16": None, "MobileNet": {"weights": "demo"}}
    study = parse_config({**SMALL, "backbones": wanted})
    assert list(study.backbones) == list(wanted)
    assert [options.alpha for options in study.backbones.values()] == [1.0, 1.0, 1.0]
    assert [options.weights for options in study.backbones.values()] == [
        "imagenet",
        "imagenet",
        "demo",
    ]


def test_a_configuration_as_snakemake_hands_it_on_is_accepted():
    ordered = collections.OrderedDict
    config = ordered(SMALL, methods=ordered(lle=ordered(n_neighbors=9)))
    assert parse_config(config).methods == {"lle": {"n_neighbors": 9}}


def test_a_study_cannot_be_changed():
    study = parse_config(SMALL)
    for part, key in ((study, "seed"), (study.dataset, "subset"), (study.figure, "width")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, key, 5)


def test_other_paths_than_ascii_are_accepted():
    for source in (
        "data/Größe mit Leerzeichen",
        "图片",
        "it's {here}",
        "a" * 255 + "/" + "b" * 255,
    ):
        assert parse_config(with_value("dataset.source", source)).dataset.source == source


def objects(schema: dict):
    """Every object schema inside a schema, with its place."""
    pending = [("top", schema)]
    while pending:
        place, node = pending.pop()
        if "properties" in node:
            yield place, node
            pending += [(f"{place}.{key}", child) for key, child in node["properties"].items()]


def test_every_object_is_closed_and_every_key_described():
    for place, node in objects(schema()):
        assert node["additionalProperties"] is False, place
        for key, child in node["properties"].items():
            assert child.get("description"), f"{place}.{key}"


def test_every_number_and_text_has_bounds():
    for place, node in objects(schema()):
        for key, child in node["properties"].items():
            for choice in child.get("anyOf", [child]):
                bounds = {"minimum", "exclusiveMinimum", "maxLength"} & set(choice)
                kinds = str(choice.get("type"))
                if any(kind in kinds for kind in ("integer", "number", "string")):
                    assert bounds, f"{place}.{key}"


def test_the_schema_has_the_recipe_of_the_code():
    tree = schema()["properties"]["finetune"]["properties"]
    defaults = {name: node["default"] for name, node in tree.items()}
    assert defaults == {**Recipe().model_dump(), "augment": []}


def test_the_schema_has_the_methods_and_parameters_of_the_code():
    tree = schema()["properties"]["methods"]["properties"]
    assert list(tree) == list(METHODS)
    for name, method in METHODS.items():
        keys = set(tree[name]["properties"]) - {"engine", "subset", "start"}
        assert keys == method.parameters(), name
        startable = any(engine.takes_start for engine in method.engines.values())
        assert ("start" in tree[name]["properties"]) == startable
        assert set(tree[name]["properties"]["engine"]["enum"]) == {"auto", *method.engines}


@pytest.mark.parametrize("name", METHODS)
def test_a_configuration_accepts_the_defaults_of_every_engine(name):
    for engine, row in METHODS[name].engines.items():
        parameters = {"engine": engine, **row.defaults()}
        assert parse_config({**SMALL, "methods": {name: parameters}}).methods == {name: parameters}


def test_the_committed_schema_is_the_one_of_the_code():
    committed = (ROOT / "config" / "config.schema.yaml").read_text()
    assert committed == schema_text(), "run `make schema`"
    assert yaml.safe_load(committed) == schema()


def test_the_schema_says_of_configurations_what_the_models_say():
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    for name in SHIPPED:
        validator.validate(yaml.safe_load((ROOT / "config" / name).read_text()))
    validator.validate(with_value("methods.tsne", {"learning_rate": "auto", "perplexity": 7}))
    for path, value in [
        ("datset", {}),
        ("backbones", {}),
        ("backbones.VGG16", {"alpha": 0.5}),
        ("finetune.augment", ["flip", "flip"]),
        ("finetune.augment", ["cutmix"]),
        ("finetune.validation", 1),
        ("dataset.subset", 3),
        ("methods.tsne", {"learning_rate": True}),
        ("methods.mds", {"normalized_stress": 1}),
        ("study", "x" * 101),
    ]:
        assert not validator.is_valid(with_value(path, value)), path
        refused(with_value(path, value))


def test_a_configuration_is_read_without_the_libraries_of_the_steps():
    heavy = {"keras", "tensorflow", "sklearn", "numba", "scipy", "pandas", "numpy", "matplotlib"}
    code = f"import sys, pipeline.config; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
