"""Methods that misbehave, by accident or on purpose: the body of each, and how its own cell shall end."""

from collections.abc import Mapping
from dataclasses import dataclass

OK = ""
"""The cell ends well, with the numbers of a method that did nothing else."""


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One of them.

    Attributes:
        body: of its `unlearn`. reason: what its failed record says, as a regular expression; `OK`: it does not fail.
    """

    body: str
    reason: str = OK


_GC = "import gc\nfound = gc.get_objects()\n"
_END = "\nreturn clip"

PATCHES: Mapping[str, str] = {
    "normalize": "torch.nn.functional.normalize = lambda x, *a, **k: torch.zeros_like(x)",
    "equal": "torch.equal = lambda *a: True",
    "isfinite": "torch.isfinite = lambda x: torch.ones_like(x, dtype=torch.bool)",
    "aminmax": "torch.aminmax = lambda x, **k: (torch.zeros(()), torch.zeros(()))",
    "argmax": "torch.Tensor.argmax = lambda self, *a, **k: torch.zeros(len(self), dtype=torch.int64)",
    "argmax-of-torch": "torch.argmax = lambda x, *a, **k: torch.zeros(len(x), dtype=torch.int64)",
    "matmul": "torch.Tensor.__matmul__ = lambda self, other: torch.zeros(len(self), other.shape[1])",
    "linear": "torch.nn.Linear.forward = lambda self, x: x * 0",
    "no-grad": "torch.no_grad = torch.enable_grad",
    "manual-seed": "torch.manual_seed = lambda seed: None",
    "clock": "import time\ntime.perf_counter = lambda: 0.0\ntime.monotonic = lambda: 0.0\ntime.time = lambda: 0.0",
    "json": "import json\njson.dumps = lambda *a, **k: '{}'",
    "hash": "import hashlib\nhashlib.sha256 = hashlib.md5",
    "open": "import builtins\nbuiltins.open = None",
    "print": "import builtins\nbuiltins.len = lambda x: 1",
    "path": "Path.write_text = lambda self, *a, **k: 0\nPath.exists = lambda self: True",
    "unlink": "os.replace = os.rename = lambda *a, **k: None",
    "clip": "from unlearn_bench.clip import Clip\nClip.with_state = lambda self, state: self",
    "copy": "from unlearn_bench.clip import Clip\nClip.copy = lambda self: self",
    "fingerprint": "from unlearn_bench.clip import Clip\nClip.fingerprint = lambda self: '0' * 16",
    "accuracy": "from unlearn_bench.metrics import accuracy\naccuracy.Accuracy.measure = lambda self, evidence: ()",
    "score": "from unlearn_bench.metrics import average_score\n"
    "average_score.AverageScore.measure = lambda self, evidence: ()",
    "sources": "from unlearn_bench.models import sources\nsources.open_model = None",
    "measurement": "from unlearn_bench.metrics import base\nbase.Measurement.after = 0.0",
    "modules": "sys.modules['unlearn_bench.benchmarks.referee.referee'] = None",
    "import-hook": "sys.meta_path.insert(0, None)",
    "excepthook": "sys.excepthook = None",
    "module-getattr": "torch.nn.Module.__call__ = lambda self, *a, **k: a[0] * 0",
}
"""Functions that others use, replaced and left so."""

TRACES: Mapping[str, str] = {
    "default-dtype": "torch.set_default_dtype(torch.float64)",
    "default-device": "torch.set_default_device('meta')",
    "autocast": "torch.autocast('cpu', dtype=torch.bfloat16).__enter__()",
    "no-grad-left-on": "torch.set_grad_enabled(False)",
    "inference-mode": "torch.inference_mode().__enter__()",
    "deterministic": "torch.use_deterministic_algorithms(True)",
    "threads": "torch.set_num_threads(2)",
    "recursion-limit": "sys.setrecursionlimit(60)",
    "environment": "os.environ.clear()\nos.environ['UNLEARN_BENCH_CACHE'] = '/nowhere'",
    "current-folder": "os.chdir('/')",
    "sys-path": "sys.path.clear()",
    "umask": "os.umask(0o777)",
    "signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.alarm(1)",
    "warnings-are-errors": "import warnings\nwarnings.simplefilter('error')",
    "late-thread": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.2), clip.module.text[2].weight.data.zero_())).start()",
    "busy-thread": "import threading\n"
    "threading.Thread(target=lambda: [0 for _ in iter(int, 1)], daemon=True).start()",
    "atexit": "import atexit\natexit.register(os._exit, 9)",
    "trace-function": "sys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)",
    "gc-off": "import gc\ngc.disable()\ngc.freeze()",
    "limits": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))",
    "train-mode": "clip.module.train()",
    "hook": "clip.module.image[2].register_forward_hook(lambda m, i, o: o * 0)",
    "global-hook": "torch.nn.modules.module.register_module_forward_hook(lambda m, i, o: o * 0)",
    "closed-files": "os.close(1)\nos.close(2)",
}
"""A state of the process, left behind."""

REACHES: Mapping[str, str] = {
    "models": f"{_GC}from unlearn_bench.clip import Clip\nwith torch.no_grad():\n"
    "    [p.zero_() for c in found if isinstance(c, Clip) and c is not clip for p in c.module.parameters()]",
    "tensors": f"{_GC}[t.zero_() for t in found if type(t) is torch.Tensor and not t.requires_grad "
    "and all(t.data_ptr() != p.data_ptr() for p in clip.module.state_dict().values())]",
    "workbench": f"{_GC}assert not [o for o in found if type(o).__name__ in ('Workbench', 'Evaluated', 'Game')]",
    "hidden-class": "import unlearn_bench.benchmarks.referee.workbench as w\nw.open_workbench.cache_clear()",
}
"""What the referee holds, looked for in memory: it is not there."""

ENDS: Mapping[str, Hostile] = {
    "segfault": Hostile(body="import ctypes\nctypes.string_at(0)", reason="SIGSEGV"),
    "abort": Hostile(body="os.abort()", reason="SIGABRT"),
    "exit-0": Hostile(body="os._exit(0)", reason="exit code 0"),
    "exit-1": Hostile(body="os._exit(1)", reason="exit code 1"),
    "kill-9": Hostile(body="os.kill(os.getpid(), signal.SIGKILL)", reason="SIGKILL"),
    "sigterm": Hostile(body="os.kill(os.getpid(), signal.SIGTERM)", reason="SIGTERM"),
    "system-exit": Hostile(body="sys.exit()", reason="SystemExit"),
    "keyboard": Hostile(body="raise KeyboardInterrupt", reason="KeyboardInterrupt"),
    "generator-exit": Hostile(body="raise GeneratorExit", reason="GeneratorExit"),
    "base-exception": Hostile(body="class E(BaseException): pass\nraise E('x')", reason="E: x"),
    "recursion": Hostile(body="def f(): return f()\nf()", reason="RecursionError"),
    "no-limit-to-recursion": Hostile(
        body="sys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nrepr(x)", reason=r"SIG|Recursion"
    ),
    "memory": Hostile(body="bytearray(2**50)", reason="out of memory"),
    "unprintable": Hostile(
        body="class E(Exception):\n    def __str__(self): raise KeyError\nraise E", reason="its text can't be made"
    ),
    "unprintable-class": Hostile(body="raise type('E\\ud800', (Exception,), {})('x')", reason="UnicodeEncodeError|E"),
    "surrogate": Hostile(body="raise ValueError('\\ud800')", reason=r"\\ud800"),
    "long-text": Hostile(body="raise ValueError('x' * 10**7)", reason="ValueError: xxx"),
    "line-feeds": Hostile(body="raise ValueError('a\\nb\\r\\x1b[31m')", reason="ValueError: a"),
    "nothing": Hostile(body="pass", reason="returned a NoneType"),
    "another-thing": Hostile(body="return clip.module", reason="it must return the clip"),
    "a-fake-clip": Hostile(
        body="from unlearn_bench.clip import Clip\nclass Fake:\n    __class__ = Clip\nreturn Fake()",
        reason="Fake|must return",
    ),
    "nan": Hostile(body="clip.module.text[2].weight.data.fill_(float('nan'))\nreturn clip", reason="not finite"),
    "shape": Hostile(
        body="clip.module.text[2].weight = torch.nn.Parameter(torch.zeros(2, 3))\nreturn clip", reason="came back as"
    ),
    "more-tensors": Hostile(
        body="clip.module.register_buffer('x', torch.zeros(1))\nreturn clip", reason="adds|returned state"
    ),
    "fewer-tensors": Hostile(body="del clip.module.text[2]\nreturn clip", reason="lacks"),
    "huge": Hostile(body="clip.module.register_buffer('x', torch.zeros(2**23))\nreturn clip", reason="too large"),
    "report-nonsense": Hostile(body="request.report(0, x=object())\nreturn clip", reason="numbers and texts"),
    "report-too-much": Hostile(body="request.report(0, x='x' * 2**21)\nreturn clip", reason="numbers and texts"),
    "report-no-step": Hostile(body="request.report('first')\nreturn clip", reason="whole number"),
    "no-such-attribute": Hostile(body="return clip.nothing", reason="AttributeError"),
    "fork": Hostile(body="os.fork() or os._exit(0)\nreturn clip"),
    "closed-door": Hostile(
        body=f"{_GC}from multiprocessing.connection import Connection\n"
        "[c.close() for c in found if isinstance(c, Connection)]\nreturn clip",
        reason="process|handle is closed",
    ),
}
"""Ways not to give a model back."""


def all_of_them() -> dict[str, Hostile]:
    """By name."""
    quiet = {**PATCHES, **TRACES, **REACHES}
    return {**{name: Hostile(body=body + _END) for name, body in quiet.items()}, **ENDS}
