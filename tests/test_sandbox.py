"""Hostile submissions: each is stopped, named, and leaves nothing behind."""

import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import clearhead
from clearhead import confinement, job_folder, sandbox
from clearhead.messages import FINISHED, HEADER, PART, RAISED, Answer, packed
from clearhead.sandbox import Limits, Worker

SHORT = Limits(cpu_seconds=5, wall_seconds=15, memory=1 << 30)
ROOT = sys.platform == "linux" and os.geteuid() == 0
X86 = confinement.platform.machine() == "x86_64"
linux = pytest.mark.skipif(sys.platform != "linux", reason="says what Linux does")

ENTRY = '''
import ctypes, errno, json, os, resource, signal, socket, struct, subprocess, sys, threading, time
import numpy as np

def call(number, *arguments):
    """A system call, as any code can make it."""
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = libc.syscall(ctypes.c_long(number), *numbers)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def for_ever():
    while True: pass

def play(job, arrays, send):
    names = {**globals(), "job": job, "arrays": arrays, "send": send}
    exec(compile(job["source"], "submission.py", "exec"), names)
'''


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """A kind of worker that runs the source it is given."""
    folder = tmp_path_factory.mktemp("entry")
    (folder / "played.py").write_text(ENTRY, "utf-8")

    class Player(Worker):
        _path = (str(folder),)

        def __init__(self, imports=("numpy",), isolation="limits"):
            super().__init__("played:play", imports, isolation)

        def play(self, source, limits=SHORT, files={}, **values):  # noqa: B006
            return self.run({"source": source, **values}, {}, files, limits)

    return Player


def require_full(worker):
    if worker.level != "full":
        reason = f"no full isolation here: {worker.why}"
        if "isolation" in os.environ.get("CLEARHEAD_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    return worker


@pytest.fixture(scope="module")
def limited(entry):
    with entry() as worker:
        yield worker


@pytest.fixture(scope="module")
def locked(entry):
    with entry(isolation="full") as worker:
        yield require_full(worker)


@pytest.fixture(params=["limits", "full"])
def worker(request):
    return request.getfixturevalue("limited" if request.param == "limits" else "locked")


def files_of(process):
    return sorted(os.listdir(f"/proc/{process}/fd"))


def eventually(holds):
    """Whether this comes to hold, for which a busy machine may take long."""
    until = time.monotonic() + 60
    while not (held := holds()) and time.monotonic() < until:
        os.sched_yield()
    return held


def at_rest(worker):
    """Whether the keepers of all its jobs are gone, which have said their last word before they are.

    By then the worker has also closed what it gave them.
    """
    return eventually(lambda: not confinement.descendants(worker._process.pid))


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path, monkeypatch, request):
    """After a job: no process, no file and no open file, here or in the worker."""
    monkeypatch.setattr(sandbox.tempfile, "tempdir", str(tmp_path))
    players = [
        request.getfixturevalue(name)
        for name in ("worker", "limited", "locked")
        if name in request.fixturenames
    ]
    if sys.platform != "linux" or not players:
        yield
        return
    player = players[0]
    assert at_rest(player)  # After the job that followed the test before.
    here, there = files_of("self"), files_of(player._process.pid)
    workers = set(confinement.descendants(os.getpid()))
    yield
    assert list(tmp_path.glob("clearhead-*")) == []
    assert eventually(lambda: set(confinement.descendants(os.getpid())) <= workers)
    assert at_rest(player)
    # The worker may still be looking for what the job left.
    assert eventually(lambda: (files_of("self"), files_of(player._process.pid)) == (here, there))
    assert player.play("send({'still': 'there'}, {})").parts == [({"still": "there"}, {})]


# What a job gets and gives.


def test_parts_come_as_they_were_sent(worker):
    arrays = {
        "float": np.linspace(0, 1, 6).reshape(2, 3),
        "bool": np.array([True, False]),
        "none": np.zeros((0, 3), "float32"),
        "one": np.array(7, "int8"),
        "swapped": np.arange(3, dtype=">i4"),
        "strange": np.array([np.nan, np.inf]),
    }
    source = "send({'n': 1, 'nan': float('nan')}, arrays); send({'ü': [None]}, {})"
    outcome = worker.run({"source": source}, arrays, {}, SHORT)
    assert (outcome.stopped, outcome.detail, outcome.output) == (None, "It finished.", "")
    (first, got), second = outcome.parts
    assert first["n"] == 1
    assert first["nan"] != first["nan"]
    assert second == ({"ü": [None]}, {})
    assert [*got] == [*arrays]
    for name, array in arrays.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == array.dtype.newbyteorder("=")
        assert got[name].flags.writeable
        assert got[name].flags.aligned


