"""What must not happen, tried some hundred times: `python -m tests.torture`, or `make torture`.

* `bad_inputs`: the verbs of the command line with what users give them by mistake.
* `trials`: things that users of such tools do, and what must come out.
* `kills`: a study that is killed at random moments, again and again.

`test_bad_inputs` runs those bad inputs that need no network of Keras in the usual tests too.
"""
