#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The layer rule, enforced.

    cli -> session -> {fuse, kernel, finalize} -> overlay
        -> stack -> {layer/host, layerfs, composefs} -> sys -> base

A folder of src/ may include what stands to its right, never what stands to its
left or beside it; overlay alone skips two steps: it meets the three layers, and
whoever opens them, through veneer/layer.h. include/veneer is open to all and includes only itself and the
standard library. Beyond includes:

  * a fuse header is included in src/fuse alone,
  * a system call is made in src/sys alone,
  * the environment is read in src/cli alone.

usage: check_layers.py [ROOT]        check the tree (default: this one)
       check_layers.py --self-test   check the checker
"""

import pathlib
import re
import sys

_LAYERS = ("layer/host", "layerfs", "composefs")
_SERVICES = ("fuse", "kernel", "finalize")

# What each folder may include, besides itself and include/veneer.
ALLOWED = {
    "base": (),
    "sys": ("base",),
    **{layer: ("sys", "base") for layer in _LAYERS},
    "stack": (*_LAYERS, "sys", "base"),
    "overlay": ("sys", "base"),
    **{service: ("overlay", "stack", *_LAYERS, "sys", "base")
       for service in _SERVICES},
    "session": (*_SERVICES, "overlay", "stack", *_LAYERS, "sys", "base"),
    "cli": ("session", *_SERVICES, "overlay", "stack", *_LAYERS, "sys",
            "base"),
}

# Headers that serve for nothing but system calls.
SYSCALL_HEADERS = {
    "linux/mount.h", "linux/openat2.h", "spawn.h", "sys/file.h",
    "sys/fsuid.h", "sys/ioctl.h", "sys/mman.h", "sys/mount.h",
    "sys/sendfile.h", "sys/syscall.h", "sys/wait.h", "sys/xattr.h",
}

# System calls and their C library faces, refused as ::name( outside src/sys.
SYSCALLS = set("""
    access acct bind chdir chmod chown chroot clone close closedir connect
    copy_file_range creat dup dup2 dup3 epoll_create1 epoll_ctl epoll_wait
    eventfd execl execv execve execvp faccessat fallocate fchdir fchmod fchmodat
    fchown fchownat fcntl fdatasync fdopendir fgetxattr flistxattr flock fopen
    fork fremovexattr fsconfig fsetxattr fsmount fsopen fstat fstatat fstatfs
    fstatvfs fsync ftruncate futimens getdents64 getxattr inotify_add_watch
    inotify_init1 ioctl kill lchown lgetxattr link linkat listen listxattr
    llistxattr lremovexattr lseek lsetxattr lstat memfd_create mkdir mkdirat
    mkfifo mkfifoat mknod mknodat mkdtemp mkstemp mmap mount mount_setattr
    move_mount mprotect msync munmap name_to_handle_at open open_by_handle_at
    open_tree openat openat2 opendir pidfd_open pipe pipe2 pivot_root poll ppoll
    posix_fadvise posix_fallocate posix_spawn posix_spawnp prctl pread preadv
    pwrite pwritev read readahead readdir readlink readlinkat readv realpath
    recvmsg removexattr rename renameat renameat2 rmdir sendfile sendmsg setegid
    seteuid setfsgid setfsuid setgroups setns setresgid setresuid setsid
    setxattr signalfd socket socketpair splice stat statfs statvfs statx symlink
    symlinkat sync syncfs syscall tee truncate umask umount umount2 unlink
    unlinkat unshare utimensat vfork vmsplice waitid waitpid write writev