def test_a_job_starts_in_a_folder_of_its_own_with_its_files(worker):
    source = """
assert open("part/data.txt").read() == "rows" and open("main.py").read() == ""
open("part/more.txt", "w").write("x"); open("part/data.txt", "a").write("x"); os.mkdir("new")
print(sys.stdin.read() == "", os.environ["HOME"] == os.getcwd(), sys.argv)
send({"folder": os.getcwd(), "environment": dict(os.environ), "hash": hash("x")}, {})
"""
    files = {"part/data.txt": b"rows", "main.py": b""}
    outcomes = [worker.play(source, files=files) for _ in range(2)]
    assert [outcome.detail for outcome in outcomes] == ["It finished."] * 2
    assert outcomes[0].output == "True True ['submission']\n"
    first, second = (outcome.parts[0][0] for outcome in outcomes)
    assert first["folder"] != second["folder"]
    assert not Path(first["folder"]).exists()


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", "", "a\\..\\b", "c:x"])
def test_a_file_outside_the_folder_is_refused(limited, name):
    with pytest.raises(ValueError, match=r"a file must have a relative name without \.\., got"):
        limited.play("", files={name: b""})


@linux
def test_nothing_of_the_environment_is_passed_on(entry, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    with entry() as worker:
        outcome = worker.play("send(dict(os.environ), {}); send({'hash': hash('x')}, {})")
        seen = Path(f"/proc/{worker._process.pid}/environ").read_bytes()
    with entry() as worker:
        again = worker.play("send({'hash': hash('x')}, {})")
    assert "SECRET_TOKEN" not in outcome.parts[0][0]
    assert b"hunter2" not in seen
    assert outcome.parts[0][0]["OMP_NUM_THREADS"] == "1"
    assert outcome.parts[1] == again.parts[0]


@pytest.mark.parametrize(
    "statement",
    [
        "import clearhead",
        "from clearhead.two_layer_nn import TwoLayerNN",
        "__import__('importlib').import_module('clearhead.sandbox')",
    ],
)
def test_clearhead_cannot_be_imported(worker, statement):
    outcome = worker.play(statement)
    assert outcome.stopped == "error"
    assert outcome.detail.startswith("ImportError: clearhead cannot be imported here")


def test_no_module_of_clearhead_is_in_sight(worker):
    source = (
        "import __main__; print([m for m in sys.modules if 'clearhead' in m], hasattr(__main__, 'Worker'))"
    )
    assert worker.play(source).output == "[] False\n"


@linux
def test_a_job_has_nothing_open_but_its_own(worker):
    source = """
open_files = []
for file in range(2000):
    try: open_files.append([file, oct(os.fstat(file).st_mode >> 12)])
    except OSError: pass
send({"open": open_files}, {})
"""
    # A device for input, a pipe for output and errors, a socket for answers.
    assert worker.play(source).parts[0][0]["open"] == [[0, "0o2"], [1, "0o1"], [2, "0o1"], [3, "0o14"]]


def test_modules_and_threads_can_still_be_used(worker):
    source = """
import decimal, numpy.polynomial, sqlite3, tempfile, zoneinfo, _multiprocessing, logging.handlers
with tempfile.TemporaryFile() as file: file.write(b"x")
done = []
threads = [threading.Thread(target=done.append, args=(n,)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
zoneinfo.ZoneInfo("Europe/Berlin"); os.cpu_count(); time.localtime(); os.listdir("."); resource.getrlimit(0)
np.linalg.inv(np.random.default_rng(0).normal(size=(300, 300))) @ np.ones(300)
send({"done": sorted(done)}, {})
"""
    outcome = worker.play(source)
    assert (outcome.detail, outcome.parts) == ("It finished.", [({"done": [*range(8)]}, {})])


def test_torch_can_be_used(entry):
    source = """
import torch, torch.nn.functional, torch.optim
model = torch.nn.Linear(64, 8)
torch.optim.SGD(model.parameters(), 0.1)
model(torch.ones(512, 64)).sum().backward()
torch.manual_seed(0); torch.save(model.state_dict(), "model.pt"); torch.load("model.pt")
send({"threads": torch.get_num_threads()}, {"gradient": model.weight.grad.numpy()})
"""
    with entry(("numpy", "torch"), "full") as worker:
        outcome = worker.play(source)
    assert outcome.detail == "It finished."
    assert outcome.parts[0][0] == {"threads": 1}
    np.testing.assert_array_equal(outcome.parts[0][1]["gradient"], np.full((8, 64), 512.0))


# What is stopped everywhere.

LOOP = "while True: pass"
QUICK = Limits(cpu_seconds=5, wall_seconds=0.4, memory=1 << 30)
SMALL = Limits(wall_seconds=15, folder_size=64 << 20, folder_files=500)
STOPPED = {
    "an endless loop": (LOOP, "time", QUICK),
    "a loop that holds the interpreter": ("import re; re.match('(a|aa)+$', 'a' * 99 + 'b')", "time", QUICK),
    "sleep for ever": ("time.sleep(1e6)", "time", QUICK),
    "wait for a thread": ("t = threading.Thread(target=for_ever); t.start(); t.join()", "time", QUICK),
    "too much processor": (LOOP, "cpu", Limits(cpu_seconds=1, wall_seconds=15)),
    "all signals ignored": (
        "for n in signal.valid_signals() - {9, 19, 32, 33}: signal.signal(n, signal.SIG_IGN)\n" + LOOP,
        "cpu", Limits(cpu_seconds=1, wall_seconds=15)),
    "bytes of 8 GB": ("bytearray(8 << 30)", "memory", SHORT),
    "an array of 8 GB": ("np.ones(1 << 30)", "memory", SHORT),
    "a list that grows": ("x = []\nwhile True: x.append(bytearray(1 << 20))", "memory", SHORT),
    "a mapping of 8 GB": ("import mmap; mmap.mmap(-1, 8 << 30)", "error", SHORT),
    "recursion": ("def f(): f()\nf()", "error", SHORT),
    "recursion without a limit": (
        "sys.setrecursionlimit(10**9)\ndef f(): sorted([1], key=lambda _: f())\nf()",
        "memory signal", SHORT),
    "brackets for the parser": ("exec('(' * 10**6)", "error memory signal", SHORT),
    "signs for the parser": ("exec('-' * 10**6 + '1')", "error memory signal", SHORT),
    "names for the compiler": ("exec('a' + '.a' * 10**5)", "error memory signal", SHORT),
    "1 GB printed": ("for _ in range(1 << 10): print('x' * (1 << 20))", "output", SHORT),
    "written to file 1": ("while True: os.write(1, b'x' * 4096)", "output", SHORT),
    "written to stderr": ("while True: sys.stderr.write('no end\\n')", "output", SHORT),
    "a huge file": ("open('big', 'wb').write(bytes(64 << 20))", "error", SHORT),
    "a huge hole": ("open('big', 'wb').truncate(1 << 40)", "error", SHORT),
    "os._exit(0)": ("send({'a': 1}, {}); os._exit(0)", "exit", SHORT),
    "sys.exit(0)": ("sys.exit(0)", "exit", SHORT),
    "quit() with a text": ("raise SystemExit('enough')", "exit", SHORT),
    "all files closed": ("os.closerange(0, 1 << 16)", "exit", SHORT),
    "garbage for an answer": ("os.write(3, b'no answer at all' * 9); for_ever()", "answer", SHORT),
    "an enormous length": ("os.write(3, b'P' + b'\\0' * 4 + b'\\xff' * 8); for_ever()", "answer", SHORT),
    "an enormous text": ("os.write(3, b'P' + b'\\xff' * 4 + b'\\0' * 8); for_ever()", "answer", SHORT),
    "an answer begun": ("os.write(3, struct.pack('<cIQ', b'P', 99, 0))", "exit", SHORT),
    "arrays without end": ("while True: send({}, {'x': np.zeros(1 << 20)})", "answer", SHORT),
    "parts without end": ("while True: send({}, {})", "answer", Limits(answer=1 << 20)),
    "text without end": ("send({'x': 'x' * (5 << 20)}, {}); for_ever()", "answer", SHORT),
    "a part after the end": (
        "m = struct.pack('<cIQ', b'F', 7, 0) + b'[{},[]]'; os.write(3, m + m); for_ever()",
        "answer", SHORT),
    "objects for an answer": ("send({}, {'x': np.array([print])})", "error", SHORT),
    "half a surrogate": ("send({'x': '\\ud800'}, {}); for_ever()", "answer", SHORT),
    "an error that cannot be shown": (
        "class E(Exception):\n def __str__(self): 1 / 0\nraise E", "error", SHORT),
    "a segmentation fault": ("ctypes.string_at(0)", "signal", SHORT),
    "an abort": ("os.abort()", "signal", SHORT),
    "a signal to itself": ("os.kill(os.getpid(), signal.SIGKILL)", "signal", SHORT),
    "thousands of threads": (
        "threading.stack_size(1 << 15)\n"
        "while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()", "error", SHORT),
    "thousands of open files": ("x = [open(f'{n}', 'w') for n in range(5000)]", "error", SHORT),
    "folders without end": (
        "while True: os.mkdir('x' * 99); os.chdir('x' * 99)", "disk", SMALL),
    "files that fill the disk": (
        "n = 0\nwhile True: n += 1; open(f'{n}', 'wb').write(bytes(8 << 20))", "disk", SMALL),
    "files without end": ("n = 0\nwhile True: n += 1; open(f'{n}', 'w')", "disk", SMALL),
    "folders that are shut": (
        "os.makedirs('a/b'); os.symlink('/', 'a/root'); os.umask(511); os.mkdir('d'); 1 / 0", "error", SHORT),
}  # fmt: skip


@linux
@pytest.mark.parametrize("name", STOPPED)
def test_what_is_stopped_is_named(worker, name):
    source, expected, limits = STOPPED[name]
    started = time.monotonic()
    outcome = worker.play(source, limits)
    assert outcome.stopped in expected.split(), outcome
    assert outcome.detail
    assert len(outcome.output) <= sandbox.SHOWN
    assert time.monotonic() - started < 60  # It did not wait for what it stopped.
    assert outcome.level == worker.level


@pytest.mark.parametrize(
    ("ending", "stopped"),
    [("os._exit(3)", "exit"), (LOOP, "time"), ("1 / 0", "error"), ("os.abort()", "signal")],
)
def test_what_was_sent_before_the_end_is_kept(worker, ending, stopped):
    limits = Limits(wall_seconds=2) if stopped == "time" else SHORT  # It must have begun by then.
    outcome = worker.play(f"print('begun')\nsend({{'n': 1}}, {{'x': np.ones(2)}})\n{ending}", limits)
    assert (outcome.stopped, outcome.output) == (stopped, "begun\n")
    assert [data for data, _ in outcome.parts] == [{"n": 1}]


def test_each_end_is_told_in_a_sentence(limited):
    expected = {
        "an endless loop": "It ran longer than the 0.4 seconds that are allowed.",
        "bytes of 8 GB": "MemoryError: it needed more memory than is allowed.",
        "written to file 1": "It printed more than the 1 MB that are allowed.",
        "os._exit(0)": "It ended with exit status 0 before its function returned.",
        "text without end": "It sent back more than the 64 MB that are allowed.",
        "a segmentation fault": "It was ended by signal 11 (Segmentation fault).",
        "a huge file": "OSError: [Errno 27] File too large",
        "objects for an answer": "TypeError: x must hold numbers, got object; convert it first.",
        "an error that cannot be shown": "E, which cannot be shown",
    }
    assert {name: limited.play(STOPPED[name][0], STOPPED[name][2]).detail for name in expected} == expected


# What a job starts, where it may.


@linux
def test_threads_are_counted(worker):
    source = """
threading.stack_size(1 << 15)
count = 0
try:
    while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start(); count += 1
except RuntimeError: send({"count": count}, {})
"""
    tasks = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    assert 50 < worker.play(source).parts[0][0]["count"] < tasks + 500


@linux
@pytest.mark.parametrize(
    ("source", "stopped"),
    [
        ("while True:\n try: os.fork()\n except OSError: pass", "time"),
        ("while True:\n try: os.fork() or os.setsid()\n except OSError: pass", "time"),
        ("if os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(1e6)\n os._exit(0)", None),
        ("subprocess.Popen(['sleep', '1000'], start_new_session=True)", None),
        ("os.system('sleep 1000 &')", None),
        ("[os.fork() for _ in range(3)]; 1 / 0", "error answer"),
    ],
)
def test_all_that_a_job_started_ends_with_it(limited, source, stopped):
    outcome = limited.play(source, QUICK if stopped == "time" else SHORT)
    assert str(outcome.stopped) in str(stopped), outcome


@linux
def test_a_job_whose_keeper_is_gone_is_ended_too(limited):
    """Of the same user, a job could end its keeper; here the test does."""
    gone = threading.Thread(target=lambda: os.kill(keeper_of(limited), signal.SIGKILL))
    gone.start()
    outcome = limited.play("time.sleep(1e6)")
    gone.join()
    assert (outcome.stopped, outcome.detail) == ("signal", "The process that kept it was ended.")


def keeper_of(worker):
    """The keeper of the one job that runs, once it waits; killed before, the job would begin again."""

    def waiting():
        below = confinement.descendants(worker._process.pid)
        keepers = [process for process in below if confinement.descendants(process)]
        return [process for process in keepers if state(process) == "S"]

    found = eventually(waiting)
    assert found, "no job runs"
    return found[0]


@linux
def test_a_job_ends_with_its_parent(entry, tmp_path):
    code = f"""
from clearhead.sandbox import Worker
class Player(Worker): _path = {entry._path!r}
source = "if os.fork() == 0: os.setsid()\\ntime.sleep(1e6)"
Player("played:play").run({{"source": source}}, {{}})
"""
    temporary = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], env=temporary) as parent:
        eventually(lambda: len(confinement.descendants(parent.pid)) == 4)
        below = confinement.descendants(parent.pid)
        parent.kill()
    assert len(below) == 4  # The worker, the keeper, the child and what it started.
    assert eventually(lambda: not any(map(runs, below)))


