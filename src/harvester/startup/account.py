"""The account that the service runs under: `[master] uname` and `gname`, where root starts it (core reference §1.3)."""

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harvester.config.assembly import is_template_mark, words_of_template_mark
from harvester.config.findings import Finding, Location, Severity
from harvester.config.instance_sections import Master
from harvester.core.errors import HarvesterError

KeyAt = Callable[[str, str], Location]
"""Where a key of a section stands."""
_OWN_FILES: Final = (os.__file__, __file__)
_ROOT: Final = 0


class AccountError(HarvesterError):
    """The account that is wanted is not there, or cannot be used."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who the service is to be.

    Attributes:
        user: its name.
        group: the group that its files get.
    """

    user: str
    uid: int
    gid: int
    home: str


def account_to_become(master: Master, key_at: KeyAt, files: Iterable[str]) -> Account | None:
    """The account that root wants for the service; None if this process stays what it is.

    Args:
        master: names it.
        key_at: where that stands.
        files: that decide what the service does; without an account only root may be able to change them, since
            whoever can would be root with the next start.

    Raises:
        AccountError: there is no such user or group, it is root, or others decide that the service stays root.
    """
    if os.geteuid() != _ROOT:
        return None
    for found in account_findings(master, key_at, files):
        raise AccountError(found.as_line())
    user = _user(master.uname) if master.uname else None
    if user is None:
        return None
    gid = _group(master.gname) if master.gname else None
    return Account(user.pw_name, user.pw_uid, user.pw_gid if gid is None else gid, user.pw_dir)


def account_findings(master: Master, key_at: KeyAt, files: Iterable[str]) -> Iterator[Finding]:
    """Why root could not start the service; for others only a name that nobody has here is worth a warning.

    Args:
        master: names the account.
        key_at: where that stands.
        files: that decide what the service does.
    """
    if os.geteuid() != _ROOT:
        for found in _unknown_names(master, key_at):
            yield replace(found, severity=Severity.WARNING, problem=f"{found.problem}, so root could not start it")
        return
    if not master.uname:
        yield from _open_files(files)
        return
    yield from _unknown_names(master, key_at)
    user = _user(master.uname)
    if user and user.pw_uid == _ROOT:
        yield _refusal(key_at("master", "uname"), "master.uname", "names root")
    if master.gname and _group(master.gname) == _ROOT:
        yield _refusal(key_at("master", "gname"), "master.gname", "names the group of root")


def _unknown_names(master: Master, key_at: KeyAt) -> Iterator[Finding]:
    if master.uname and _user(master.uname) is None:
        yield _unknown("user", "uname", master.uname, key_at)
    if master.gname and _group(master.gname) is None:
        yield _unknown("group", "gname", master.gname, key_at)


def _unknown(kind: str, key: str, name: str, key_at: KeyAt) -> Finding:
    at = key_at("master", key)
    problem = f"there is no {kind} {name} on this machine"
    if is_template_mark(name):
        problem = f"{words_of_template_mark(key, name)}, and {problem}"
    return Finding(Severity.ERROR, at.file, at.line, f"master.{key}", problem, f"make the {kind}, or name another one")


def _open_files(files: Iterable[str]) -> Iterator[Finding]:
    for file in filter(os.path.exists, files):
        if place := open_place(Path(file)):
            what = "this file" if place == Path(file) else f"what is in {place}"
            yield _refusal(Location(file), "master.uname", f"is not set, and others than root may change {what}")


def open_place(path: Path) -> Path | None:
    """What others than root may change: the file, or a directory above it or above what a link leads to.

    Raises:
        OSError: it is not there.
    """
    if path.lstat().st_uid != _ROOT:
        return path
    places = (path, *path.absolute().parents, *path.resolve().parents)
    return next((place for place in places if _is_open(place.stat())), None)


def _is_open(found: os.stat_result) -> bool:
    """Whether others than root may write there; in a sticky directory they replace nothing that is root's."""
    writers = stat.S_IWOTH if found.st_gid == _ROOT else stat.S_IWOTH | stat.S_IWGRP
    is_sticky = stat.S_ISDIR(found.st_mode) and bool(found.st_mode & stat.S_ISVTX)
    return found.st_uid != _ROOT or (bool(found.st_mode & writers) and not is_sticky)


def _refusal(at: Location, key: str, problem: str) -> Finding:
    what = f"{problem}, and the service would have all rights"
    advice = (
        "name an account without them there; to run as root leave uname out, and let root alone change the files of "
        "the configuration and the directories above them"
    )
    return Finding(Severity.ERROR, at.file, at.line, key, what, advice)


def become(account: Account) -> None:
    """Be that account from now on, with its groups and home, without a way back.

    Raises:
        AccountError: that is not possible, or the account cannot read Harvester itself.
    """
    try:
        os.initgroups(account.user, account.gid)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        raise AccountError(f"cannot become the user {account.user} of [master] uname: {error.strerror}") from error
    if os.getresuid() != (account.uid,) * 3 or os.getresgid() != (account.gid,) * 3:
        raise AccountError(f"the user {account.user} of [master] uname could not be taken over completely")
    os.environ.update(HOME=account.home, USER=account.user, LOGNAME=account.user)
    for file in _OWN_FILES:
        if not os.access(file, os.R_OK):
            raise AccountError(
                f"the user {account.user} of [master] uname cannot read {file}; install Python and Harvester where "
                "everybody may enter all directories above"
            )


def _user(name: str) -> pwd.struct_passwd | None:
    """By name, or by number as other service files allow it; None if there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    try:
        return pwd.getpwuid(int(name))
    except (KeyError, ValueError, OverflowError):
        return None


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        pass
    try:
        return grp.getgrgid(int(name)).gr_gid
    except (KeyError, ValueError, OverflowError):
        return None
