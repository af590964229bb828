"""What a process gives up before it runs code that is not trusted; none of it can be taken back.

Limits everywhere but on Windows. On Linux also root's powers, and in full isolation all files but the
interpreter's and one folder (Landlock), and the network and other processes (seccomp). By ctypes, as neither
has a place in Python's own library.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import signal
import struct
import sys
import sysconfig
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LINUX = sys.platform.startswith("linux")
LIBC: Any = ctypes.CDLL(None, use_errno=True) if LINUX else None


@dataclass(frozen=True)
class Limits:
    """What a job may use; sizes in bytes."""

    cpu_seconds: int = 20
    wall_seconds: float = 30.0
    memory: int = 4 << 30
    file_size: int = 16 << 20
    folder_size: int = 256 << 20
    folder_files: int = 10_000
    open_files: int = 64
    output: int = 1 << 20
    answer: int = 64 << 20


# prctl(2) and capset(2).
PDEATHSIG, KEEPCAPS, SUBREAPER, NO_NEW_PRIVS = 1, 8, 36, 38
DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2
# Landlock: a right to each thing that can be done with a file, of which later versions know more.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
EXECUTE, DEVICES = 1 << 0, 1 << 6 | 1 << 11 | 1 << 15
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
ALL_RIGHTS = (1 << 16) - 1  # From version 5 on.
# What is read besides the interpreter: libraries, time zones, and what the processor is.
SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime",
    "/usr/share/zoneinfo", "/proc/cpuinfo", "/sys/devices/system/cpu", "/dev/urandom",
)  # fmt: skip

LIBRARIES = ("stdlib", "platstdlib", "purelib", "platlib")  # sysconfig's names.

# seccomp: the name that a filter knows an architecture by, and what each system call is there. All of these
# are refused: name:x86-64:AArch64.
ARCHITECTURES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
REFUSED = """
    socket:41:198  socketpair:53:199  bind:49:200  connect:42:203  listen:50:201  accept:43:202
    accept4:288:242  sendmsg:46:211  sendmmsg:307:269
    clone:56:220  fork:57:-  vfork:58:-  execve:59:221  execveat:322:281  setsid:112:157  setpgid:109:154
    ptrace:101:117  process_vm_readv:310:270  process_vm_writev:311:271  kcmp:312:272
    perf_event_open:298:241  bpf:321:280  userfaultfd:323:282
    kill:62:129  tkill:200:130  tgkill:234:131  rt_sigqueueinfo:129:138  rt_tgsigqueueinfo:297:240
    setrlimit:160:164  prlimit64:302:261  setpriority:141:140  ioprio_set:251:30
    sched_setaffinity:203:122  sched_setattr:314:274  sched_setparam:142:118  sched_setscheduler:144:119
    move_pages:279:239  migrate_pages:256:238
    setuid:105:146  setgid:106:144  setreuid:113:145  setregid:114:143  setresuid:117:147
    setresgid:119:149  setgroups:116:159  setfsuid:122:151  setfsgid:123:152  capset:126:91
    personality:135:92
    chmod:90:-  fchmod:91:52  fchmodat:268:53  chown:92:-  fchown:93:55  lchown:94:-  fchownat:260:54
    utime:132:-  utimes:235:-  futimesat:261:-  utimensat:280:88  mknod:133:-  mknodat:259:33
    truncate:76:45  fallocate:285:47  setxattr:188:5  lsetxattr:189:6  fsetxattr:190:7  removexattr:197:14
    lremovexattr:198:15  fremovexattr:199:16
    mount:165:40  umount2:166:39  pivot_root:155:41  chroot:161:51  unshare:272:97  setns:308:268
    swapon:167:224  swapoff:168:225  quotactl:179:60  acct:163:89  uselib:134:-
    name_to_handle_at:303:264  open_by_handle_at:304:265  fanotify_init:300:262  fanotify_mark:301:263
    inotify_init:253:-  inotify_init1:294:26  inotify_add_watch:254:27
    memfd_create:319:279  shmget:29:194  shmat:30:196  shmctl:31:195  msgget:68:186  msgsnd:69:189
    msgrcv:70:188  msgctl:71:187  semget:64:190  semop:65:193  semctl:66:191  semtimedop:220:192
    mq_open:240:180  mq_unlink:241:181  add_key:248:217  request_key:249:218  keyctl:250:219
    init_module:175:105  finit_module:313:273  delete_module:176:106  create_module:174:-
    kexec_load:246:104  kexec_file_load:320:294  reboot:169:142
    settimeofday:164:170  clock_settime:227:112  clock_adjtime:305:266  adjtimex:159:171
    sethostname:170:161  setdomainname:171:162  syslog:103:116  vhangup:153:58  iopl:172:-  ioperm:173:-
    modify_ldt:154:-  _sysctl:156:-  nfsservctl:180:42  lookup_dcookie:212:18  io_setup:206:0
    io_submit:209:2
