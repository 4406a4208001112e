"""Bad arguments of commands, bad parameters of chapters, and a user's own code that fails."""

import os
from pathlib import Path
from typing import get_args

import door_files
from door_arguments import but

from labelnoise.book import parameters, project

FILES = (door_files.GOOD_LABELS, door_files.GOOD_PROBS, door_files.GOOD_SET)
ESTIMATE = "estimate --labels labels.npy --probs probs.npy"
TRAIN = "train bad.npz"
NO_COUNTS = ("x", "1.5", "nan", "", "1e3", "0x1", "None", "[1]", "99999999999999999999", "-1")
TEXTS = ("magic", "", "LENET", "1", "a b", "../x", "lenet,alexnet", "None", "lenet\n", "cpu:0", "\u00e9")
MISSING = (
    "estimate",
    f"{ESTIMATE} --out",
    "estimate --probs probs.npy",
    "train",
    "train a b c",
    "chapter",
    "replay -n",
    "chapter 01_noise --all",
    "reproduce 3",
    "data x",
    "nothing",
    "",
    "chapter x --seeds",
    "train bad.npz --fast",
    "chapter 01_noise -p seeds",
    "--debug",
    "estimate --labels labels.npy",
    "train bad.npz labels.npy",
    "train labels.npy",
    "train bad",
    "train bad.txt",
    "chapter 04_nothing",
    "chapter 03_correction --publish -p profile smoke",
)


def folder(name, **held):
    """A folder for a report that holds something else."""

    def make():
        Path(name).mkdir()
        for each, content in held.items():
            path = Path(name, each.replace("_", "."))
            path.mkdir() if content is None else os.mkfifo(path) if content == "pipe" else path.write_text(content)

    return make


OUTS = {
    "a file": ("out", door_files.saved("out", b"x")),
    "within a file": ("out/a/b", door_files.saved("out", b"x")),
    "a pipe": ("out", lambda: os.mkfifo("out")),
    "a device": ("/dev/null", lambda: None),
    "/proc": ("/proc/x", lambda: None),
    "another's folder": ("out", folder("out", mine_txt="x")),
    "the current folder": (".", lambda: None),
    "a folder within a device": ("/dev/null/x", lambda: None),
    "a link to itself": ("out", lambda: os.symlink("out", "out")),
    "within a link to itself": ("out/a", lambda: os.symlink("out", "out")),
    "a long name": ("o" * 300, lambda: None),
    "a link to a file": ("out", lambda: (Path("x").touch(), os.symlink("x", "out"))),
    **{
        f"a report.json: {text}": ("out", folder("out", report_json=text, x="x"))
        for text in (
            "x",
            "[]",
            "{}",
            "null",
            '{"files": null}',
            '{"files": 1}',
            '{"files": [[]]}',
            '{"files": "report.json"}',
            "[1",
            "",
        )
    },
    "a folder called report.json": ("out", folder("out", report_json=None)),
    "a pipe called report.json": ("out", folder("out", report_json="pipe")),
}


def options():
    """Arguments of commands: what is bad, the arguments, what is made first."""
    for text in MISSING:
        yield f"labelnoise {text}", text.split(), ()
    counts = [*(each for each in NO_COUNTS if each != "9" * 20), "0"]  # as many workers as there are trials serve
    tried = {
        TRAIN: {
            "seed": NO_COUNTS,
            "workers": (*NO_COUNTS, "0"),
            "image-size": (*NO_COUNTS, "0", "1000000000"),
            "device": TEXTS,
            "method": TEXTS,
            "network": TEXTS,
            "label-column": ("magic",),
        },
        ESTIMATE: {"estimator": TEXTS, "threshold": ("x", "nan", "-1", "1.1", "inf", ""), "label-column": ("magic",)},
        "replay": {"n": (*NO_COUNTS, "0"), "seed": but(dict.fromkeys(NO_COUNTS), "-1"), "device": TEXTS},
        "reproduce": {"workers": counts, "device": TEXTS},
        "chapter 01_noise": {"seeds": (*NO_COUNTS, "0"), "workers": counts, "device": TEXTS},
    }
    for command, given in tried.items():
        for option, values in given.items():
            for value in values:
                dashes = "-" if len(option) == 1 else "--"
                yield f"{command} {dashes}{option} {value!r}", [*command.split(), f"{dashes}{option}", value], ()
    for title, (name, make) in OUTS.items():
        for command in (ESTIMATE, TRAIN):
            yield f"{command} --out: {title}", [*command.split(), "--out", name], (make,)
    for title in ("a file", "within a file", "a pipe", "a device", "a link to a file", "a long name"):
        name, make = OUTS[title]
        yield f"reproduce --fresh: {title}", ["reproduce", "--fresh", name], (make,)


# As YAML; a list that is right but for its items stands in for those of each kind.
BAD = {
    int: (
        "x",
        "1.5",
        "null",
        "[]",
        "[1]",
        "true",
        ".nan",
        ".inf",
        "{}",
        "2020-01-01",
        "0",
        "-1",
        "'3'",
        "",
        "1e3",
        "{a: 1}",
        "[1",
    ),
    float: ("x", "null", "[]", "true"),
    str: (
        "1",
        "null",
        "[]",
        "true",
        "{}",
        "1.5",
        "2020-01-01",
        "[magic]",
        "magic",
        "''",
        "'a, b'",
        ".nan",
        "!!python/name:os.x",
    ),
    list: (
        "x",
        "1",
        "null",
        "true",
        "{}",
        "1.5",
        "[null]",
        "[[]]",
        "[{}]",
        "2020-01-01",
        "magic",
        "{a: 1}",
        "[a",
        "!!set {a}",
    ),
}
ITEMS = {
    str: ("[magic]", "[1]", "[symmetric-2]", "[lenet, 1]", "['']"),
    float: ("[x]", "[2]", "[-0.1]", "[.nan]", "[true]", "['0.1']"),
    int: ("[x]", "[0]", "[-1]", "[1.5]", "[true]", "[.nan]"),
}
# Names that no trial has; their page alone looks at them, when it is drawn.
ON_THE_PAGE = {
    "related": ("noises", "models"),
    "status": ("ledgers", "benchmarks"),
}
GOOD = {("data", "''"), ("seed", "0")}