""".split())

# Those of them that no operation of ours is named after: refused as plain
# calls too. A declaration or a method of such a name is not a call.
PLAIN_SYSCALLS = set("""
    execv execve execvp faccessat fchmodat fchownat fcntl fdatasync fdopendir
    fgetxattr flistxattr fork fremovexattr fsconfig fsetxattr fsmount fsopen
    fstat fstatat fstatfs fstatvfs ftruncate futimens getdents64 lgetxattr
    linkat llistxattr lremovexattr lsetxattr lstat memfd_create mkdirat mkfifoat
    mknodat mmap mount_setattr move_mount munmap name_to_handle_at
    open_by_handle_at open_tree openat openat2 opendir pipe2 posix_spawn
    posix_spawnp pread preadv pwrite pwritev readlinkat renameat renameat2
    setfsgid setfsuid setns setresgid setresuid setsid splice symlinkat syncfs
    syscall umount2 unlinkat unshare utimensat vfork waitid waitpid
""".split())

OUTSIDE_LIBRARIES = re.compile(
    r"(absl|fmt|spdlog|nlohmann|CLI|openssl|fuse3|linux)/"
    r"|(archive|blake3|fuse|xxhash)\w*\.h$")
FUSE_HEADER = re.compile(r"fuse3?/|(.*/)?fuse(_\w+)?\.h$|cuse_")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
GLOBAL_CALL = re.compile(r"(?<![\w:>])::\s*(\w+)\s*\(")
# A name in a place where only an expression can stand.
PLAIN_CALL = re.compile(
    r"(?:(?:^|[=(,!;{}?|+]|&&|\breturn\b|[^:]:(?!:))\s*)(\w+)\s*(?=\()")
GETENV = re.compile(r"\b(?:secure_)?getenv\s*\(")

_SKIP = re.compile(
    r'R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"'    # raw string
    r'|//[^\n]*|/\*.*?\*/'               # comments
    r'|"(?:\\.|[^"\\\n])*"'              # string
    r"|(?<![\w'])'(?:\\.|[^'\\\n])*'",   # character, not a digit separator
    re.S)


def without_text(source):
    """`source` with comments and literals blanked, line numbers kept."""
    return _SKIP.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), source)


def module_of(path):
    """The module that file or include `path` (below src/) belongs to."""
    for module in sorted(ALLOWED, key=len, reverse=True):
        if path.startswith(module + "/"):
            return module
    return None


def include_findings(where, module, bracket, name):
    """What is wrong with one include of a file in `module`."""
    if module == "include/veneer":
        if bracket == '"' and not name.startswith("veneer/"):
            yield f"a public header includes the internal {name}"
        elif bracket == "<" and OUTSIDE_LIBRARIES.match(name):
            yield f"a public header includes <{name}>; only std is allowed"
        return
    if FUSE_HEADER.match(name) and module != "fuse" and not (
            bracket == '"' and module_of(name)):
        yield f"<{name}> outside src/fuse"
    if name in SYSCALL_HEADERS and bracket == "<" and module != "sys":
        yield f"<{name}> outside src/sys"
    ours = not name.startswith("veneer/") and not OUTSIDE_LIBRARIES.match(name)
    if bracket == '"' and ours:
        target = module_of(name)
        if target is None:
            yield f'"{name}" belongs to no module; includes start at src/'
        elif target != module and target not in ALLOWED[module]:
            yield f"{module} may not include {target} ({name})"


def findings(where, module, source):
    """(line, message) for each breach in a file of `module`."""
    def line(match):
        return source.count("\n", 0, match.start(match.lastindex or 0)) + 1

    commentless = re.sub(r"//[^\n]*", "", source)
    for match in INCLUDE.finditer(commentless):
        for message in include_findings(where, module, *match.groups()):
            yield line(match), message
    code = without_text(source)
    if module != "sys":
        for match in GLOBAL_CALL.finditer(code):
            if match[1] in SYSCALLS:
                yield line(match), f"::{match[1]}() outside src/sys"
        for match in PLAIN_CALL.finditer(code):
            if match[1] in PLAIN_SYSCALLS:
                yield line(match), f"{match[1]}() outside src/sys"
    if module != "cli":
        for match in GETENV.finditer(code):
            yield line(match), "the environment is read outside src/cli"


def check(root):
    """Prints every breach below `root`; returns how many there are."""
    count = 0
    files = [p for folder in ("src", "include/veneer")
             for p in (root / folder).rglob("*") if p.suffix in (".cc", ".h")]
    for path in sorted(files):
        where = path.relative_to(root).as_posix()
        module = "include/veneer"
        if where.startswith("src/"):
            module = module_of(where[len("src/"):])
        if module is None:
            print(f"{where}:1: in no module of the layer rule")
            count += 1
            continue
        source = path.read_text(encoding="utf-8")
        for line, message in sorted(findings(where, module, source)):
            print(f"{where}:{line}: {message}")
            count += 1
    print(f"layers: {len(files)} files, {count} findings")
    return count


# (module, source, is it refused?)
SELF_TEST = [
    ("overlay", '#include "sys/fd.h"', False),
    ("overlay", '#include "veneer/layer.h"', False),
    ("overlay", '#include "layer/host/host_layer.h"', True),
    ("overlay", '#include "fuse/reply.h"', True),
    ("layerfs", '#include "composefs/reader.h"', True),
    ("kernel", '#include "fuse/session.h"', True),
    ("kernel", '#include "layer/host/whiteout.h"', False),
    ("session", '#include "fuse/session.h"', False),
    ("base", '#include "sys/fd.h"', True),
    ("base", '#include "fd.h"', True),
    ("base", '// #include "sys/fd.h"', False),
    ("session", "#include <fuse_lowlevel.h>", True),
    ("sys", "#include <linux/fuse.h>", True),
    ("fuse", "#include <fuse_lowlevel.h>", False),
    ("overlay", '#include "absl/container/btree_map.h"', False),
    ("overlay", '#include "fuse_lowlevel.h"', True),
    ("overlay", "#include <sys/xattr.h>", True),
    ("overlay", '#include "sys/xattr.h"', False),
    ("sys", "#include <sys/xattr.h>", False),
    ("include/veneer", "#include <expected>\n#include <sys/stat.h>", False),
    ("include/veneer", '#include "base/mutex.h"', True),
    ("include/veneer", "#include <fmt/format.h>", True),
    ("cli", "int f = ::open(p, 0);", True),
    ("cli", "return ::umount2(p, 0);", True),
    ("sys", "return ::umount2(p, 0);", False),
    ("cli", "n = syscall(SYS_x);", True),
    ("cli", "if (fstat(fd, &st) != 0) return;", True),
    ("cli", "x = a &&\n    openat(dir, name, 0) < 0;", True),
    ("overlay", "TRY(sys::openat(dir, name));", False),
    ("overlay", "Result<void> Filesystem::unlink(int a) {", False),
    ("overlay", "Result<void> openat(Name name);", False),
    ("overlay", "auto x = upper.renameat2(a);", False),
    ("overlay", "auto x = upper->fstat(a);", False),
    ("overlay", "return unlink(dir, name);", False),
    ("overlay", "// then ::rename(a, b)", False),
    ("overlay", 'log("::open(x)");', False),
    ("overlay", "std::string s = veneer::read(x);", False),
    ("session", 'auto* home = std::getenv("HOME");', True),
    ("cli", 'auto* home = std::getenv("HOME");', False),
]


def self_test():
    wrong = 0
    for module, source, refused in SELF_TEST:
        if bool(list(findings("x", module, source))) != refused:
            wrong += 1
            print(f"{module}: {source!r} should be "
                  f"{'refused' if refused else 'accepted'}")
    print(f"layers: self-test, {len(SELF_TEST)} cases, {wrong} wrong")
    return wrong


def main(arguments):
    if arguments == ["--self-test"]:
        return 1 if self_test() else 0
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__.rsplit("usage: ")[1], end="", file=sys.stderr)
        return 2
    here = pathlib.Path(__file__).resolve().parent.parent
    return 1 if check(pathlib.Path(arguments[0]) if arguments else here) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