"""
# From this number on calls have one number everywhere, and are unknown (ENOSYS), io_uring, pidfd and clone3
# among them, except: close_range, faccessat2, epoll_pwait2, futex_waitv, futex_wake, _wait, _requeue, mseal.
UNIFORM, KNOWN = 424, (436, 439, 441, 449, 454, 455, 456, 462)
X32 = 0x40000000
# Calls that turn on an argument; x86-64:AArch64.
OTHERS = "open:2:-  openat:257:56  fcntl:72:25  ioctl:16:29"
THREAD, NAMESPACES = 0x00010000, 0x7E020080
WRITES, TRUNCATES = 0o3, 0o1000
# A file that sends its news as a signal, of any kind, to anybody.
OWNER_BY_FCNTL = (8, 10, 15)
# All that is asked of a file by ioctl: what it is as a terminal, how much there is to read, to be closed or
# not to wait. Others make folders and copies (btrfs) or change files, and Landlock does not see them.
IOCTL = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
LOAD, EQUAL, AT_LEAST, MASK, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06  # BPF's.
Condition = tuple[int, int, int]  # The 32-bit word of the arguments, what of it counts, what that is.


def lock(folder: str, full: bool, limits: Limits) -> None:
    """Keep within limits, without root's powers; in full isolation also within the folder."""
    if LINUX:
        _prctl(NO_NEW_PRIVS, 1)
    paths = readable() if full else []
    _limit(limits)
    _leave_root(folder)
    if LINUX:
        _prctl(PDEATHSIG, signal.SIGKILL)
    if full:
        _keep_to(folder, paths)
        _filter(_program(platform.machine(), os.getpid()))


def missing() -> str:
    """Why there is no full isolation here; empty if there is, which a process has tried."""
    if not LINUX:
        return f"Full isolation needs Linux, this is {sys.platform}."
    machine = platform.machine()
    if machine not in ARCHITECTURES or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return f"Full isolation is written for {' and '.join(ARCHITECTURES)}, this is {machine}."
    if _landlock_version() < 1:
        return "This kernel has no Landlock: it needs Linux 5.13, and landlock in its list of LSMs."
    readable()  # Found once, for every fork.
    read, write = os.pipe()
    with tempfile.TemporaryDirectory() as folder, open(read, encoding="utf-8") as said:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.write(write, _tried(folder).encode()[:2000])
            os._exit(0)
        os.close(write)
        reason = said.read()
        os.waitpid(child, 0)
    return "" if reason == "locked" else f"This system refused a lock: {reason or 'no reason is given'}."


def _tried(folder: str) -> str:
    """Lock, and see whether it holds: a system may accept what it does not do."""
    try:
        lock(folder, True, Limits())
        Path(folder, "file").write_text("can be written", "utf-8")
    except OSError as error:
        return str(error)
    for path in ("/", "/etc/passwd"):
        with contextlib.suppress(PermissionError):
            os.close(os.open(path, os.O_RDONLY))
            return f"{path} can be read all the same"
    return "locked" if LIBC.socket(1, 1, 0) < 0 else "a socket can be made all the same"


def adopt_orphans() -> None:
    """Be the parent of every descendant whose own has ended, so that none can leave."""
    if LINUX:
        _prctl(SUBREAPER, 1)