def chapters():
    """Parameters of chapters: the chapter, the parameter and the bad value; two where an earlier chapter has all."""
    known = set()
    for name in project.notebook_names():
        for key, parameter in parameters.declared(name).items():
            items = get_args(parameter.kind)
            values = (*BAD[list], *ITEMS[items[0]]) if items else BAD[parameter.kind]
            named = ("magic", "''", "'a, b'", "[magic]", "[symmetric-2]", "['']")
            of_page = named if key in ON_THE_PAGE.get(name, ()) else ()
            alike = (key, str(parameter.kind), key in ON_THE_PAGE.get(name, ()))
            for value in values[:2] if alike in known else values:
                if value not in of_page and (key, value) not in GOOD:
                    yield name, key, value
            known.add(alike)
        yield name, "magic", "1"


HEAD = "import torch\nfrom torch import nn\n"
LINEAR = "nn.Sequential(nn.Flatten(), nn.Linear(784, n_classes))"
SPEECHLESS = "class E(Exception):\n    def __str__(self): raise ValueError\n"
OWN = {
    "a syntax error": "def make(:\n",
    "an indentation error": "def make():\npass",
    "a name error": "make = makes",
    "an exception": "raise RuntimeError('x')",
    "an exception without words": "raise ValueError",
    "an exception of lines": "raise ValueError('a\\nb')",
    "an end": "import sys; sys.exit(3)",
    "an end without words": "raise SystemExit",
    "a missing import": "import nothing_here",
    "no function": "x = 1",
    "a number": "make = 3",
    "None": "make = None",
    "a zero byte": "make = 1\0",
    "no UTF-8": "# \udce9\nmake = 1",
    "a loop of imports": "from {module} import make",
    "an error of its own": "class E(Exception): pass\nraise E('x')",
    "an error that can't say what it is": f"{SPEECHLESS}raise E",
    "recursion": "def f(): f()\nf()",
    "no arguments": "def make(): pass",
    "a factory that fails": "def make(*a):\n    raise KeyError('x')",
    "a factory whose error can't say what it is": f"{SPEECHLESS}def make(*a):\n    raise E",
    "a state that is no tensor": HEAD
    + "class A(nn.Linear):\n    def forward(self, x): return super().forward(x.flatten(1))\n"
    + "    def get_extra_state(self): return 3\n"
    + "def make(n_classes, c, s): return A(c * s * s, n_classes)",
    "a factory that ends": "def make(*a):\n    raise SystemExit(0)",
    "no module": "def make(*a):\n    return 3",
    "nothing made": "def make(*a): pass",
    "no parameters": HEAD
    + "def make(n_classes, c, s):\n    return nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(n_classes))",
    "frozen": HEAD + f"def make(n_classes, c, s):\n    return {LINEAR}.requires_grad_(False)",
    "a class of torch": HEAD + "make = nn.Linear",
    "a module that is made": HEAD + "make = nn.Linear(3, 3)",
    "another shape": HEAD + "def make(n_classes, c, s):\n    return nn.Flatten()",
    "another size": HEAD
    + "def make(n_classes, c, s):\n    return nn.Sequential(nn.Flatten(), nn.Linear(3, n_classes))",
    "a tuple": HEAD + "class A(nn.Module):\n    def forward(self, x): return x, x\ndef make(*a): return A()",
    "a forward that fails": HEAD
    + "class A(nn.Module):\n    def forward(self, x): raise RuntimeError('x')\ndef make(*a): return A()",
}
NAMES = (
    ".bad_module:make",
    "..bad:make",
    "bad.:make",
    "bad:",
    ":make",
    "bad:make:x",
    "bad-module:make",
    "bad/module:make",
    "bad_module:make()",
    "bad module:make",
    "1bad:make",
    "bad_nowhere:make",
    "os:bad",
    "bad_nowhere.x:make",
    "bad:*",
    "bad:make@12345678",
    "/bad.py:make",
    "bad.py:make",
    "bad::make",
)


def own_code():
    """Networks of a user's own: what is wrong, its name, and the module's text."""
    for number, (wrong, text) in enumerate(OWN.items()):
        module = f"bad_network_{number}"
        yield wrong, f"{module}:make", {f"{module}.py": text.replace("{module}", module)}
    for name in NAMES:
        yield f"the name {name}", name, {}


FAILING = (
    HEAD
    + f"""
class A(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.network = {LINEAR}
    def forward(self, x):
        if torch.is_grad_enabled():
            WHAT
        return self.network(x)
def make(n_classes, channels, size):
    return A(n_classes)
"""
)
IN_TRAINING = {
    "an exception": "raise RuntimeError('of theirs')",
    "an exception without words": "raise ValueError",
    "a name error": "theirs",
    "an end": "raise SystemExit(3)",
    "a number": "return 3",
    "another shape": "return self.network(x)[:1]",
    "NaN": "return self.network(x) * torch.nan",
    "an exception that can't say what it is": "raise type('E', (Exception,), {'__str__': None})",
}
