"""Where configuration files are, and reading them.

Core reference §1.1 and §1.7; what stands at an address is read by `remote`.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harvester.config.findings import Findings, Location
from harvester.config.json_lines import JsonDocument, JsonSyntaxError, parse_json
from harvester.config.places import barred_by, is_directory, is_file, this_account
from harvester.config.problems import doubled_key

NO_RIGHTS = "run this as the service's account, or correct the permissions"
"""What to do about a file or directory that this account cannot read."""
MAIN_FILE = "panda_harvester.cfg"
COMMON_FILE = "panda_common.cfg"
CONFIG_MAP = "panda_harvester_configmap.json"


def search_path(name: str, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """All places of an ini file; later ones override earlier ones key by key, one named twice has its last place."""
    folders = [Path("/etc/panda"), Path("/usr/etc/panda")]
    if home := _home(environ):
        folders.append(home / "etc/panda")
    if panda_home := home_of_configuration(environ):
        folders += [panda_home / "etc/panda", panda_home / "usr/etc/panda"]
    latest_first = dict.fromkeys(folder / name for folder in reversed(folders))
    return tuple(reversed(latest_first))


def home_of_configuration(environ: Mapping[str, str]) -> Path | None:
    """`PANDA_HOME`; without it the environment of Python or conda that runs this, if configuration is in it."""
    if stated := environ.get("PANDA_HOME"):
        return Path(stated)
    own = Path(sys.prefix)
    is_environment = sys.prefix != sys.base_prefix or is_directory(own / "conda-meta")
    return own if is_environment and is_directory(own / "etc/panda") else None


def _home(environ: Mapping[str, str]) -> Path | None:
    """The home directory; without `HOME` that of the account, which need not have one."""
    if stated := environ.get("HOME"):
        return Path(stated)
    try:
        return Path.home()
    except RuntimeError:
        return None


def config_map(environ: Mapping[str, str]) -> Path | None:
    """The place of the config map, which overrides all ini files."""
    panda_home = home_of_configuration(environ)
    return panda_home / "etc/configmap" / CONFIG_MAP if panda_home else None


def work_dir(environ: Mapping[str, str], harvester_id: str) -> Path:
    """Where an instance keeps its files when its configuration does not say."""
    return state_dir(environ) / harvester_id


def state_dir(environ: Mapping[str, str]) -> Path:
    """Where the instances of an account keep their files when no configuration says it."""
    if panda_home := environ.get("PANDA_HOME"):
        return Path(panda_home) / "var/harvester"
    if state_home := environ.get("XDG_STATE_HOME"):
        return Path(state_home) / "harvester"
    return (_home(environ) or Path("/var/lib")) / ".local/state/harvester"


def report_no_main_file(looked_at: Sequence[Path], findings: Findings) -> None:
    """Tell that the main file is in none of the places, or may be where this account cannot look."""
    here = Location(MAIN_FILE)
    barred = {directory for path in looked_at if (directory := barred_by(path))}
    for each in sorted(barred):
        findings.error(here, "", f"{each} cannot be read by {this_account()}", NO_RIGHTS)
    if not barred:
        places = ", ".join(map(str, looked_at))
        advice = "set PANDA_HOME, or name the file with --config; `harvester init` writes one"
        findings.error(here, "", f"found in none of {places}", advice)


def queue_file(config_file: str, environ: Mapping[str, str], config_paths: Sequence[Path] | None = None) -> Path:
    """The queue configuration that `[qconf] configFile` means.

    A relative path is looked for beside a main file that was named, in `$PANDA_HOME/etc/panda`, and in `/etc/panda`.
    """
    *places, last = queue_places(config_file, environ, config_paths)
    return next((place for place in places if is_file(place)), last)


def queue_places(
    config_file: str, environ: Mapping[str, str], config_paths: Sequence[Path] | None = None
) -> tuple[Path, ...]:
    """Where the queue configuration is looked for, in this order; one place for an absolute path."""
    folders = [path.parent for path in reversed(config_paths or ())]
    if panda_home := home_of_configuration(environ):
        folders.append(panda_home / "etc/panda")
    return tuple(dict.fromkeys(folder / config_file for folder in (*folders, Path("/etc/panda"))))


def advice_on_missing_queues(places: Sequence[Path]) -> str:
    """What to do if the queue configuration is in none of the places."""
    *others, _ = places
    looked = f"nor is there {' or '.join(map(str, others))}; " if others else ""
    return f"{looked}put it there, correct [qconf] configFile, or name the file with --queues"


def read_text(path: Path, findings: Findings, advice: str = "check the path") -> str | None:
    """The file's text, or None with the reason as a finding."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        findings.error(Location(str(path)), "", "there is no such file", advice)
    except PermissionError:
        findings.error(Location(str(path)), "", f"cannot be read by {this_account()}", NO_RIGHTS)
    except UnicodeDecodeError as error:
        findings.error(Location(str(path)), "", f"not UTF-8 text (byte {error.start})", "save it as UTF-8")
    except OSError as error:
        findings.error(Location(str(path)), "", f"cannot be read: {error.strerror}", "check its type and permissions")
    return None


def existing(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The files of a search path that are there; missing ones are no mistake."""
    return tuple(filter(is_file, paths))


def read_json(path: Path, findings: Findings, advice: str = "check the path") -> JsonDocument | None:
    """The file as JSON, or None with the reason as a finding; doubled keys are reported."""
    text = read_text(path, findings, advice)
    if text is None:
        return None
    if not text.strip():
        findings.error(Location(str(path), 1), "", "the file is empty", "write {}, or what it should say")
        return None
    try:
        document = parse_json(text, str(path))
    except JsonSyntaxError as error:
        findings.error(Location(str(path), error.line), "", error.problem, "correct the JSON; the file was skipped")
        return None
    for key, line in document.duplicates:
        findings.warning(Location(str(path), line), ".".join(map(str, key)), *doubled_key(key))
    return document
