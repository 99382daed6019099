"""What the service knows of itself: credentials of its hosts."""

from dataclasses import replace

from store_tools import NOW, after

from harvester.store import credentials
from harvester.store.credentials import CredentialRecord
from harvester.store.engine import Database

PROXY = CredentialRecord("one", "/proxy", "production", after(hours=96), NOW, NOW, "")


def known(db: Database, *hosts: str) -> list[CredentialRecord]:
    with db.read() as connection:
        return credentials.of_hosts(connection, *hosts)


def test_credentials_of_a_host_are_replaced_as_a_whole(db: Database):
    with db.write() as connection:
        credentials.replace(connection, "one", [PROXY, replace(PROXY, name="/old")])
        credentials.replace(connection, "two", [replace(PROXY, host="two")])
    later = replace(PROXY, checked_at=after(hours=1), renewed_at=None, valid_until=None, problem="it is not there")
    with db.write() as connection:
        credentials.replace(connection, "one", [later])
    assert known(db, "one") == [replace(later, renewed_at=NOW)], "the last renewal is remembered"
    assert [each.host for each in known(db)] == ["one", "two"]


def test_no_credentials_are_none(db: Database):
    with db.write() as connection:
        credentials.replace(connection, "one", [PROXY])
        credentials.replace(connection, "one", [])
    assert known(db) == []


def test_of_a_long_path_the_end_is_kept_and_one_name_counts_once(db: Database):
    long = "/".join(["directory"] * 40) + "/proxy"
    with db.write() as connection:
        credentials.replace(connection, "one", [replace(PROXY, name=long), replace(PROXY, name=long)])
        credentials.replace(connection, "one", [replace(PROXY, name=long, renewed_at=None)])
    (record,) = known(db)
    assert record.name.startswith("…")
    assert record.name.endswith("directory/proxy")
    assert (len(record.name), record.renewed_at) == (190, NOW)
