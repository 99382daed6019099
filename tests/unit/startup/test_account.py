"""Who the service is when root starts it."""

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from harvester.config.findings import Location
from harvester.config.instance_sections import Master
from harvester.startup.account import Account, AccountError, account_to_become, become

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
NOBODY = pwd.getpwnam("nobody")
BECOME = """
import json, os, sys
from harvester.config.instance_sections import Master
from harvester.startup import account
account._OWN_FILES = tuple(sys.argv[3:])
master = Master(harvester_id="test", uname=sys.argv[1], gname=sys.argv[2] or None)
account.become(account.account_to_become(master, lambda section, key: None, ()))
try:
    os.seteuid(0)
except PermissionError:
    pass
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), os.environ["HOME"], os.environ["USER"]]))
"""


def master(**keys: str) -> Master:
    return Master(harvester_id="test", **keys)


def wanted(*files: Path, **keys: str) -> Account | None:
    return account_to_become(master(**keys), lambda _, key: Location(f"the.cfg with {key}", 3), map(str, files))


def becoming(user: str, group: str = "", *own_files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BECOME, user, group, *own_files]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@as_root
@pytest.mark.shows("master.uname", "master.gname")
@pytest.mark.parametrize("user", ["nobody", str(NOBODY.pw_uid)])
def test_root_becomes_the_account_of_the_configuration_for_good(user: str):
    uids, gids, groups, home, name = json.loads(becoming(user, "daemon").stdout)
    daemon = grp.getgrnam("daemon").gr_gid
    assert uids == [NOBODY.pw_uid] * 3
    assert gids == [daemon] * 3
    assert set(groups) == set(os.getgrouplist("nobody", daemon))
    assert (home, name) == (NOBODY.pw_dir, "nobody")


@as_root
def test_without_a_group_the_account_has_its_own():
    assert json.loads(becoming("nobody").stdout)[1] == [NOBODY.pw_gid] * 3


@as_root
def test_an_account_that_cannot_read_harvester_is_told_so():
    told = becoming("nobody", "", "/root/.a_file_of_root").stderr
    assert "the user nobody of [master] uname cannot read /root/.a_file_of_root; install Python and Harvester" in told


@as_root
@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"uname": "FIXME"}, "3: master.uname: 'FIXME' is the template's, and there is no user FIXME on this machine"),
        ({"uname": "4000000000"}, "3: master.uname: there is no user 4000000000"),
        ({"uname": "9" * 30}, "there is no user 9999"),
        ({"uname": "nobody", "gname": "FIXME"}, "master.gname: 'FIXME' is the template's, and there is no group FIXME"),
    ],
)
def test_an_unknown_name_is_told_with_its_key(keys: dict[str, str], says: str):
    with pytest.raises(AccountError, match=says):
        wanted(**keys)


@as_root
@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"uname": "root"},
            "the.cfg with uname:3: master.uname: names root, and the service would have all rights;",
        ),
        ({"uname": "0"}, "master.uname: names root"),
        ({"uname": "nobody", "gname": "root"}, "the.cfg with gname:3: master.gname: names the group of root"),
    ],
)
def test_root_is_nobody_to_become(keys: dict[str, str], says: str):
    with pytest.raises(AccountError, match=says):
        wanted(**keys)


@as_root
@pytest.mark.parametrize(("owner", "group", "mode"), [(NOBODY.pw_uid, 0, 0o600), (0, 1, 0o660), (0, 0, 0o646)])
def test_who_may_change_the_configuration_cannot_keep_the_service_root(
    tmp_path: Path, owner: int, group: int, mode: int
):
    file = tmp_path / "panda_harvester.cfg"
    file.touch()
    assert wanted(file) is None
    os.chown(file, owner, group)
    file.chmod(mode)
    with pytest.raises(AccountError, match=f"{file}: master.uname: is not set, and others than root may change this"):
        wanted(file)
    account = wanted(file, uname="nobody")
    assert account
    assert account.uid == NOBODY.pw_uid


@as_root
@pytest.mark.parametrize(("owner", "group", "mode"), [(NOBODY.pw_uid, 0, 0o755), (0, 1, 0o775), (0, 0, 0o757)])
@pytest.mark.parametrize("is_link", [False, True])
def test_who_may_replace_the_configuration_cannot_keep_the_service_root(
    tmp_path: Path, owner: int, group: int, mode: int, *, is_link: bool
):
    directory, link = tmp_path / "theirs", tmp_path / "link.cfg"
    (directory / "inner").mkdir(parents=True)
    file = directory / "inner" / "panda_harvester.cfg"
    file.touch()
    link.symlink_to(file)
    named = link if is_link else file
    assert wanted(named) is None
    os.chown(directory, owner, group)
    directory.chmod(mode)
    with pytest.raises(AccountError, match=f"{named}: .* others than root may change what is in {directory}, and"):
        wanted(named)


@as_root
def test_a_sticky_directory_keeps_what_is_root_s(tmp_path: Path):
    file = tmp_path / "panda_harvester.cfg"
    file.touch()
    tmp_path.chmod(0o1777)
    assert wanted(file) is None
    os.chown(tmp_path, NOBODY.pw_uid, 0)
    with pytest.raises(AccountError, match="others than root"):
        wanted(file)


@as_root
def test_a_link_of_somebody_else_is_no_file_of_root(tmp_path: Path):
    file, link = tmp_path / "of_root", tmp_path / "panda_harvester.cfg"
    file.touch()
    link.symlink_to(file)
    os.chown(link, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    with pytest.raises(AccountError, match="is not set"):
        wanted(link)


def test_nobody_changes_without_a_name():
    assert wanted() is None


def test_who_is_not_root_stays_who_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert wanted(uname="FIXME", gname="FIXME") is None


@as_root
def test_becoming_needs_the_right_to(monkeypatch: pytest.MonkeyPatch):
    account = wanted(uname="nobody")
    assert account

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "initgroups", refuse)
    with pytest.raises(AccountError, match="cannot become the user nobody"):
        become(account)