def descendants(process: int, without: Collection[int] = ()) -> list[int]:
    """The children of a process, theirs and so on, except these and what is theirs; Linux knows them.

    >>> descendants(2**30)
    []
    """
    parents = {}
    with contextlib.suppress(FileNotFoundError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    found: set[int] = set()
    fresh = {process}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - {*without} - found
        found |= fresh
    return sorted(found)


def _prctl(option: int, value: int) -> None:
    if LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def _syscall(name: str, number: int, *arguments: object) -> int:
    result: int = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def _limit(limits: Limits) -> None:
    if sys.platform == "win32":
        return
    import resource

    memory, tasks = limits.memory, 0
    if LINUX:
        # What was there before the fork is not the job's; nor is what others of its user run.
        with open("/proc/self/statm", "rb") as file:
            memory += int(file.read().split()[0]) * resource.getpagesize()
        with open("/proc/loadavg", "rb") as file:
            tasks = int(file.read().split()[3].partition(b"/")[2])
    wanted = {
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_CPU: (limits.cpu_seconds, limits.cpu_seconds + 1),
        resource.RLIMIT_FSIZE: (limits.file_size, limits.file_size),
        resource.RLIMIT_NOFILE: (limits.open_files, limits.open_files),
        resource.RLIMIT_CORE: (0, 0),
    }
    if tasks:
        wanted[resource.RLIMIT_NPROC] = (tasks + 128, tasks + 128)
    for kind, (soft, hard) in wanted.items():
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        # macOS refuses some, and has no other.
        with contextlib.nullcontext() if LINUX else contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft, hard))