def runs(process):
    return state(process) not in ("", "Z")


def state(process):
    """What /proc says that it does, as R for running and S for sleeping; empty where there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@linux
@pytest.mark.skipif(not ROOT, reason="of the same user, it may")
@pytest.mark.parametrize(
    "source",
    [
        "os.kill(os.getppid(), 9)",
        "open('/etc/clearhead-test', 'w')",
        "os.setuid(0)",
        "os.chmod('/etc/passwd', 0o644)",
        "resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
        "open(f'/proc/{os.getppid()}/mem', 'rb')",
    ],
)
def test_root_gives_up_its_powers(limited, source):
    outcome = limited.play(source)
    assert outcome.stopped == "error", outcome
    assert any(word in outcome.detail for word in NAMED), outcome.detail


# What full isolation refuses.

REFUSED = {
    "read /etc/passwd": "open('/etc/passwd').read()",
    "list where the interpreter lies": "os.listdir(os.path.dirname(sys.prefix))",
    "list the root": "os.listdir('/')",
    "read our sources": "open(job['ours'] + '/two_layer_nn.py').read()",
    "list our sources": "os.listdir(job['ours'])",
    "read our tests": "open(job['tests']).read()",
    "list what lies beside our sources": "os.listdir(job['ours'] + '/..')",
    "write outside": "open(job['outside'] + '/made', 'w')",
    "write to a file outside": "open(job['outside'] + '/kept', 'a')",
    "read a file outside": "open(job['outside'] + '/kept')",
    "empty a file outside": "os.truncate(job['outside'] + '/kept', 0)",
    "empty a library": "os.open(np.__file__, os.O_RDONLY | os.O_TRUNC)",
    "write to a library": "open(np.__file__, 'a')",
    "remove a file outside": "os.unlink(job['outside'] + '/kept')",
    "move a file outside": "os.rename(job['outside'] + '/kept', 'mine')",
    "move a file out": "open('x', 'w').close(); os.rename('x', job['outside'] + '/kept')",
    "read by a symlink": "os.symlink(job['outside'] + '/kept', 'link'); open('link').read()",
    "write by a symlink": "os.symlink(job['outside'], 'link'); open('link/made', 'w')",
    "read by ..": "open('../../../../../../../../etc/passwd')",
    "read by a hard link": "os.link(job['outside'] + '/kept', 'mine')",
    "hard link a library": "os.link(np.__file__, 'mine')",
    "change a mode": "os.chmod(job['outside'] + '/kept', 0o777)",
    "change a mode by a file": "os.fchmod(os.open(np.__file__, os.O_RDONLY), 0o644)",
    "change an owner": "os.chown(job['outside'] + '/kept', 0, 0)",
    "change a time": "os.utime(job['outside'] + '/kept', (0, 0))",
    "change a library's attributes": (
        "import fcntl; fcntl.ioctl(os.open(np.__file__, os.O_RDONLY), 0x40086602, bytes(8))"
    ),
    "open neither to read nor to write": "os.open(job['outside'] + '/kept', 3)",
    "room on the disk": "os.posix_fallocate(os.open('x', os.O_CREAT | os.O_RDWR), 0, 1 << 20)",
    "set an attribute": "os.setxattr(job['outside'] + '/kept', 'user.x', b'')",
    "a device": "os.mknod('sda', 0o60600, 0x800)",
    "shared memory in a file": "open('/dev/shm/clearhead-test', 'w')",
    "shared memory": "call({29: 194}, 0, 4096, 0o1600)",
    "memory as a file": "os.memfd_create('x')",
    "its memory as a file": "open('/proc/self/mem', 'r+b')",
    "its parent's memory": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "its parent's environment": "open(f'/proc/{os.getppid()}/environ', 'rb')",
    "its parent's files": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "a socket": "socket.socket()",
    "a connection": "socket.create_connection(('127.0.0.1', 80), 1)",
    "a pair of sockets": "socket.socketpair()",
    "a socket of another kind": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "to listen with the socket it has": "socket.socket(fileno=os.dup(3)).listen()",
    "fork": "os.fork()",
    "vfork": "call({58: 220}, 0x4111, 0)",
    "a process": "subprocess.run(['true'])",
    "a shell": "assert os.system('true') == 0, 'PermissionError by libc'",
    "a spawned process": "os.posix_spawn('/bin/true', ['true'], {})",
    "clone": "call({56: 220}, signal.SIGCHLD, 0, 0, 0, 0) or os._exit(7)",
    "clone into a namespace": "call({56: 220}, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0) or os._exit(7)",
    "clone3": "call(435, (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD), 88) or os._exit(7)",
    "execve": "os.execv(sys.executable, ['python', '-c', ''])",
    "kill its parent": "os.kill(os.getppid(), 0)",
    "kill everybody": "os.kill(-1, 0)",
    "kill its group": "os.killpg(0, 0)",
    "kill a thread": "call({200: 130}, os.getppid(), 0)",
    "kill by a queue": "call({129: 138}, os.getppid(), 0, bytes(128))",
    "kill by a process file": "os.pidfd_open(os.getppid())",
    "kill by a file's news": "import fcntl; fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
    "leave its session": "os.setsid()",
    "trace its parent": "call({101: 117}, 16, os.getppid(), 0, 0)",
    "be traced": "call({101: 117}, 0, 0, 0, 0)",
    "read its parent's memory": "call({310: 270}, os.getppid(), 0, 0, 0, 0, 0)",
    "compare processes": "call({312: 272}, os.getpid(), os.getppid(), 0, 0, 0)",
    "io_uring": "call(425, 8, bytes(120))",
    "raise a limit": "resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999))",
    "raise a limit in another way": "resource.prlimit(0, resource.RLIMIT_AS, (-1, -1))",
    "its parent's limits": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)",
    "its parent's priority": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "become root": "os.setuid(0)",
    "become a group": "os.setgroups([0])",
    "mount": "call({165: 40}, 0, 0, 0, 0, 0)",
    "a new root": "os.chroot('.')",
    "a new namespace": "call({272: 97}, 0x10000000)",
    "bpf": "call({321: 280}, 0, 0, 0)",
    "performance events": "call({298: 241}, 0, 0, -1, -1, 0)",
    "userfaultfd": "call({323: 282}, 1)",
    "the keys of the kernel": "call({250: 219}, 0, -3, 0)",
    "to watch others' files": "call({294: 26}, 0)",
    "the clock": "call({227: 112}, 0, 0)",
}
NAMED = (
    "PermissionError",
    "Function not implemented",
    "Invalid cross-device link",  # What Landlock says of a hard link between folders.
    "not allowed to raise",
    "operation not permitted",
)


@pytest.mark.parametrize("name", REFUSED)
def test_full_isolation_refuses(locked, name, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("kept")
    source = re.sub(r"\{(\d+): (\d+)\}", r"\1" if X86 else r"\2", REFUSED[name])  # The call's number here.
    ours = str(Path(clearhead.__file__).parent)
    outcome = locked.play(source, ours=ours, tests=__file__, outside=str(tmp_path))
    assert outcome.stopped == "error", outcome
    assert any(word in outcome.detail for word in NAMED), outcome.detail
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept.read_text(), kept.stat().st_mode & 0o777, kept.stat().st_mtime > 0) == ("kept", 0o644, True)


# The filter, read as the kernel reads it, for both kinds of processor.


def answered(machine, number, *arguments, audit=None, process=4321):
    """What the filter returns for this call."""
    audit = confinement.ARCHITECTURES[machine][0] if audit is None else audit
    values = [*arguments, *[0] * (6 - len(arguments))]
    seen = struct.pack("<IIQ6Q", number, audit, 0, *(value % 2**64 for value in values))
    code = [*struct.iter_unpack("<HBBI", confinement._program(machine, process))]
    at = accumulator = 0
    while True:
        operation, yes, no, k = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", seen, k)
        elif operation == 0x54:
            accumulator &= k
        elif operation == 0x06:
            return {0x7FFF0000: "allow", 0x50001: "EPERM", 0x50026: "ENOSYS"}[k]
        else:
            at += yes if {0x15: accumulator == k, 0x35: accumulator >= k}[operation] else no


# From the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
CALLS = {
    "x86_64": dict(read=0, write=1, open=2, mmap=9, ioctl=16, socket=41, clone=56, fork=57, kill=62, fcntl=72,
                   ptrace=101, futex=202, tgkill=234, openat=257, prlimit64=302, seccomp=317),
    "aarch64": dict(read=63, write=64, mmap=222, ioctl=29, socket=198, clone=220, kill=129, fcntl=25,
                    ptrace=117, futex=98, tgkill=131, openat=56, prlimit64=261, seccomp=277),
}  # fmt: skip


@pytest.mark.parametrize("machine", CALLS)
def test_the_filter_tells_calls_by_their_arguments(machine):
    calls = CALLS[machine]
    cases = {
        "allow": [("read",), ("write",), ("mmap",), ("futex",), ("clone", 0x3D0F00), ("kill", 4321),
                  ("tgkill", 4321, 5), ("openat", 0, 0, 0o1101), ("openat", 0, 0, 0), ("fcntl", 1, 3),
                  ("ioctl", 1, 0x5401), ("ioctl", 1, 0x5451), ("prlimit64", 0, 7, 0, 9)],
        "EPERM": [("socket",), ("fork",), ("ptrace",), ("clone", 17), ("clone", 0x10000 | 0x20000),
                  ("clone", 0x10000011 | 0x10000), ("kill", 1), ("kill", -1), ("kill", 0), ("tgkill", 1, 5),
                  ("openat", 0, 0, 0o1000), ("open", 0, 0o1000), ("fcntl", 1, 8), ("fcntl", 1, 10),
                  ("fcntl", 1, 15), ("ioctl", 1, 0x8901), ("ioctl", 1, 0x5000940E), ("openat", 0, 0, 3),
                  ("open", 0, 3), ("prlimit64", 5, 7, 0, 9),
                  ("prlimit64", 0, 7, 1, 0), ("prlimit64", 0, 7, 1 << 32, 0)],
    }  # fmt: skip
    for answer, wanted in cases.items():
        for name, *arguments in wanted:
            if name in calls:
                assert answered(machine, calls[name], *arguments) == answer, (name, arguments)


@pytest.mark.parametrize("machine", CALLS)
def test_the_filter_knows_no_call_that_is_newer_than_it(machine):
    allowed = [number for number in range(424, 700) if answered(machine, number) == "allow"]
    assert allowed == [436, 439, 441, 449, 454, 455, 456, 462]
    assert {answered(machine, number) for number in range(424, 700) if number not in allowed} == {"ENOSYS"}


@pytest.mark.parametrize("machine", CALLS)
def test_the_filter_refuses_the_calls_of_another_kind_of_processor(machine):
    assert answered(machine, 0, audit=0x40000003) == "EPERM"
    assert answered(machine, CALLS[machine]["read"] + 0x40000000) == "EPERM"


@linux
@pytest.mark.skipif(not X86, reason="has no calls of 32 bits")
def test_calls_of_32_bits_are_refused(locked):
    """getpid by int 0x80, as machine code."""
    source = """
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3]))
send({"said": ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()}, {})
"""
    outcome = locked.play(source)
    assert outcome.stopped == "signal" or outcome.parts[0][0]["said"] < 0


# Where clearhead lies.


@pytest.mark.parametrize("parts", [("lib", "site-packages"), ("checkout",)])
def test_all_but_clearhead_can_be_read_around_it(tmp_path, parts):
    home = tmp_path.joinpath(*parts)
    for name in ("clearhead/views", "numpy", ".git"):
        (home / name).mkdir(parents=True)
    (home / "other.py").touch()
    (home / "linked").symlink_to(home / "numpy")
    (home / "back").symlink_to(home)
    (home / "shortcut").symlink_to(home / "clearhead" / "views")
    ours = home / "clearhead"
    allowed = {path.name for path in confinement.around(tmp_path, ours, ours)}
    assert allowed == {"numpy", ".git", "other.py"}
    assert [*confinement.around(home, home, ours)] == []
    assert [*confinement.around(home / "numpy", home, ours)] == [home / "numpy"]


def test_nothing_of_this_checkout_is_among_what_can_be_read():
    ours = Path(clearhead.__file__).resolve().parent
    for path in map(Path, confinement.readable()):
        assert not ours.is_relative_to(path)
        assert not path.is_relative_to(ours)


# The worker.


def test_threads_run_jobs_at_once(worker):
    sources = [f"send({{'n': {n}}}, {{'x': np.full(1000, {n})}})" for n in range(12)]
    sources[5] = "os.abort()"
    sources[7] = "while True: print('x' * 999)"
    with ThreadPoolExecutor(6) as pool:
        outcomes = [*pool.map(worker.play, sources)]
    assert [outcome.stopped for outcome in outcomes] == [{5: "signal", 7: "output"}.get(n) for n in range(12)]
    for n, outcome in enumerate(outcomes):
        if outcome.stopped is None:
            assert outcome.parts[0][0] == {"n": n}
            np.testing.assert_array_equal(outcome.parts[0][1]["x"], np.full(1000, n))


@linux
def test_a_job_ends_while_another_runs(limited):
    """A child that still runs holds nothing of the other."""
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(limited.play, "time.sleep(1e6)", Limits(wall_seconds=60))
        keeper = keeper_of(limited)
        assert [limited.play("os._exit(0)").stopped for _ in range(3)] == ["exit"] * 3
        assert not slow.done()
        os.kill(keeper, signal.SIGKILL)
        assert slow.result().stopped == "signal"


@linux
def test_a_worker_that_died_is_started_again(entry):
    with entry() as worker:
        first = worker._process.pid
        os.kill(first, signal.SIGKILL)
        assert worker.play("send({}, {})").parts == [({}, {})]
        assert worker._process.pid != first
    assert not set(confinement.descendants(os.getpid())) & {first}


@linux
def test_a_worker_that_cannot_start_again_says_why(entry, monkeypatch):
    with entry() as worker:
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        monkeypatch.setitem(worker._asked, "imports", ["no_such_module"])
        with pytest.raises(
            RuntimeError, match=r"(?s)did not start: ModuleNotFoundError: .*no_such_module.*install"
        ):
            worker.play("")


def test_a_closed_worker_says_so(entry):
    worker = entry()
    worker.close()
    worker.close()
    with pytest.raises(RuntimeError, match="The worker is closed; make a new one"):
        worker.play("")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("played.play",), r'entry must be "package.module:function", got \'played.play\''),
        (("played:play", (), "none"), r'isolation must be "full" or "limits", got \'none\''),
    ],
)
def test_what_is_asked_for_is_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        Worker(*arguments)


def test_an_entry_that_is_not_there_is_named():
    with pytest.raises(
        RuntimeError, match=r"(?s)worker for no_such_module:f did not start: .*No module named 'no_such"
    ):
        Worker("no_such_module:f")


def test_a_system_without_full_isolation_is_named(monkeypatch):
    monkeypatch.setattr(confinement, "LINUX", False)
    assert confinement.missing().startswith("Full isolation needs Linux, this is")
    monkeypatch.undo()
    if confinement.LINUX:
        monkeypatch.setattr(confinement.platform, "machine", lambda: "riscv64")
        assert confinement.missing() == "Full isolation is written for x86_64 and aarch64, this is riscv64."
        monkeypatch.undo()
        monkeypatch.setattr(confinement, "_landlock_version", lambda: -1)
        assert "has no Landlock" in confinement.missing()


@linux
@pytest.mark.parametrize("part", ["_keep_to", "_filter"])
def test_a_lock_that_does_not_hold_is_noticed(locked, monkeypatch, part):
    monkeypatch.setattr(confinement, part, lambda *_: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A library that another test loaded may speak against forks.
        assert "all the same" in confinement.missing()


def test_where_nothing_forks_each_job_has_a_process(entry, monkeypatch):
    monkeypatch.setattr(sandbox, "FORKS", False)
    with entry(isolation="full") as worker:
        assert (worker.level, worker.why) == ("limits", sandbox.NO_FORK)
        assert "memory is not" in worker.why, "what is not limited is said"
        source = "print(open('a/b').read()); send({'n': 1}, {'x': np.ones(2)}); import clearhead"
        outcome = worker.play(source, files={"a/b": b"rows"})
        assert outcome.parts[0][0] == {"n": 1}
        assert outcome.output == "rows\n"
        assert (outcome.stopped, outcome.detail[:12]) == ("error", "ImportError:")
        assert worker.play("time.sleep(1e6)", QUICK).stopped == "time"
        assert worker.play("os._exit(0)").stopped == "exit"
        assert worker.play("send({}, {})").stopped is None


# Answers, as a child could forge them.


def forged(text, body=b"", kind=PART):
    return HEADER.pack(kind, len(text), len(body)) + text + body


@pytest.mark.parametrize(
    "message",
    [
        forged(b"PK\x03\x04" + bytes(100)),  # The beginning of a zip bomb.
        HEADER.pack(PART, 2**32 - 1, 2**64 - 1),
        forged(b"[" * 10**6),
        forged(b"[{}, [" + b"[" * 10**5),
        forged(b"\xff\xfe"),
        forged(b"9" * 10**5),
        forged(b"{}"),
        forged(b"[1, []]"),
        forged(b'[{"a": "\\ud800"}, []]'),
        forged(b'[{}, [["x", "|O", [1]]]]', bytes(8)),
        forged(b'[{}, [["x", "<U9", [1]]]]', bytes(36)),
        forged(b'[{}, [["x", "<f3", [1]]]]', bytes(8)),
        forged(b'[{}, [["x", "<f8", [1000000000000]]]]', bytes(8)),
        forged(b'[{}, [["x", "<f8", [4294967296, 4294967296]]]]', bytes(8)),
        forged(b'[{}, [["x", "<f8", [-1, -1]]]]', bytes(8)),
        forged(b'[{}, [["x", "<f8", [1.0]]]]', bytes(8)),
        forged(b'[{}, [["x", "<f8", [true]]]]', bytes(8)),
        forged(b'[{}, [["x", "<f8", 1]]]', bytes(8)),
        forged(b'[{}, [["x", "<f8", [0, ' + b"9" * 4000 + b"]]]]"),
        forged(b'[{}, [["x", "<f8", [' + b"1, " * 40 + b"1]]]]", bytes(8)),
        forged(b'[{}, [["x", "<f8", [1]], ["x", "<f8", [1]]]]', bytes(16)),
        forged(b'[{}, [["x", "<f8", [1]]]]', bytes(9)),
        forged(b'[{}, [[1, "<f8", [1]]]]', bytes(8)),
        forged(b'[{}, [["x", 8, [1]]]]', bytes(8)),
        forged(b"[{}, []]", kind=b"J"),
        forged(b"[{}, []]", kind=FINISHED) + forged(b"[{}, []]"),
        forged(b"[{}, []]", kind=RAISED) + forged(b"[{}, []]", kind=FINISHED),
        forged(b"[{}, []]") * 5000,
        forged(b'[{"x": [' + b"[]," * 20_000 + b"[]]}, []]") * 20,
        forged(b'[{}, [["x", "|u1", [5000000]]]]', bytes(5_000_000)),
    ],
)
def test_a_forged_answer_is_trouble_and_never_an_exception(message):
    answer = Answer(4 << 20)
    for start in range(0, len(message), 1 << 16):
        answer.feed(message[start : start + (1 << 16)])
    assert answer.trouble.startswith("It sent back")
    assert "\n" not in answer.trouble


def test_bytes_that_are_no_bools_become_bools():
    answer = Answer(1 << 20)
    answer.feed(forged(b'[{}, [["x", "|b1", [4]]]]', bytes([0, 1, 2, 255])))
    assert answer.parts[0][1]["x"].view("uint8").tolist() == [0, 1, 1, 1]


def test_an_answer_may_come_in_any_pieces():
    message = packed(PART, {"a": 1}, {"x": np.arange(5)}) + packed(FINISHED, {}, {})
    answer = Answer(1 << 20)
    for byte in message:
        answer.feed(bytes([byte]))
    assert (answer.trouble, answer.ended, answer.parts[0][0]) == ("", FINISHED, {"a": 1})
    np.testing.assert_array_equal(answer.parts[0][1]["x"], np.arange(5))


def test_folders_in_folders_are_too_much_long_before_a_path_is_too_long(tmp_path):
    """Each more of them takes longer to remove than the one before."""
    for deepest, found in ((job_folder.DEEPEST, False), (job_folder.DEEPEST + 2, True)):
        folder = tmp_path / str(deepest)
        folder.joinpath(*"x" * deepest).mkdir(parents=True)
        assert job_folder.holds_too_much(str(folder), Limits()) is found


def test_any_folder_can_be_removed(tmp_path):
    """Deeper than any path can be, which shutil.rmtree does not survive."""
    folder = tmp_path / "deep"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("x" * 50, dir_fd=here)
        os.symlink("/", "root", dir_fd=here)
        inner = os.open("x" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    job_folder.remove(str(folder))
    assert not folder.exists()
