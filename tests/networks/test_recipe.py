"""Is a recipe what was asked for, and is an impossible one refused in one sentence?"""

import math
import subprocess
import sys
from typing import get_args

import pytest

from pipeline.errors import InputError
from pipeline.networks.batches import AUGMENT
from pipeline.networks.precision import PRECISIONS
from pipeline.networks.recipe import Precision, Recipe, parse_recipe
from pipeline.networks.schedule import head_schedule, network_schedule


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"epochs": -1}, ["epochs is -1", "at least 0"]),
        ({"head_epochs": -1}, ["head_epochs is -1", "at least 0"]),
        ({"learning_rate": 0.0}, ["learning_rate is 0.0", "greater than 0"]),
        ({"head_learning_rate": -1}, ["head_learning_rate is -1", "greater than 0"]),
        ({"batch_size": 0}, ["batch_size is 0", "at least 1"]),
        ({"head_images": 0}, ["head_images is 0", "at least 1"]),
        ({"patience": 0}, ["patience is 0", "at least 1"]),
        ({"batchnorm_images": 0}, ["batchnorm_images is 0", "at least 1"]),
        ({"validation": 1.0}, ["validation is 1.0", "greater than 0", "less than 1"]),
        ({"validation": 0}, ["validation is 0", "greater than 0", "less than 1"]),
        ({"batchnorm": "thaw"}, ["batchnorm is 'thaw'", "adapt, frozen"]),
        ({"precision": "float8"}, ["precision is 'float8'", "auto, float32"]),
        ({"augment": ("cutmix",)}, ["augment", "'cutmix'", "flip, shift"]),
        ({"augment": "flip"}, ["augment is 'flip'", "a list", "flip, shift"]),
        ({"augment": ["flip", "flip"]}, ["augment is ['flip', 'flip']", "repetitions"]),
        ({"epochs": "3"}, ["epochs is '3'", "integer", "without quotes"]),
        ({"epochs": 3.0}, ["epochs is 3.0", "integer"]),
        ({"epochs": True}, ["epochs is True", "integer"]),
        ({"epochs": None}, ["epochs is null", "integer"]),
        ({"learning_rate": True}, ["learning_rate is True", "a number or null"]),
        ({"learning_rate": math.nan}, ["learning_rate is nan", "a number or null"]),
        ({"head_learning_rate": math.inf}, ["head_learning_rate is inf", "a number"]),
        ({"epoch": 3}, ["unknown key 'epoch'", "did you mean epochs?", "patience"]),
        ({"learning_rate": {"a": 1}}, ["learning_rate is {'a': 1}", "a number or null"]),
        ({"epochs": -1, "patience": 0}, ["epochs is -1", "(and 1 more mistake)"]),
        ([], ["the top level is []", "a mapping"]),
    ],
)
def test_a_wrong_recipe_is_refused(setting, words):
    with pytest.raises(InputError) as caught:
        parse_recipe(setting)
    sentence = str(caught.value)
    assert sentence.startswith("finetune: ")
    assert sentence.isprintable()
    for word in words:
        assert word in sentence


def test_what_is_left_out_takes_its_default():
    assert parse_recipe({}) == Recipe()
    recipe = parse_recipe({"epochs": 7, "head_learning_rate": 1, "augment": ["shift"]})
    assert recipe == Recipe(epochs=7, head_learning_rate=1.0, augment=("shift",))
    assert type(recipe.head_learning_rate) is float
    assert recipe.model_dump()["augment"] == ("shift",)


def test_equal_recipes_are_one_key_of_a_dict():
    assert {Recipe(epochs=7): 1}[parse_recipe({"epochs": 7})] == 1


def test_the_recipe_has_the_augmentations_and_precisions_of_the_code():
    assert parse_recipe({"augment": list(AUGMENT)}).augment == tuple(AUGMENT)
    choice, _ = get_args(Recipe.model_fields["augment"].annotation)  # tuple[Literal[...], ...]
    assert get_args(choice) == tuple(AUGMENT)
    assert get_args(Precision) == ("auto", *PRECISIONS)


def test_a_recipe_is_read_without_the_libraries_of_the_step():
    heavy = {"keras", "tensorflow", "numpy", "sklearn"}
    code = f"import sys, pipeline.networks.recipe; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_batches_and_epochs_suit_the_images_and_all_epochs_are_run():
    many, few = (network_schedule(Recipe(), n) for n in (54_000, 900))
    assert (many.batch_size, many.epochs, many.patience) == (128, 3, 3)
    assert (few.batch_size, few.epochs, few.patience) == (16, 8, 8)
    assert few.batches * few.epochs >= 400
    assert network_schedule(Recipe(epochs=30, patience=4), 900).patience == 4
    assert head_schedule(Recipe(), 900).patience == head_schedule(Recipe(), 900).epochs