def _leave_root(folder: str) -> None:
    """Root becomes a user whom nobody else is, who can read what the interpreter needs, and no more.

    So limits on processes hold, hard limits stay, and signals reach nobody else.
    """
    if not LINUX or os.geteuid() != 0:
        return
    version = struct.pack("<Ii", 0x20080522, 0)
    had = (ctypes.c_uint32 * 6)()
    LIBC.capget(version, had)
    user = 1_500_000_000 + os.getpid()
    _prctl(KEEPCAPS, 1)
    try:
        os.chown(folder, user, user)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:
        # A container may have few users; its root has lost its powers all the same.
        with contextlib.suppress(OSError):
            os.chown(folder, 0, 0)
    # Docker's root cannot be given the lesser power, which it does not have.
    kept = DAC_READ_SEARCH if had[1] & DAC_READ_SEARCH else had[1] & DAC_OVERRIDE
    if LIBC.capset(version, struct.pack("<6I", kept, kept, 0, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "capset failed")


# Landlock.


def _landlock_version() -> int:
    return int(LIBC.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


@functools.cache
def readable() -> list[str]:
    """The folders and files that Python and its libraries are read from, and none of ours."""
    ours = Path(__file__).resolve().parent
    # A checkout has our sources in its history too, and the answers in its tests.
    avoided = ours if ours.parent.name in ("site-packages", "dist-packages") else ours.parent
    places = [*sys.path, *map(sysconfig.get_path, LIBRARIES), os.path.join(sys.base_prefix, "lib"), *SYSTEM]
    roots = {Path(place).resolve() for place in places if place and os.path.exists(place)}
    return sorted({str(path) for root in roots for path in around(root, avoided, ours)})


def around(root: Path, avoided: Path, ours: Path) -> Iterator[Path]:
    """A folder; or where it holds what is avoided, each of all the others in it.

    >>> home = Path(__file__).parent
    >>> places = [*around(home.parent, home, home)]
    >>> home in places, home.parent in places, [*around(home / "views", home, home)]
    (False, False, [])
    """
    if root == avoided or root.is_relative_to(ours):
        return
    if not avoided.is_relative_to(root):
        yield root
        return
    for child in root.iterdir():
        target = child.resolve()
        if not (child.is_symlink() and avoided.is_relative_to(target)) and target.exists():
            yield from around(target, avoided, ours)


def _keep_to(folder: str, paths: Sequence[str]) -> None:
    version = _landlock_version()
    handled = RIGHTS.get(version, ALL_RIGHTS)
    # Also no TCP (from version 4 on), no abstract sockets and no signals out of here (from 6 on).
    attributes = struct.pack("<QQQ", handled, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _syscall("landlock_create_ruleset", CREATE_RULESET, attributes,
                       ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))  # fmt: skip
    try:
        for path in paths:
            _allow(ruleset, path, handled & (READ_FILE | READ_DIR))
        _allow(ruleset, os.devnull, handled & (READ_FILE | WRITE_FILE | TRUNCATE))
        _allow(ruleset, folder, handled & ~(EXECUTE | DEVICES))
        _syscall("landlock_restrict_self", RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # It went meanwhile, or is not for us.
    try:
        if not os.path.isdir(path):
            rights &= READ_FILE | WRITE_FILE | TRUNCATE
        rule = struct.pack("<Qi", rights, file)
        _syscall(
            "landlock_add_rule", ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0)
        )
    finally:
        os.close(file)


# seccomp.


def _numbers(table: str, machine: str) -> dict[str, int]:
    """The numbers of the calls in a table that this machine has."""
    column = 1 + [*ARCHITECTURES].index(machine)
    rows = (row.split(":") for row in table.split())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _program(machine: str, process: int) -> bytes:
    """The filter: what it answers to each call of this process, in BPF.

    >>> len(_program("x86_64", 1)) % 8, len(_program("aarch64", 1)) % 8
    (0, 0)
    """
    audit, _ = ARCHITECTURES[machine]
    refused, others = _numbers(REFUSED, machine), _numbers(OTHERS, machine)
    itself = (0, 0xFFFFFFFF, process)
    code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, audit), (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, 0)]
    code += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSE)]
    for number in KNOWN:
        code += _rule(number, [], ALLOW)
    code += [(AT_LEAST, 0, 1, UNIFORM), (RETURN, 0, 0, UNKNOWN)]
    # A thread is no process; a signal to oneself harms nobody else; reading a limit changes none.
    code += _rule(refused["clone"], [(0, THREAD | NAMESPACES, THREAD)], ALLOW)
    for name in ("kill", "tgkill"):
        code += _rule(refused[name], [itself], ALLOW)
    everything = 0xFFFFFFFF
    code += _rule(refused["prlimit64"], [(0, everything, 0), (4, everything, 0), (5, everything, 0)], ALLOW)
    for number in refused.values():
        code += _rule(number, [], REFUSE)
    # Landlock before version 3 lets a file be emptied that is opened for reading.
    for name, word in (("open", 2), ("openat", 4)):
        if name in others:
            code += _rule(others[name], [(word, WRITES | TRUNCATES, TRUNCATES)], REFUSE)
            # Neither to read nor to write, which Landlock lets pass.
            code += _rule(others[name], [(word, WRITES, WRITES)], REFUSE)
    for command in OWNER_BY_FCNTL:
        code += _rule(others["fcntl"], [(2, everything, command)], REFUSE)
    for command in IOCTL:
        code += _rule(others["ioctl"], [(2, everything, command)], ALLOW)
    code += _rule(others["ioctl"], [], REFUSE)
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _rule(number: int, conditions: Sequence[Condition], answer: int) -> list[tuple[int, int, int, int]]:
    """The answer to this call where all conditions hold. The number is loaded before, and after."""
    tests = []
    for word, mask, value in conditions:
        tests += [(LOAD, 0, 0, 16 + 4 * word), (MASK, 0, 0, mask), (EQUAL, 0, -1, value)]
    body = [*tests, (RETURN, 0, 0, answer)]
    # A test that fails goes beyond the answer, where the number is loaded again.
    body = [(op, yes, len(body) - at - 1 if no < 0 else no, k) for at, (op, yes, no, k) in enumerate(body)]
    if conditions:
        body.append((LOAD, 0, 0, 0))
    return [(EQUAL, 0, len(body), number), *body]


def _filter(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    number = ARCHITECTURES[platform.machine()][1]
    # SECCOMP_SET_MODE_FILTER for every thread there is (TSYNC).
    if _syscall("seccomp", number, ctypes.c_uint(1), ctypes.c_uint(1), pointer):
        raise OSError(errno.EBUSY, "seccomp: another thread has a filter of its own")
